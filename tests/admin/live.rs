//! The live stream: all rows once, then what changes, and no faster than its reader takes it.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use browser_stream_client::{Channel, ChannelOptions, Code, ConnectError, DialError, Peer, Stream, room::Room};
use harness::{Shim, Way, until, within};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::served::{HERE, Served, Words};

/// A page that looks on.
struct Page {
    stream: Stream,
    read: Vec<u8>,
    _peer: Peer,
}

impl Page {
    async fn open(served: &Served) -> Self {
        Self::over(Peer::dial(format!("ws://{}/admin/mux", served.admin)).await.expect("it is there")).await.expect("who may look")
    }

    async fn over(peer: Peer) -> Result<Self, ConnectError> {
        let stream = peer.client().with_prefix("/admin").connect("live").resume(false).into_future().await?;
        Ok(Self { stream, read: Vec::new(), _peer: peer })
    }

    async fn watch(&mut self, tables: &[&str]) {
        self.stream.write_chunk(format!("{}\n", json!({ "watch": tables })).into()).await.expect("taken");
    }

    /// The next line.
    async fn line(&mut self) -> Value {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return serde_json::from_slice(&line).expect("JSON");
            }
            let chunk = within(self.stream.read_chunk()).await.expect("it goes on").expect("more");
            self.read.extend_from_slice(&chunk);
        }
    }

    /// The next line about a table.
    async fn of(&mut self, table: &str) -> Value {
        loop {
            let line = self.line().await;
            if line["table"] == table {
                return line;
            }
        }
    }
}

/// A table as a page has it that was told these lines.
#[derive(Default)]
struct Known(BTreeMap<String, Value>);

impl Known {
    fn hear(&mut self, line: &Value, key: &str) {
        if line["reset"] == true {
            self.0.clear();
        }
        for gone in line["gone"].as_array().into_iter().flatten() {
            assert!(self.0.remove(gone.as_str().expect("a key")).is_some(), "what is gone was there");
        }
        for row in line["rows"].as_array().expect("rows") {
            self.0.insert(row[key].as_str().expect("a key").to_owned(), row.clone());
        }
    }
}

#[tokio::test]
async fn a_page_is_told_all_names_once_and_then_what_changes() {
    let served = Served::start().await;
    served.names.reserve("first");
    let mut page = Page::open(&served).await;
    let overview = page.line().await;
    assert_eq!(overview["overview"]["ready"], true);
    page.watch(&["names"]).await;
    let mut known = Known::default();
    let line = page.of("names").await;
    assert_eq!((&line["reset"], line["rows"].as_array().map(Vec::len)), (&json!(true), Some(1)));
    known.hear(&line, "key");
    served.names.reserve("second");
    served.names.unreserve("first");
    while !(known.0.len() == 1 && known.0.contains_key("/browser-server/second")) {
        let line = page.of("names").await;
        assert!(line["reset"].is_null(), "{line}");
        known.hear(&line, "key");
    }
    // Another table, and the first no more.
    page.watch(&["sessions", "streams", "channels", "rooms"]).await;
    for table in ["sessions", "streams", "channels", "rooms"] {
        assert_eq!(page.of(table).await["reset"], true, "{table}");
    }
    served.names.reserve("third");
    let mut overviews = 0;
    while overviews < 2 {
        let line = page.line().await;
        assert_ne!(line["table"], "names");
        overviews += usize::from(line["overview"].is_object());
    }
    page.stream.finish();
    assert_eq!(within(page.stream.read_chunk()).await.map(|_| ()), Ok(()));
}

#[tokio::test]
async fn events_are_told_as_they_happen() {
    let served = Served::start().await;
    assert_eq!(served.act("PUT", "reserved/before", "").await.status, 204);
    let mut page = Page::open(&served).await;
    page.watch(&["events"]).await;
    let line = page.of("events").await;
    assert_eq!((&line["reset"], &line["rows"][0]["name"]), (&json!(true), &json!("before")));
    assert_eq!(served.act("DELETE", "reserved/before", "").await.status, 204);
    let line = page.of("events").await;
    assert_eq!((&line["reset"], &line["rows"][0]["kind"]), (&json!(null), &json!("admin.action")));
}

#[tokio::test]
async fn ten_thousand_rows_come_in_parts() {
    let served = Served::start().await;
    for number in 0..10_000 {
        served.names.reserve(&format!("name {number:05}"));
    }
    let mut page = Page::open(&served).await;
    page.watch(&["names"]).await;
    let (mut known, mut parts) = (Known::default(), Vec::new());
    while known.0.len() < 10_000 {
        let line = page.of("names").await;
        parts.push(line["rows"].as_array().map_or(0, Vec::len));
        known.hear(&line, "key");
    }
    assert_eq!(parts, [1000; 10]);
}

