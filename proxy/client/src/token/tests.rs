//! Tokens before a proxy that says what a test wants, over connections in memory.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use browser_stream_mux::{Code, Config, Role, Session, Stream};
use futures::{StreamExt, future::ready};
use serde_json::{Value, json};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, advance, timeout},
};

use super::{ASK_AGAIN, Source};
use crate::{
    DialError, Listener, Peer, State,
    dial::{Dialer, Io, Options},
};

/// Where a peer dials to.
struct Far {
    dialled: mpsc::UnboundedReceiver<DuplexStream>,
}

/// One connection that it made.
struct Near {
    session: Session,
    driving: JoinHandle<()>,
}

impl Drop for Near {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

/// A peer that is being made, and where it dials to.
fn dial(token: Source) -> (JoinHandle<Result<Peer, DialError>>, Far) {
    let (dial, dialled) = mpsc::unbounded_channel();
    let dialer = Dialer::new(move || {
        let (near, far) = duplex(64 * 1024);
        dial.send(far).expect("the test looks on");
        std::future::ready(Ok(Box::new(near) as Io))
    });
    let options = Options { token, ..Options::default() };
    (tokio::spawn(Peer::begin(dialer, options)), Far { dialled })
}

/// A source that says `1`, `2` … and how often it was asked.
fn counting() -> (Source, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let source = Source::asking(move || {
        let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
        async move { Ok::<_, io::Error>(number.to_string()) }
    });
    (source, asked)
}

impl Far {
    async fn next(&mut self) -> Near {
        let io = within(self.dialled.recv()).await.expect("the peer lives");
        let (session, run) = Session::new(io, Role::Acceptor, Config::default());
        let driving = tokio::spawn(async move {
            // The test decides how it ends.
            let _ = run.await;
        });
        Near { session, driving }
    }

    /// Whether nobody dials for a minute.
    async fn is_left_alone(&mut self) -> bool {
        timeout(Duration::from_secs(60), self.dialled.recv()).await.ok().flatten().is_none()
    }
}

impl Near {
    async fn opened(&self) -> (Value, Stream) {
        let mut stream = within(self.session.accept()).await.expect("the peer opens a stream");
        let open = within(stream.read_frame(8192)).await.expect("an open").expect("an open before the end");
        (serde_json::from_slice(&open).expect("an open is JSON"), stream)
    }

    /// The session stream, which shows this token.
    async fn shown(&self, token: impl Into<Value>) -> Stream {
        let (open, stream) = self.opened().await;
        assert_eq!((&open["path"], &open["token"]), (&json!("/session"), &token.into()));
        stream
    }

    async fn welcome(&self, token: &str) -> Stream {
        let mut stream = self.shown(token).await;
        say(&mut stream, json!({"session": "s", "node": "n", "capabilities": [], "limits": {}, "sub": "alice"}));
        stream
    }

    async fn refuse(&self, token: &str, code: Code) -> Stream {
        let mut stream = self.shown(token).await;
        say(&mut stream, json!({"error": {"code": code.as_str(), "message": "the token has expired"}}));
        stream
    }

    /// A claim, granted.
    async fn grant(&self) -> Stream {
        let (open, mut stream) = self.opened().await;
        assert_eq!(open["path"], "/browser-server/listen/NAME");
        let lease = json!({"name": "NAME", "instance": "40".repeat(16), "generation": 7, "mac": "ab".repeat(32)});
        say(&mut stream, json!({"id": "claim", "lease": lease}));
        stream
    }
}

fn say(stream: &mut Stream, value: Value) {
    stream.write_frame(value.to_string().as_bytes());
}

async fn note(stream: &mut Stream) -> Value {
    let note = within(stream.read_frame(8192)).await.expect("a note").expect("a note before the end");
    serde_json::from_slice(&note).expect("a note is JSON")
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(600), future).await.expect("in time")
}

/// Why the peer is closed.
async fn closed(peer: &Peer) -> DialError {
    match within(peer.states().filter(|state| ready(matches!(state, State::Closed(_)))).next()).await {
        Some(State::Closed(error)) => error.expect("a reason"),
        other => panic!("{other:?}"),
    }
}

