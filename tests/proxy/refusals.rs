//! What a server may say to a client, what it may not, and what the proxy says itself.

use std::time::Duration;

use browser_stream_server::StreamError;
use harness::*;
use serde_json::{Value, json};

struct Setup {
    proxy: Proxy,
    owner: Peer,
    client: Peer,
    control: Control,
}

impl Setup {
    async fn new(claim: Value) -> Self {
        let proxy = Proxy::new();
        let (owner, client) = (proxy.peer(), proxy.peer());
        let control = owner.claim_with("NAME", claim).await.unwrap();
        Self { proxy, owner, client, control }
    }

    /// What the client gets when the server answers with these bytes.
    async fn answer(&mut self, body: &[u8]) -> Result<Value, String> {
        let mut at_client = self.client.begin("/browser-server/connect/NAME", json!({}));
        let (_, mut at_server) = self.owner.next().await;
        at_server.write_frame(body);
        let answer = reply(&mut at_client).await;
        if answer.is_err() {
            assert_eq!(within(at_client.read_chunk()).await, Ok(None), "the proxy finishes behind an error");
        }
        answer
    }
}

#[tokio::test(start_paused = true)]
async fn a_servers_refusal_reaches_its_client() {
    let mut setup = Setup::new(json!({})).await;
    for code in ["busy", "forbidden", "bad_request", "gone", "4001"] {
        let wire = if code == "4001" { json!(4001) } else { json!(code) };
        let body = json!({ "error": { "code": wire, "message": "no" } }).to_string();
        assert_eq!(setup.answer(body.as_bytes()).await.err().as_deref(), Some(code));
    }
}

#[tokio::test(start_paused = true)]
async fn threat_32_what_a_server_may_not_say_is_internal() {
    let mut setup = Setup::new(json!({})).await;
    for code in [
        "not_found",
        "name_taken",
        "unauthorized",
        "lost",
        "cancelled",
        "draining",
        "internal",
        "limit",
        "unresponsive",
        "timeout",
        "nonsense",
    ] {
        let body = json!({ "error": { "code": code, "message": "forged" } }).to_string();
        assert_eq!(setup.answer(body.as_bytes()).await.err().as_deref(), Some("internal"), "{code}");
    }
    for body in [&b"not json"[..], b"[]", b"{\"error\":5}", b"{\"error\":{\"code\":255}}", b"{\"id\":\"a\",\"id\":\"b\"}", b"\xff", b""] {
        assert_eq!(setup.answer(body).await.err().as_deref(), Some("internal"), "{body:?}");
    }
    assert_eq!(setup.answer(&vec![b' '; 9000]).await.err().as_deref(), Some("internal"));
    assert_eq!(setup.proxy.refused("bad_reply"), 11 + 7 + 1);
}