#[tokio::test]
async fn threat_18_a_page_that_reads_slowly_is_told_less_and_nothing_piles_up() {
    let served = Served::start().await;
    let shim = Shim::start(served.admin, 1).await;
    let peer = Peer::dial(format!("ws://{}/admin/mux", shim.address())).await;
    let mut page = Page::over(peer.expect("it is there")).await.expect("who may look");
    for number in 0..10_000 {
        served.names.reserve(&format!("name {number:05}"));
    }
    shim.stall(Way::Down);
    page.watch(&["names", "events"]).await;
    // All the while others are told, and what it does not take is made once at most.
    let mut other = Page::open(&served).await;
    for round in 0..3 {
        for number in 0..10_000 {
            match round % 2 {
                0 => served.names.unreserve(&format!("name {number:05}")),
                _ => served.names.reserve(&format!("name {number:05}")),
            };
        }
        other.line().await;
    }
    shim.resume();
    let mut known = Known::default();
    let mut lines = 0;
    while lines == 0 || !known.0.is_empty() {
        known.hear(&page.of("names").await, "key");
        lines += 1;
    }
    assert!(lines <= 25, "{lines}: what it was told before it was stalled, and what holds now");
}

#[tokio::test]
async fn what_a_page_says_wrongly_ends_its_stream_alone() {
    let served = Served::start().await;
    let peer = Peer::dial(format!("ws://{}/admin/mux", served.admin)).await.expect("it is there");
    for (said, code) in [
        ("{\"watch\":[\"secrets\"]}\n".to_owned(), Code::BadRequest),
        ("no JSON\n".to_owned(), Code::BadRequest),
        ("x".repeat(5000), Code::Limit),
    ] {
        let mut page = Page::over(peer.clone()).await.expect("who may look");
        page.stream.write_chunk(said.clone().into()).await.expect("taken");
        let end = within(async {
            loop {
                if let Err(end) = page.stream.read_chunk().await {
                    return end;
                }
            }
        });
        assert_eq!(end.await, browser_stream_client::StreamError::Reset(code.number()), "{said}");
    }
    let refused = peer.client().connect("NAME").wait(Duration::ZERO).resume(false).into_future().await;
    assert!(refused.is_err(), "nothing else is to be had there");
}

#[tokio::test]
async fn threat_18_only_who_may_look_looks_on() {
    let served = Served::with(|_| {}, |proxy| proxy.with_authorizer(Words)).await;
    let url = format!("ws://{}/admin/mux", served.admin);
    for word in ["looks", "acts"] {
        let peer = Peer::dial(&url).token(word).await.expect("it is known");
        assert!(Page::over(peer).await.is_ok(), "{word}");
    }
    for word in ["scrapes", "guesses"] {
        assert!(Peer::dial(&url).token(word).reconnect(false).await.is_err(), "{word}");
    }
    // From this machine without one.
    assert!(Page::over(Peer::dial(&url).await.expect("it is there")).await.is_ok());
    // Through another proxy on it, and from a page whose name was pointed at it.
    let forwarded = Peer::dial(&url).header("x-forwarded-for".parse().expect("a name"), "192.0.2.1".parse().expect("a value"));
    let is_let_in = async |peer: Result<Peer, _>| match peer {
        Ok(peer) => Page::over(peer).await.is_ok(),
        Err(DialError::Refused { .. } | DialError::Session(_)) => false,
        Err(error) => panic!("{error}"),
    };
    assert!(!is_let_in(forwarded.reconnect(false).await).await);
    for (header, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
        let foreign = Peer::dial(&url).header(header.parse().expect("a name"), value.parse().expect("a value"));
        assert!(!is_let_in(foreign.reconnect(false).await).await, "{header}");
    }
}

#[tokio::test]
async fn threat_18_who_has_lost_the_right_looks_on_no_more() {
    let served = Served::with(|_| {}, |proxy| proxy.with_authorizer(Words)).await;
    let peer = Peer::dial(format!("ws://{}/admin/mux", served.admin)).token("looks").await.expect("it is known");
    let mut page = Page::over(peer).await.expect("who may look");
    page.line().await;
    assert_eq!(served.proxy.revoke(|identity| identity.sub.as_deref() == Some("looker")), 1);
    within(async { while page.stream.read_chunk().await.is_ok_and(|chunk| chunk.is_some()) {} }).await;
}

