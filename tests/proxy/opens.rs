//! The first frame of a stream, as strangers send it.

use std::time::Duration;

use browser_stream_server::{Limits, Opening};
use harness::{ACK, DATA, FIN, Proxy, RST, SYN, WINDOW_UPDATE, frame, until};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn threat_11_an_open_that_is_none_is_bad_request() {
    let proxy = Proxy::new();
    let deep = format!("{{\"path\":\"/x\",\"meta\":{}{}}}", "[".repeat(17), "]".repeat(17));
    let wrong = [
        "",
        "x",
        "[]",
        "{}",
        r#"{"path":5}"#,
        r#"{"path":"x"}"#,
        r#"{"path":"/a","path":"/a"}"#,
        r#"{"path":"/a","meta":{"k":1,"k":2}}"#,
        &deep,
    ];
    let mut raw = proxy.raw();
    for (stream, open) in (1..).step_by(2).zip(wrong) {
        raw.open(stream, open).await;
        let reply = raw.reply(stream).await;
        assert_eq!(reply["error"]["code"], "bad_request", "{open}: {reply}");
        assert!(reply["error"]["message"].as_str().unwrap().starts_with("open"), "says what is wrong: {reply}");
        raw.next_where(|frame| frame.stream == stream && frame.flags & FIN != 0).await;
        raw.data(FIN, stream, b"").await;
    }
    assert_eq!(proxy.refused("bad_open"), 9);
}

#[tokio::test(start_paused = true)]
async fn threat_11_an_open_that_is_too_long_is_refused_by_its_length_alone() {
    let proxy = Proxy::new();
    let mut raw = proxy.raw();
    raw.data(SYN, 1, &8193u16.to_be_bytes()).await;
    assert_eq!(raw.reply(1).await["error"]["code"], "bad_request");
    let longest = format!("{{\"path\":\"/x\",\"meta\":\"{}\"}}", "m".repeat(8192 - 23));
    assert_eq!(longest.len(), 8192);
    raw.open(3, &longest).await;
    assert_eq!(raw.reply(3).await["error"]["code"], "not_found", "the longest that is allowed is read");
}

