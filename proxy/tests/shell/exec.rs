//! `bss listen --exec`: a program for each client.

use std::process::Stdio;

use rustix::process::{Pid, Signal, test_kill_process};
use tokio::io::AsyncWriteExt;

use crate::program::{Program, Proxy, until};

#[tokio::test]
async fn each_client_has_a_program_of_its_own_and_gets_back_what_it_sent() {
    let proxy = Proxy::start().await;
    let _server = proxy.listen(&["listen", "echo", "--exec", "cat"]).await;
    let sent: Vec<Vec<u8>> = (0..4).map(|seed| harness::pattern(seed, 1 << 20)).collect();
    let clients = sent.iter().map(|sent| proxy.run(&["connect", "echo"], sent));
    for (ended, sent) in futures::future::join_all(clients).await.iter().zip(&sent) {
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert!(ended.stdout == *sent);
    }
}

#[tokio::test]
async fn a_program_and_all_that_it_started_are_killed_with_their_client() {
    let proxy = Proxy::start().await;
    // Neither ends by itself, nor by being asked.
    let mut server = proxy.listen(&["listen", "NAME", "--exec", "trap '' TERM; sleep 60 & echo $$ $!; wait; wait"]).await;
    let mut client = Program::start(proxy.bss(&["connect", "NAME"]).stdin(Stdio::piped()));
    let _stdin = client.stdin();
    let ids: Vec<Pid> = client.line().await.split(' ').map(|id| Pid::from_raw(id.parse().expect("an id")).expect("an id")).collect();
    assert!(ids.len() == 2 && ids.iter().all(|id| test_kill_process(*id).is_ok()));
    client.signal(Signal::INT);
    assert_eq!(client.ended().await.code, Some(130));
    until(|| ids.iter().all(|id| test_kill_process(*id).is_err())).await;
    assert!(server.said().await.contains("cancelled: NAME"));
}

#[tokio::test]
async fn programs_end_with_their_server() {
    let proxy = Proxy::start().await;
    let server = proxy.listen(&["listen", "NAME", "--exec", "echo $$; exec cat"]).await;
    let mut client = Program::start(proxy.bss(&["connect", "NAME"]).stdin(Stdio::piped()));
    let _stdin = client.stdin();
    let id = Pid::from_raw(client.line().await.parse().expect("an id")).expect("an id");
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code, Some(143));
    until(|| test_kill_process(id).is_err()).await;
    client.ended().await.failed(70, "cancelled: ");
}

#[tokio::test]
async fn no_more_programs_run_at_once_than_may() {
    let proxy = Proxy::start().await;
    let _server = proxy.listen(&["listen", "NAME", "--max", "1", "--exec", "cat"]).await;
    let mut first = Program::start(proxy.bss(&["connect", "NAME"]).stdin(Stdio::piped()));
    let mut stdin = first.stdin();
    stdin.write_all(b"here\n").await.expect("sent");
    assert_eq!(first.line().await, "here");
    proxy.run(&["connect", "NAME"], b"").await.failed(75, "busy: NAME: as many clients are served");
    drop(stdin);
    assert_eq!(first.ended().await.stdout(), "");
    // Its place is free a moment later.
    let mut code = Some(75);
    while code == Some(75) {
        code = proxy.run(&["connect", "NAME"], b"").await.code;
    }
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn a_program_that_fails_is_told_at_its_server() {
    let proxy = Proxy::start().await;
    let mut server = proxy.listen(&["listen", "NAME", "--exec", "echo all; exit 3"]).await;
    assert_eq!(proxy.run(&["connect", "NAME"], b"").await.stdout(), "all\n");
    assert!(server.said().await.ends_with("the program ended with exit status: 3"));
}
