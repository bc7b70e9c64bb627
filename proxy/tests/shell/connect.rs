//! `bss connect`, beside a server.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::program::{Program, Proxy, within};

#[tokio::test]
async fn the_end_of_stdin_ends_our_side_and_the_answer_still_comes() {
    let proxy = Proxy::start().await;
    let _server = proxy.listen(&["listen", "count", "--exec", "wc -c"]).await;
    assert_eq!(proxy.run(&["connect", "count"], b"hello").await.stdout().trim(), "5");
    assert_eq!(proxy.run(&["connect", "count", "-N", "--no-resume"], &[7; 200_000]).await.stdout().trim(), "200000");
    assert_eq!(proxy.run(&["connect", "count", "--recv-only"], b"unread").await.stdout().trim(), "0");
}

#[tokio::test]
async fn a_byte_is_echoed_at_once() {
    let proxy = Proxy::start().await;
    let _server = proxy.listen(&["listen", "echo", "--exec", "cat"]).await;
    let mut client = Program::start(proxy.bss(&["connect", "echo"]).stdin(Stdio::piped()));
    let (mut stdin, mut stdout) = (client.stdin(), client.stdout());
    for byte in 0..20 {
        stdin.write_all(&[byte]).await.expect("sent");
        assert_eq!(within(stdout.read_u8()).await.expect("echoed"), byte);
    }
    drop(stdin);
    let mut rest = Vec::new();
    within(stdout.read_to_end(&mut rest)).await.expect("a clean end");
    let ended = client.ended().await;
    assert_eq!((rest.len(), ended.code, ended.stderr.as_str()), (0, Some(0), ""));
}

#[tokio::test]
async fn who_only_sends_is_done_when_the_far_side_has_all() {
    let proxy = Proxy::start().await;
    let mut server = proxy.listen(&["listen", "sink", "--exec", "cat; echo never; sleep 60"]).await;
    assert_eq!(proxy.run(&["connect", "sink", "--send-only"], &[7; 300_000]).await.stdout(), "");
    assert!(server.said().await.contains("cancelled"), "its own side was cut");
}

#[tokio::test]
async fn the_server_hears_what_the_client_says_of_itself() {
    let proxy = Proxy::start().await;
    let _server = proxy.listen(&["listen", "who", "--exec", "echo $BSS_NAME $BSS_META $BSS_TOKEN"]).await;
    let mut command = proxy.bss(&["connect", "who", "--meta", r#"{"n" : 1.0}"#]);
    assert_eq!(crate::program::run(command.env("BSS_TOKEN", "secret"), b"").await.stdout(), "who {\"n\" : 1.0}\n");
    assert_eq!(proxy.run(&["connect", "who"], b"").await.stdout(), "who\n");
}

#[tokio::test]
async fn a_reader_that_goes_ends_the_command_without_a_word() {
    let proxy = Proxy::start().await;
    let _server = proxy.listen(&["listen", "yes", "--exec", "yes"]).await;
    let mut client = proxy.start_peer(&["connect", "yes", "--recv-only"]);
    assert_eq!(client.line().await, "y");
    drop(client.stdout());
    let ended = client.ended().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(141), ""));
}

#[tokio::test]
async fn a_server_that_ends_first_ends_the_command_and_what_it_did_not_take_is_no_success() {
    let proxy = Proxy::start().await;
    let _servers =
        [proxy.listen(&["listen", "first", "--exec", "head -c 3"]).await, proxy.listen(&["listen", "now", "--exec", "echo now"]).await];
    for (name, sent, got, code) in [("first", "onetwo", "one", 70), ("now", "", "now\n", 0)] {
        let mut client = Program::start(proxy.bss(&["connect", name]).stdin(Stdio::piped()));
        // It stays open.
        let mut stdin = client.stdin();
        stdin.write_all(sent.as_bytes()).await.expect("sent");
        let ended = client.ended().await;
        assert_eq!((ended.stdout.as_slice(), ended.code), (got.as_bytes(), Some(code)), "{}", ended.stderr);
        assert_eq!(ended.stderr.starts_with("bss: cancelled: first: "), code != 0, "{}", ended.stderr);
    }
}