#[tokio::test(start_paused = true)]
async fn threat_11_an_open_that_never_comes_whole_is_given_up() {
    let proxy = Proxy::new();
    let mut raw = proxy.raw();
    raw.data(SYN, 1, &[0, 50, b'{']).await;
    raw.data(SYN | FIN, 3, &[0, 50, b'{']).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(raw.reply(3).await["error"]["code"], "bad_request");
    assert!(begun.elapsed() < Duration::from_millis(100), "its end is known at once");
    assert_eq!(raw.reply(1).await["error"]["code"], "bad_request");
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!((proxy.refused("bad_open"), proxy.refused("open_timeout")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn threat_11_a_prototype_in_an_open_is_a_field_like_any_other() {
    let proxy = Proxy::new();
    let mut owner = proxy.peer();
    let _control = owner.claim("NAME").await.unwrap();
    let mut raw = proxy.raw();
    raw.open(1, r#"{"__proto__":{"path":"/x"},"path":"/browser-server/connect/NAME","meta":{"__proto__":{"admin":true}}}"#).await;
    let (open, _stream) = owner.accept().await;
    assert_eq!(open["meta"], json!({ "__proto__": { "admin": true } }));
    assert_eq!(open.get("__proto__"), None);
}

#[tokio::test(start_paused = true)]
async fn threat_08_one_stream_too_many_is_refused_and_the_session_lives() {
    let proxy = Proxy::with(Limits::default(), |router| {
        router.route("/hold", |opening: Opening| async {
            let mut stream = opening.accept();
            stream.peer_done().await;
        })
    });
    let mut raw = proxy.raw();
    for number in 0..1024 {
        raw.open(2 * number + 1, r#"{"path":"/hold"}"#).await;
    }
    for number in 0..1024 {
        assert!(raw.reply(2 * number + 1).await["id"].is_string());
    }
    raw.open(2049, r#"{"path":"/hold"}"#).await;
    let refused = raw.next_where(|frame| frame.stream == 2049 && frame.flags & RST != 0).await;
    assert_eq!((refused.kind, refused.length), (WINDOW_UPDATE, 8), "reset with the code of `limit`");
    assert_eq!(proxy.refused("streams_per_session"), 1);
    raw.data(FIN, 1, b"").await;
    until(|| proxy.sessions.list()[0].streams() == 1023).await;
    raw.open(2051, r#"{"path":"/hold"}"#).await;
    assert!(raw.reply(2051).await["id"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_acknowledged_once_and_at_once() {
    let proxy = Proxy::new();
    let mut raw = proxy.raw();
    raw.send(&frame(WINDOW_UPDATE, SYN, 1, 0, b"")).await;
    let first = raw.next().await.unwrap();
    assert_eq!((first.kind, first.flags, first.stream, first.length), (WINDOW_UPDATE, ACK, 1, 0));
    raw.data(0, 1, &[0, 0]).await;
    let next = raw.next().await.unwrap();
    assert_eq!((next.kind, next.flags), (DATA, 0), "the reply, without a second ACK");
}

#[tokio::test(start_paused = true)]
async fn the_session_stream_tells_the_limits_and_opens_once() {
    let proxy = Proxy::new();
    let peer = proxy.peer();
    let (reply, _stream) = peer.ask("/session", json!({ "library": "test/1", "capabilities": [] })).await.unwrap();
    assert!(reply["session"].is_string() && reply["node"].is_string() && reply["limits"]["streams_per_session_max"] == 1024);
    assert_eq!(peer.ask("/session", json!({})).await.err().as_deref(), Some("bad_request"));
    assert_eq!(proxy.refused("bad_open"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bound_that_a_peer_meets_with_is_told_once_on_its_session_stream() {
    let mut limits = Limits::default();
    (limits.streams_per_session_max, limits.misc_frames_per_second, limits.misc_frames_burst) = (2, 100, 200);
    let proxy = Proxy::with(limits, |router| router);
    let mut raw = proxy.raw();
    raw.open(1, r#"{"path":"/session"}"#).await;
    raw.reply(1).await;
    raw.open(3, r#"{"path":"/browser-server/listen/NAME"}"#).await;
    raw.reply(3).await;
    for stream in [5, 7, 9] {
        raw.open(stream, r#"{"path":"/nobody"}"#).await;
    }
    raw.send(&frame(WINDOW_UPDATE, 0, 1, 0, b"").repeat(300)).await;
    until(|| proxy.refused("streams_per_session") == 3 && proxy.refused("misc_rate_slowed") > 0).await;
    proxy.sessions.close_all(1012);
    let frames = raw.rest().await;
    let notes: Vec<_> = frames.iter().filter(|frame| frame.kind == DATA && frame.stream == 1 && frame.payload.len() > 2).collect();
    let notes: Vec<_> = notes.iter().map(|frame| String::from_utf8_lossy(&frame.payload[2..]).into_owned()).collect();
    let limit = |bound: &str| format!(r#"{{"note":"limit","value":"{bound}"}}"#);
    // Frames of one stream may lie in one another's DATA.
    let all = notes.concat();
    for bound in ["streams_per_session", "misc_rate_slowed"] {
        assert_eq!(all.matches(&limit(bound)).count(), 1, "{all}");
    }
    assert!(all.ends_with(r#"{"note":"bye","value":1012}"#), "{all}");
}

#[tokio::test(start_paused = true)]
async fn a_note_that_is_none_resets_its_stream_and_is_counted() {
    let proxy = Proxy::new();
    let mut raw = proxy.raw();
    let (long, notes) = ([0xff; 2], [&[0, 2][..], b"{}"].concat());
    let deep = format!("{{\"note\":\"x\",\"value\":{}{}}}", "[".repeat(16), "]".repeat(16));
    let deep = [&(deep.len() as u16).to_be_bytes()[..], deep.as_bytes()].concat();
    let mut stream = 1;
    for path in ["/session", "/browser-server/listen/NAME"] {
        for wrong in [&long[..], &notes, &deep] {
            raw.open(stream, &json!({ "path": path }).to_string()).await;
            raw.reply(stream).await;
            raw.data(0, stream, wrong).await;
            let reset = raw.next_where(|frame| frame.stream == stream && frame.flags & RST != 0).await;
            assert_eq!(reset.length, 1, "bad_request: {path}");
            stream += 2;
        }
    }
    assert_eq!(proxy.refused("bad_note"), 6);
}

#[tokio::test(start_paused = true)]
async fn a_session_stream_that_was_given_up_at_once_may_be_opened_again() {
    let proxy = Proxy::new();
    let mut raw = proxy.raw();
    let body = br#"{"path":"/session"}"#;
    let open = [&(body.len() as u16).to_be_bytes()[..], body].concat();
    raw.send(&[frame(DATA, SYN, 1, open.len() as u32, &open), frame(WINDOW_UPDATE, RST, 1, 0, b"")].concat()).await;
    raw.open(3, r#"{"path":"/session"}"#).await;
    assert!(raw.reply(3).await["session"].is_string());
}
