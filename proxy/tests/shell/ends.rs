//! How commands end that do not end well: each with a status of its own and one line.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use harness::Port;
use rustix::process::Signal;
use tokio::{
    io::AsyncWriteExt,
    process::{ChildStdin, Command},
};

use crate::program::{Program, Proxy, bss, run};

/// A client that its server has said hello to, and that goes on while its stdin is kept.
async fn greeted(command: &mut Command) -> (Program, ChildStdin) {
    let mut client = Program::start(command.stdin(Stdio::piped()));
    let stdin = client.stdin();
    assert_eq!(client.line().await, "hello");
    (client, stdin)
}

#[tokio::test]
async fn a_name_that_nobody_serves_is_not_found() {
    let proxy = Proxy::start().await;
    proxy.run(&["connect", "nobody", "--wait", "0"], b"").await.failed(
        68,
        "not_found: nobody: nobody serves under this name: is the server's page open? --wait SECONDS waits for a name, 15 at most\n",
    );
    proxy.run(&["connect", "x", "--prefix", "/elsewhere"], b"").await.failed(68, "not_found: x: no route of the proxy");
    proxy.run(&["connect", ".."], b"").await.failed(2, "bad_request: ..: ");
}

#[tokio::test]
async fn a_name_that_is_anothers_is_told_so() {
    let proxy = Proxy::start().await;
    let first = proxy.listen(&["listen", "NAME"]).await;
    proxy.run(&["listen", "NAME"], b"").await.failed(73, "name_taken: NAME: ");
    // Killed, it keeps the name for a while, from when the proxy knows.
    let mut watch = proxy.start_peer(&["ls", "--watch"]);
    assert_eq!(watch.line().await, "up\tNAME");
    first.signal(Signal::KILL);
    assert_eq!(watch.line().await, "suspended\tNAME");
    proxy.run(&["listen", "NAME"], b"").await.failed(73, "name_reserved: NAME: ");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_with_its_url() {
    let held = Port::hold();
    let nobody = held.address().to_string();
    for args in [&["connect", "x"][..], &["listen", "x"], &["forward", "0", "x"], &["ls"]] {
        let ended = run(bss(args).env("BSS_URL", &nobody), b"").await;
        ended.failed(69, "no_proxy: no connection to the proxy: ");
        assert!(ended.stderr.contains("bss serve") && ended.stderr.contains(&format!("ws://{nobody}/mux")), "{ended:?}");
    }
    run(&mut bss(&["ls", "--url", "ftp://x"]), b"").await.failed(2, "bad_request: ");
    let proxy = Proxy::start().await;
    let elsewhere = format!("http://{}/elsewhere", proxy.address);
    run(&mut bss(&["ls", "--url", &elsewhere]), b"").await.failed(68, "not_found: the proxy refused the connection with status 404");
}

#[tokio::test]
async fn an_interrupted_server_gives_its_name_back_and_tells_its_client() {
    let proxy = Proxy::start().await;
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let server = proxy.listen(&["listen", "NAME", "--exec", "echo hello; cat"]).await;
        let (client, _stdin) = greeted(&mut proxy.bss(&["connect", "NAME"])).await;
        server.signal(signal);
        assert_eq!(server.ended().await.code, Some(code));
        client.ended().await.failed(70, "cancelled: NAME: ");
    }
    proxy.run(&["connect", "NAME", "--wait", "0"], b"").await.failed(68, "not_found: ");
}

#[tokio::test]
async fn an_interrupted_client_tells_its_server() {
    let proxy = Proxy::start().await;
    let mut server = proxy.listen(&["listen", "NAME", "--once"]).await;
    let mut client = Program::start(proxy.bss(&["connect", "NAME"]).stdin(Stdio::piped()));
    let mut stdin = client.stdin();
    stdin.write_all(b"half a line\n").await.expect("sent");
    assert_eq!(server.line().await, "half a line");
    client.signal(Signal::INT);
    let ended = client.ended().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(130), ""));
    server.ended().await.failed(70, "cancelled: NAME: ");
}

#[tokio::test]
async fn an_interrupt_that_comes_several_times_at_once_still_tells_the_server() {
    let proxy = Proxy::start().await;
    for _ in 0..5 {
        let mut server = proxy.listen(&["listen", "NAME", "--once"]).await;
        let mut client = Program::start(proxy.bss(&["connect", "NAME"]).stdin(Stdio::piped()));
        let mut stdin = client.stdin();
        stdin.write_all(b"a line\n").await.expect("sent");
        assert_eq!(server.line().await, "a line");
        // As `timeout` does it: the program, and then all of its group. More of them, for those that come too close are one; and far within the time for which they are echoes.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(50) && client.0.try_wait().expect("a child").is_none() {
            client.signal(Signal::INT);
            tokio::task::yield_now().await;
        }
        assert_eq!(client.ended().await.code, Some(130));
        server.ended().await.failed(70, "cancelled: NAME: ");
    }
}

#[tokio::test]
async fn a_far_side_that_is_killed_is_lost_when_it_did_not_come_back() {
    let proxy = Proxy::start().await;
    for (name, args) in [("A", &["--no-resume"][..]), ("B", &["--grace", "1"])] {
        let server = proxy.listen(&["listen", name, "--exec", "echo hello; cat"]).await;
        let (client, _stdin) = greeted(proxy.bss(&["connect", name]).args(args)).await;
        server.signal(Signal::KILL);
        client.ended().await.failed(76, &format!("lost: {name}: "));
    }
}

#[tokio::test]
async fn somebody_who_looks_is_told_what_a_stream_waits_for() {
    let proxy = Proxy::start().await;
    let server = proxy.listen(&["listen", "NAME", "--exec", "echo hello; cat"]).await;
    let (mut client, _stdin) = greeted(&mut proxy.bss(&["connect", "NAME", "--verbose"])).await;
    server.signal(Signal::KILL);
    assert!(client.said().await.starts_with("bss: NAME: nothing carries the stream at this moment"));
    proxy.program.signal(Signal::KILL);
    assert_eq!(client.said().await, "bss: lost: the connection to the proxy broke; trying again");
    client.signal(Signal::INT);
    assert_eq!(client.ended().await.code, Some(130));
}

#[tokio::test]
async fn a_proxy_that_goes_down_for_good_is_lost_as_well() {
    let proxy = Proxy::start().await;
    let _server = proxy.listen(&["listen", "NAME", "--exec", "echo hello; cat"]).await;
    let (client, _stdin) = greeted(&mut proxy.bss(&["connect", "NAME", "--grace", "1"])).await;
    proxy.program.signal(Signal::KILL);
    client.ended().await.failed(76, "lost: NAME: ");
}

#[tokio::test]
async fn help_tells_every_status_and_examples() {
    for command in ["connect", "listen", "forward", "ls"] {
        let help = run(&mut bss(&[command, "--help"]), b"").await.stdout();
        assert!(help.contains("not_found") && help.contains("BSS_URL") && help.contains(&format!("  bss {command} ")), "{help}");
    }
    assert!(run(&mut bss(&["--help"]), b"").await.stdout().contains("forward"));
}