/// A peer with this token that the proxy welcomes, with its session stream.
async fn welcomed(source: Source, token: &str) -> (Peer, Far, Near, Stream) {
    let (dialling, mut far) = dial(source);
    let near = far.next().await;
    let control = near.welcome(token).await;
    let peer = within(dialling).await.expect("no panic").expect("the proxy takes it");
    (peer, far, near, control)
}

async fn listening(peer: &Peer, near: &Near) -> (Listener, Stream) {
    let listening = tokio::spawn(peer.server().listen("NAME").into_future());
    let control = near.grant().await;
    (within(listening).await.expect("no panic").expect("the name is ours"), control)
}

#[tokio::test(start_paused = true)]
async fn threat_17_a_text_that_the_proxy_does_not_take_fails_the_dial_with_why() {
    for code in [Code::Unauthorized, Code::Forbidden] {
        let (dialling, mut far) = dial(Source::Text("old".into()));
        let near = far.next().await;
        let _control = near.refuse("old", code).await;
        let error = within(dialling).await.expect("no panic").err().expect("refused");
        assert_eq!((error.code(), error.is_final()), (code, true));
        assert!(error.to_string().ends_with("the token has expired"), "{error}");
        assert!(far.is_left_alone().await);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_opened_before_the_proxy_takes_the_token() {
    let (dialling, mut far) = dial(Source::Text("mine".into()));
    let near = far.next().await;
    let mut control = near.shown("mine").await;
    advance(Duration::from_secs(9)).await;
    assert!(!dialling.is_finished());
    say(&mut control, json!({}));
    within(dialling).await.expect("no panic").expect("the proxy takes it");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_before_each_connection_and_names_come_along() {
    let (source, asked) = counting();
    let (peer, mut far, near, _control) = welcomed(source, "1").await;
    let (_listener, _claim) = listening(&peer, &near).await;
    drop(near);
    let near = far.next().await;
    let _control = near.welcome("2").await;
    let _claim = near.grant().await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_is_asked_once_more_where_the_proxy_refuses_and_what_waits_goes_on_there() {
    let (source, _) = counting();
    let (peer, mut far, near, _control) = welcomed(source, "1").await;
    let (_listener, _claim) = listening(&peer, &near).await;
    drop(near);
    let refused = far.next().await;
    let _control = refused.refuse("2", Code::Unauthorized).await;
    let near = far.next().await;
    let _control = near.welcome("3").await;
    let _claim = near.grant().await;
    drop(near);
    let fourth = far.next().await;
    let _control = fourth.refuse("4", Code::Unauthorized).await;
    let fifth = far.next().await;
    let _control = fifth.refuse("5", Code::Unauthorized).await;
    assert_eq!(closed(&peer).await.code(), Code::Unauthorized);
    let error = within(peer.client().connect("NAME").into_future()).await.expect_err("closed");
    assert_eq!(error.code(), Code::Unauthorized.into());
    assert!(far.is_left_alone().await);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_as_a_connection_that_fails() {
    let count = AtomicUsize::new(0);
    let source = Source::asking(move || {
        let is_there = count.fetch_add(1, Ordering::Relaxed) != 1;
        async move { if is_there { Ok("good".to_owned()) } else { Err("not logged in") } }
    });
    let (_peer, mut far, near, _control) = welcomed(source, "good").await;
    drop(near);
    far.next().await.welcome("good").await;

    let (dialling, mut far) = dial(Source::asking(|| async { Err("not logged in") }));
    let error = within(dialling).await.expect("no panic").err().expect("no token");
    assert_eq!((error.code(), error.to_string()), (Code::Lost, "there is no token: not logged in".to_owned()));
    assert!(far.is_left_alone().await);
}

#[tokio::test(start_paused = true)]
async fn a_new_token_is_shown_when_the_proxy_wants_one_and_asked_for_again_where_that_fails() {
    let count = AtomicUsize::new(0);
    let source = Source::asking(move || {
        let count = count.fetch_add(1, Ordering::Relaxed);
        async move { if matches!(count, 1 | 2) { Err("offline".to_owned()) } else { Ok(count.to_string()) } }
    });
    let (peer, _far, near, mut control) = welcomed(source, "0").await;
    let (_listener, _claim) = listening(&peer, &near).await;
    let start = Instant::now();
    say(&mut control, json!({"note": "token", "value": 60_000}));
    assert_eq!(note(&mut control).await, json!({"note": "token", "value": "3"}));
    assert_eq!(start.elapsed().as_secs(), 2 * ASK_AGAIN.as_secs());
    assert!(matches!(peer.state(), State::Open));
}

#[tokio::test(start_paused = true)]
async fn a_program_shows_another_token_now_and_later() {
    let (peer, mut far, near, mut control) = welcomed(Source::Text("old".into()), "old").await;
    // Nobody can be asked: the proxy's wish is the program's to know.
    say(&mut control, json!({"note": "token", "value": 60_000}));
    peer.renew("new").expect("it is short");
    assert_eq!(note(&mut control).await, json!({"note": "token", "value": "new"}));
    drop(near);
    far.next().await.welcome("new").await;
    assert!(peer.renew("x".repeat(8192)).expect_err("too long").is(Code::BadRequest));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_token_is_the_end_without_another_and_brings_the_next_with_one() {
    let (peer, mut far, near, mut control) = welcomed(Source::Text("old".into()), "old").await;
    let (mut listener, _claim) = listening(&peer, &near).await;
    say(&mut control, json!({"note": "bye", "value": "unauthorized"}));
    assert_eq!(closed(&peer).await.code(), Code::Unauthorized);
    let error = within(listener.next()).await.expect("an error").err().expect("an error");
    assert_eq!(error.code(), Code::Unauthorized.into());
    assert!(far.is_left_alone().await);

    let (source, _) = counting();
    let (peer, mut far, mut near, mut control) = welcomed(source, "1").await;
    let (_listener, mut claim) = listening(&peer, &near).await;
    for token in ["2", "3", "4"] {
        say(&mut control, json!({"note": "bye", "value": "unauthorized"}));
        near = far.next().await;
        control = near.welcome(token).await;
        claim = near.grant().await;
    }
    drop(claim);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_cannot_judge_is_asked_again_later_but_not_for_the_first_connection() {
    for code in [Code::Busy, Code::Timeout, Code::Internal, Code::Limit] {
        let (dialling, mut far) = dial(Source::Text("mine".into()));
        let near = far.next().await;
        let _control = near.refuse("mine", code).await;
        assert_eq!(within(dialling).await.expect("no panic").err().expect("refused").code(), code);

        let (peer, mut far, near, _control) = welcomed(Source::Text("mine".into()), "mine").await;
        drop(near);
        let mut refused = Vec::new();
        for _ in 0..3 {
            let near = far.next().await;
            refused.push((near.refuse("mine", code).await, near));
        }
        far.next().await.welcome("mine").await;
        assert!(!matches!(peer.state(), State::Closed(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_without_session_streams_is_one_all_the_same() {
    let (dialling, mut far) = dial(Source::Text("mine".into()));
    let near = far.next().await;
    let _control = near.refuse("mine", Code::NotFound).await;
    let peer = within(dialling).await.expect("no panic").expect("a proxy");
    let _listening = listening(&peer, &near).await;
}

#[tokio::test(start_paused = true)]
async fn who_shows_none_waits_for_nothing_and_is_told_where_one_is_wanted() {
    let (dialling, mut far) = dial(Source::Nowhere);
    let near = far.next().await;
    let peer = within(dialling).await.expect("no panic").expect("a connection");
    let mut control = near.shown(Value::Null).await;
    say(&mut control, json!({"error": {"code": "unauthorized", "message": "this proxy wants a token"}}));
    let error = closed(&peer).await;
    assert_eq!((error.code(), error.to_string().contains("wants a token")), (Code::Unauthorized, true));
    assert!(far.is_left_alone().await);
}