#[tokio::test(start_paused = true)]
async fn threat_32_a_forged_id_is_overwritten() {
    let mut setup = Setup::new(json!({})).await;
    let mut at_client = setup.client.begin("/browser-server/connect/NAME", json!({ "id": "mine", "peer": { "sub": "admin" } }));
    let (open, mut at_server) = setup.owner.next().await;
    assert_ne!(open["id"], "mine");
    assert!(open["peer"]["sub"].is_null() && open["peer"]["session"].is_string());
    at_server.write_frame(br#"{"id":"forged","peer":"x"}"#);
    let answer = reply(&mut at_client).await.unwrap();
    assert_eq!(answer["id"], open["id"]);
    assert!(answer["peer"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_refusal_has_512_bytes_at_most() {
    let mut setup = Setup::new(json!({})).await;
    let mut at_client = setup.client.begin("/browser-server/connect/NAME", json!({}));
    let (_, mut at_server) = setup.owner.next().await;
    at_server.write_frame(json!({ "error": { "code": "busy", "message": "ä".repeat(1000) } }).to_string().as_bytes());
    let body = within(at_client.read_frame(8192)).await.unwrap().unwrap();
    let reply: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(reply["error"]["message"].as_str().unwrap(), "ä".repeat(256));
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_reply_is_internal_a_reset_has_its_code_or_is_busy_and_a_death_unresponsive() {
    let mut setup = Setup::new(json!({})).await;
    let mut finished = setup.client.begin("/browser-server/connect/NAME", json!({}));
    setup.owner.next().await.1.finish();
    assert_eq!(reply(&mut finished).await.err().as_deref(), Some("internal"));
    assert_eq!(setup.proxy.refused("bad_reply"), 1);
    for (number, code) in [(4001_u32, "4001"), (12, "busy"), (9, "busy"), (0, "busy"), (15, "busy"), (8, "busy"), (5, "busy")] {
        let mut reset = setup.client.begin("/browser-server/connect/NAME", json!({}));
        setup.owner.next().await.1.reset(number);
        assert_eq!(reply(&mut reset).await.err().as_deref(), Some(code), "{number}");
    }
    let mut orphaned = setup.client.begin("/browser-server/connect/NAME", json!({}));
    let _unanswered = setup.owner.next().await;
    setup.owner.vanish();
    assert_eq!(reply(&mut orphaned).await.err().as_deref(), Some("unresponsive"));
}

#[tokio::test(start_paused = true)]
async fn a_reset_right_behind_the_reply_comes_after_it() {
    let proxy = Proxy::new();
    let client = proxy.peer();
    let mut raw = proxy.raw();
    raw.open(1, r#"{"path":"/browser-server/listen/NAME"}"#).await;
    raw.reply(1).await;
    let mut at_client = client.begin("/browser-server/connect/NAME", json!({}));
    raw.next_where(|frame| frame.stream == 2 && frame.flags & SYN != 0).await;
    // Reply, words and reset in one run of bytes.
    let all = [frame(DATA, 0, 2, 4, b"\0\x02{}"), frame(DATA, 0, 2, 5, b"words"), frame(WINDOW_UPDATE, RST, 2, 4001, b"")];
    raw.send(&all.concat()).await;
    reply(&mut at_client).await.unwrap();
    let mut read = within(at_client.read_chunk()).await;
    if let Ok(Some(words)) = &read {
        assert_eq!(words, "words");
        read = within(at_client.read_chunk()).await;
    }
    assert_eq!(read, Err(StreamError::Reset(4001)));
}

#[tokio::test(start_paused = true)]
async fn a_reply_in_crumbs_is_a_reply_and_what_comes_behind_it_is_the_clients() {
    let proxy = Proxy::new();
    let client = proxy.peer();
    let mut raw = proxy.raw();
    raw.open(1, r#"{"path":"/browser-server/listen/NAME"}"#).await;
    raw.reply(1).await;
    let mut at_client = client.begin("/browser-server/connect/NAME", json!({}));
    raw.next_where(|frame| frame.stream == 2 && frame.flags & SYN != 0).await;
    let bytes = b"\0\x0c{\"resume\":1}words";
    for crumb in bytes.chunks(1).take(13) {
        raw.send(&frame(DATA, 0, 2, 1, crumb)).await;
    }
    // The reply's last byte, and the first of what is not.
    raw.send(&frame(DATA, 0, 2, 3, &bytes[13..16])).await;
    raw.send(&frame(DATA, FIN, 2, 3, &bytes[16..])).await;
    assert_eq!(reply(&mut at_client).await.unwrap()["resume"], 1);
    let mut words = Vec::new();
    while let Some(chunk) = within(at_client.read_chunk()).await.unwrap() {
        words.extend_from_slice(&chunk);
    }
    assert_eq!(words, b"words");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_end_comes_with_it_reaches_the_client() {
    let mut setup = Setup::new(json!({})).await;
    for _ in 0..10 {
        let mut at_client = setup.client.begin("/browser-server/connect/NAME", json!({}));
        let (_, mut stream) = setup.owner.next().await;
        stream.write_frame(br#"{"error":{"code":"forbidden","message":"no"}}"#);
        stream.write_now("and more".into());
        stream.finish();
        drop(stream);
        assert_eq!(reply(&mut at_client).await.err().as_deref(), Some("forbidden"));
        assert_eq!(within(at_client.read_chunk()).await, Ok(None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_finished_hears_of_a_server_that_ends_without_a_reply() {
    for begun in [&b""[..], b"\0\x0c{"] {
        let proxy = Proxy::new();
        let client = proxy.peer();
        let mut raw = proxy.raw();
        raw.open(1, r#"{"path":"/browser-server/listen/NAME"}"#).await;
        raw.reply(1).await;
        let mut at_client = client.begin("/browser-server/connect/NAME", json!({}));
        at_client.finish();
        raw.next_where(|frame| frame.stream == 2 && frame.flags & FIN != 0).await;
        raw.send(&frame(DATA, FIN, 2, begun.len() as u32, begun)).await;
        assert_eq!(reply(&mut at_client).await.err().as_deref(), Some("internal"));
        assert_eq!(proxy.refused("bad_reply"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_used_again_in_one_breath_is_one_client() {
    let proxy = Proxy::new();
    let mut owner = proxy.peer();
    let _control = owner.claim("NAME").await.unwrap();
    let mut raw = proxy.raw();
    let open = |path: &str| {
        let open = json!({ "path": path }).to_string();
        let body = [&(open.len() as u16).to_be_bytes()[..], open.as_bytes()].concat();
        frame(DATA, SYN, 1, body.len() as u32, &body)
    };
    for first in ["/browser-server/connect/NAME", "/session", "/nowhere"] {
        let reset = frame(WINDOW_UPDATE, RST, 1, 0, b"");
        raw.send(&[open(first), reset.clone(), open("/browser-server/connect/NAME")].concat()).await;
        let _accepted = owner.accept().await;
        assert!(tokio::time::timeout(Duration::from_secs(1), owner.next()).await.is_err(), "{first}: one client");
        raw.send(&reset).await;
        // What is left is the claim.
        harness::until(|| proxy.sessions.list().iter().map(|session| session.streams()).sum::<usize>() == 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_lacks_is_unsupported_and_nothing_reaches_it() {
    let mut setup = Setup::new(json!({ "capabilities": ["seal"] })).await;
    let refused = setup.client.connect_with("NAME", json!({ "need": ["seal", "other"] })).await.err();
    assert_eq!(refused.as_deref(), Some("unsupported"));
    let mut at_client = setup.client.begin("/browser-server/connect/NAME", json!({ "need": ["seal"] }));
    let (open, _stream) = setup.owner.accept().await;
    assert_eq!(open["need"], json!(["seal"]), "the first stream that the server saw");
    reply(&mut at_client).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn threat_08_a_server_with_all_its_clients_is_busy_and_goes_on() {
    let mut setup = Setup::new(json!({})).await;
    setup.control.stream.write_frame(br#"{"note":"clients_max","value":2}"#);
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut stream = setup.client.begin("/browser-server/connect/NAME", json!({}));
        let accepted = setup.owner.accept().await;
        reply(&mut stream).await.unwrap();
        clients.push((stream, accepted));
    }
    assert_eq!(setup.proxy.refused("clients_max"), 0);
    assert_eq!(setup.client.connect("NAME").await.err().as_deref(), Some("busy"));
    assert_eq!(setup.proxy.refused("clients_max"), 1);
    drop(clients.pop());
    until(|| setup.proxy.sessions.list().iter().map(|session| session.streams()).sum::<usize>() == 3).await;
    let mut stream = setup.client.begin("/browser-server/connect/NAME", json!({}));
    let _accepted = setup.owner.accept().await;
    reply(&mut stream).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_that_goes_on_sending_is_dropped_after_five_seconds() {
    let setup = Setup::new(json!({})).await;
    let mut stream = setup.client.begin("/browser-server/connect/OTHER", json!({ "wait": 0 }));
    assert_eq!(reply(&mut stream).await.err().as_deref(), Some("not_found"));
    while let Ok(Ok(())) = tokio::time::timeout(std::time::Duration::from_secs(30), stream.write_chunk(vec![7; 65536].into())).await {}
    assert_eq!(stream.stopped().await, browser_stream_mux::End::Reset(2), "reset with the refusal's own code");
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_that_had_finished_is_let_go_at_once() {
    let mut setup = Setup::new(json!({})).await;
    let mut raw = setup.proxy.raw();
    raw.open(1, r#"{"path":"/browser-server/connect/NAME"}"#).await;
    let (_, mut at_server) = setup.owner.next().await;
    raw.data(FIN, 1, b"").await;
    assert_eq!(within(at_server.read_chunk()).await, Ok(None));
    at_server.write_frame(br#"{"error":{"code":"busy","message":""}}"#);
    assert_eq!(raw.reply(1).await["error"]["code"], "busy");
    raw.next_where(|frame| frame.stream == 1 && frame.flags & FIN != 0).await;
    // The id is free again, and nothing of the refused stream may reach the one that has it now.
    raw.open(1, r#"{"path":"/session"}"#).await;
    assert!(raw.reply(1).await["session"].is_string());
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    raw.send(&frame(PING, SYN, 0, 42, b"")).await;
    let pong = raw.next_where(|frame| frame.kind == PING || frame.flags & RST != 0).await;
    assert_eq!((pong.kind, pong.length), (PING, 42));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_resets_before_the_reply_is_heard_with_its_code() {
    let mut setup = Setup::new(json!({})).await;
    let mut at_client = setup.client.begin("/browser-server/connect/NAME", json!({}));
    let (_, mut at_server) = setup.owner.next().await;
    at_client.reset(4001u32);
    assert_eq!(within(at_server.read_chunk()).await, Err(StreamError::Reset(4001)));
    let _at_client = setup.client.begin("/browser-server/connect/NAME", json!({}));
    let (_, mut at_server) = setup.owner.next().await;
    setup.client.vanish();
    assert_eq!(within(at_server.read_chunk()).await, Err(StreamError::Lost));
}
