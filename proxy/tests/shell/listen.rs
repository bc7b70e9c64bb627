//! `bss listen` to stdout.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::program::{Program, Proxy, run};

#[tokio::test]
async fn one_client_is_served_after_the_other_and_the_next_one_waits() {
    let proxy = Proxy::start().await;
    let mut server = proxy.listen(&["listen", "log"]).await;
    let mut first = Program::start(proxy.bss(&["connect", "log"]).stdin(Stdio::piped()));
    let mut stdin = first.stdin();
    stdin.write_all(b"first\n").await.expect("sent");
    assert_eq!(server.line().await, "first");
    let mut command = proxy.bss(&["connect", "log"]);
    let second = tokio::spawn(async move { run(&mut command, b"second\n").await });
    stdin.write_all(b"first again\n").await.expect("sent");
    assert_eq!(server.line().await, "first again");
    drop(stdin);
    assert_eq!(first.ended().await.stdout(), "");
    assert_eq!(server.line().await, "second");
    assert_eq!(second.await.expect("no panic").stdout(), "");
}

#[tokio::test]
async fn once_is_for_the_first_client_and_ends_with_it() {
    let proxy = Proxy::start().await;
    let mut server = proxy.listen(&["listen", "NAME", "--once"]).await;
    let mut first = Program::start(proxy.bss(&["connect", "NAME"]).stdin(Stdio::piped()));
    let mut stdin = first.stdin();
    stdin.write_all(b"one\n").await.expect("sent");
    assert_eq!(server.line().await, "one");
    proxy.run(&["connect", "NAME"], b"").await.failed(75, "busy: NAME: one client is served here");
    stdin.write_all(b"two\n").await.expect("sent");
    drop(stdin);
    assert_eq!(first.ended().await.stdout(), "");
    let ended = server.ended().await;
    assert_eq!((ended.code, ended.stdout.as_slice()), (Some(0), &b"two\n"[..]));
    proxy.run(&["connect", "NAME", "--wait", "0"], b"").await.failed(68, "not_found: ");
}

#[tokio::test]
async fn once_with_stdin_sends_to_the_first_client() {
    let proxy = Proxy::start().await;
    let mut command = proxy.bss(&["listen", "song", "--once", "--stdin"]);
    let mut server = Program::start(command.stdin(Stdio::piped()));
    let mut stdin = server.stdin();
    let sent = harness::pattern(3, 500_000);
    let bytes = sent.clone();
    let sending = tokio::spawn(async move { stdin.write_all(&bytes).await });
    let got = proxy.run(&["connect", "song", "--recv-only", "--wait", "15"], b"").await;
    assert!(got.code == Some(0) && got.stdout == sent, "{}", got.stderr);
    sending.await.expect("no panic").expect("taken");
    assert_eq!(server.ended().await.stdout(), "");
}

#[tokio::test]
async fn a_server_whose_stdout_is_closed_ends_without_a_word() {
    let proxy = Proxy::start().await;
    let mut server = Program::start(&mut proxy.bss(&["listen", "NAME"]));
    drop(server.stdout());
    proxy.run(&["connect", "NAME", "--wait", "15"], b"something").await.failed(70, "cancelled: NAME: ");
    let ended = server.ended().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(141), ""));
}

#[tokio::test]
async fn who_stands_by_has_the_name_next() {
    let proxy = Proxy::start().await;
    let first = proxy.listen(&["listen", "NAME", "--exec", "echo first"]).await;
    let mut command = proxy.bss(&["listen", "NAME", "--standby", "--exec", "echo second"]);
    let mut second = Program::start(command.arg("--verbose"));
    assert_eq!(proxy.run(&["connect", "NAME"], b"").await.stdout(), "first\n");
    first.signal(rustix::process::Signal::TERM);
    assert!(second.said().await.ends_with("serving"));
    assert_eq!(proxy.run(&["connect", "NAME"], b"").await.stdout(), "second\n");
}