#[tokio::test]
async fn a_page_that_looks_on_sees_the_proxy_go_down_and_is_closed_with_it() {
    let served = Served::start().await;
    let mut page = Page::open(&served).await;
    let (client, server) = (served.peer().await, served.peer().await);
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let pair = crate::served::pair(&client, &mut listener, false).await;
    let going = tokio::spawn({
        let proxy = served.proxy.clone();
        async move { proxy.shutdown(Duration::from_secs(60)).await }
    });
    while page.line().await["overview"]["draining"] != true {}
    drop(pair);
    within(going).await.expect("no panic");
    within(async { while page.stream.read_chunk().await.is_ok_and(|chunk| chunk.is_some()) {} }).await;
}

#[tokio::test]
async fn pages_that_look_on_are_no_peers() {
    let served = Served::start().await;
    let _page = Page::open(&served).await;
    let _peer = served.peer().await;
    let ids: HashSet<String> = served.get("sessions").await.rows().iter().map(|row| row["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    until(|| served.proxy.sessions().len() == 1).await;
}

/// The WebSocket of somebody at this address who came through another proxy, and says nothing.
async fn stranger(served: &Served, address: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, address], 0).into()).expect("an address of this machine");
    let mut socket = socket.connect(served.admin).await.expect("a connection");
    let handshake =
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let request = format!("GET /admin/mux HTTP/1.1\r\n{HERE}x-forwarded-for: 192.0.2.1\r\n{handshake}\r\n");
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut status = [0; 12];
    within(socket.read_exact(&mut status)).await.expect("answered");
    assert_eq!(String::from_utf8_lossy(&status), "HTTP/1.1 101");
    socket
}

#[tokio::test]
async fn threat_15_strangers_who_say_nothing_take_no_place_of_requests_and_do_not_stay() {
    let short = |config: &mut browser_stream_server::Config| config.limits.establish_timeout = Duration::from_secs(4);
    let served = Served::with(short, |proxy| proxy.with_authorizer(Words)).await;
    let mut strangers = Vec::new();
    // As many as there are places.
    for address in 2..18 {
        for _ in 0..16 {
            strangers.push(stranger(&served, address).await);
        }
    }
    let looks = format!("{HERE}authorization: Bearer looks\r\n");
    assert_eq!(served.ask("GET", "/admin/api/overview", &looks, "").await.status, 200);
    assert_eq!(served.ask("GET", "/metrics", HERE, "").await.status, 200);
    for socket in &mut strangers {
        // How it ends is the system's.
        let _ = within(socket.read_to_end(&mut Vec::new())).await;
    }
    let late = served.proxy.refusals().find(|(of, _)| *of == "establish_timeout");
    assert_eq!(late.map(|(_, count)| count), Some(256));
    drop(strangers);
    // Who may look has a place as soon as they are gone, and stays.
    let url = format!("ws://{}/admin/mux", served.admin);
    let peer = within(async {
        loop {
            match Peer::dial(&url).token("looks").await {
                Ok(peer) => return peer,
                Err(DialError::Refused { status, .. }) => assert_eq!(status, 503),
                Err(error) => panic!("{error}"),
            }
        }
    });
    let mut page = Page::over(peer.await).await.expect("it may");
    for _ in 0..6 {
        while page.line().await["overview"].is_null() {}
    }
}

#[tokio::test]
async fn threat_18_who_may_look_has_nothing_else_there() {
    let served = Served::with(|_| {}, |proxy| proxy.with_authorizer(Words)).await;
    let url = format!("ws://{}/admin/mux", served.admin);
    let peer = Peer::dial(&url).token("serves").await.expect("it may do everything");
    assert!(Page::over(peer.clone()).await.is_ok());
    let forbidden = Some(Code::Forbidden.into());
    let published = Channel::new(&peer).publish("NAME", ChannelOptions::new()).into_future().await;
    assert_eq!(published.err().map(|error| error.code()), forbidden);
    let subscribed = Channel::new(&peer).subscribe("NAME").into_future().await;
    assert_eq!(subscribed.err().map(|error| error.code()), forbidden);
    let joined = Room::new(&peer).join("NAME").into_future().await;
    assert_eq!(joined.err().map(|error| error.code()), forbidden);
    // And what is refused there is counted where all is.
    let count = |of: &str| served.proxy.refusals().find(|(name, _)| *name == of).map_or(0, |(_, count)| count);
    for word in ["scrapes", "guesses"] {
        let before = count("unauthorized");
        assert!(Peer::dial(&url).token(word).reconnect(false).await.is_err(), "{word}");
        assert!(count("unauthorized") > before, "{word}");
    }
}
