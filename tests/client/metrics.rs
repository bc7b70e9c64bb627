//! What the proxy tells whoever runs it, while programs use it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use browser_stream_client::{
    Channel, ChannelOptions, Code, Peer, RefusalCode,
    room::Room,
    swarm::{Announced, ContentId, Extent, PeerName, Portion, Told, Tracker, Why},
};
use browser_stream_server::{
    Config, Limits, Proxy, StreamRouter, StreamServerProxy,
    token::{Asking, Authorizer, Identity, Refused, Rights, Verb},
};
use futures::{FutureExt, future::BoxFuture};
use harness::{Shim, Way, until, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::connect::{next, pair, resumable};

/// A proxy with a port for peers, one for whoever runs it, and a name that nobody may hold a second of.
struct Served {
    proxy: Proxy,
    peers: SocketAddr,
    admin: SocketAddr,
}

impl Served {
    async fn start(change: impl FnOnce(Proxy) -> Proxy) -> Self {
        Self::with(Duration::from_secs(600), change).await
    }

    /// The same where a head has so long.
    async fn with(establish_timeout: Duration, change: impl FnOnce(Proxy) -> Proxy) -> Self {
        Self::shaped(|limits| limits.establish_timeout = establish_timeout, change).await
    }

    /// The same with limits of its own.
    async fn shaped(limit: impl FnOnce(&mut Limits), change: impl FnOnce(Proxy) -> Proxy) -> Self {
        let mut config = Config::default();
        config.limits.names_per_session_max = 1;
        limit(&mut config.limits);
        config.admin = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let names = StreamServerProxy::with_limits("/browser-server", Arc::new(config.limits.clone()));
        let proxy = change(Proxy::new(config, StreamRouter::new().mount(names)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let peers = listener.local_addr().expect("bound");
        tokio::spawn({
            let proxy = proxy.clone();
            async move { proxy.serve(listener).await }
        });
        let listener = proxy.listen_admin().await.expect("a free port").expect("it is set");
        let admin = listener.local_addr().expect("bound");
        tokio::spawn({
            let proxy = proxy.clone();
            async move { proxy.serve_admin(listener).await }
        });
        Self { proxy, peers, admin }
    }

    async fn peer(&self) -> Peer {
        Peer::dial(format!("ws://{}/mux", self.peers)).await.expect("the proxy is there")
    }

    /// A connection for whoever runs it, that asks nothing.
    async fn idle(&self) -> TcpStream {
        TcpStream::connect(self.admin).await.expect("a connection")
    }

    /// The answer to this request, head and body.
    async fn ask(&self, headers: &str) -> (String, String) {
        self.ask_over(self.idle().await, headers).await
    }

    async fn ask_over(&self, mut socket: TcpStream, headers: &str) -> (String, String) {
        let request = format!("GET /metrics HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        within(socket.read_to_string(&mut answer)).await.expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }

    async fn text(&self) -> String {
        let (head, body) = self.ask("host: localhost\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
        body
    }
}

/// Each sample with its labels, and its value.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.rsplit_once(' ').map(|(sample, value)| (sample, value.parse().expect("a number"))).expect("a sample")).collect()
}

/// The values of the label of a metric, and how often each counted.
fn values<'a>(samples: &BTreeMap<&'a str, f64>, metric: &str, label: &str) -> BTreeMap<&'a str, f64> {
    let begin = format!("{metric}{{{label}=\"");
    samples.iter().filter_map(|(sample, count)| Some((sample.strip_prefix(&begin)?.strip_suffix("\"}")?, *count))).collect()
}

/// Those of them that are not at zero.
fn counted<'a>(values: &BTreeMap<&'a str, f64>) -> BTreeSet<&'a str> {
    values.iter().filter(|(_, count)| **count != 0.0).map(|(value, _)| *value).collect()
}

/// The metrics of a text, and those of them that are not at zero.
fn families(text: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let name = |sample: &str| sample.split('{').next().unwrap_or_default().to_owned();
    let samples = samples(text);
    let moved = samples.iter().filter(|(_, value)| **value != 0.0);
    (samples.keys().copied().map(name).collect(), moved.map(|(sample, _)| name(sample)).collect())
}

/// How opens are answered: nobody is refused one with `lagging`, `tampered` or `key_changed`.
const RESULTS: [&str; 19] = [
    "accepted",
    "application",
    "bad_request",
    "busy",
    "cancelled",
    "draining",
    "forbidden",
    "gone",
    "internal",
    "limit",
    "lost",
    "name_reserved",
    "name_taken",
    "not_found",
    "superseded",
    "timeout",
    "unauthorized",
    "unresponsive",
    "unsupported",
];

#[tokio::test]
async fn threat_21_each_metric_moves_and_none_has_a_name_or_an_address() {
    let served = Served::start(|proxy| proxy).await;
    let shim = Shim::start(served.peers, 1).await;
    let server = served.peer().await;
    let client = Peer::dial(shim.mux()).await.expect("the proxy is there");
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    assert!(server.server().listen("second").await.is_err(), "more than it may hold");
    assert!(client.client().connect("nobody").wait(Duration::ZERO).into_future().await.is_err(), "nobody serves it");
    for code in [Code::Busy.into(), RefusalCode::Application(4001)] {
        let connect = client.client().connect("NAME").resume(false);
        let (refused, ()) = tokio::join!(within(connect.into_future()), async { next(&mut listener).await.refuse(code, "as it says") });
        assert!(refused.is_err(), "{code}");
    }

    // A stream that goes on over another connection.
    let (mut mine, mut theirs) = resumable(&client, &mut listener).await;
    mine.write_chunk("before".into()).await.expect("taken");
    within(theirs.read_chunk()).await.expect("it is there");
    shim.cut();
    theirs.write_chunk("behind".into()).await.expect("taken");
    within(mine.read_chunk()).await.expect("it goes on");

    // One whose reader takes so much that it grants more, and that is given up.
    let (mut mine, mut theirs) = pair(&client, &mut listener).await;
    mine.write_chunk(vec![7; 200_000].into()).await.expect("taken");
    let mut got = 0;
    while got < 200_000 {
        got += within(theirs.read_chunk()).await.expect("it goes on").expect("more").len();
    }
    mine.reset(4001_u32);
    assert!(within(theirs.read_chunk()).await.is_err());

    // A channel and a room.
    let mut publisher = Channel::new(&server).publish("prices", ChannelOptions::new().wait_for(1)).into_future().await.expect("its own");
    let mut subscription = Channel::new(&client).subscribe("prices").into_future().await.expect("it is there");
    publisher.send("1.07").await.expect("sent");
    within(subscription.next()).await.expect("it goes on").expect("a message");
    let one = Room::new(&server).join("hall").into_future().await.expect("joined");
    let _other = Room::new(&client).join("hall").into_future().await.expect("joined");
    one.emit("say", &("hello",)).await.expect("sent");

    // A session over HTTP, for as long as its response is taken.
    let mut response = TcpStream::connect(served.peers).await.expect("a connection");
    let request = "POST /mux HTTP/1.1\r\nhost: localhost\r\nbss-carrier: down\r\ncontent-length: 0\r\n\r\n";
    response.write_all(request.as_bytes()).await.expect("sent");
    within(response.read_u8()).await.expect("answered");

    // Bytes that wait, for their reader's connection takes nothing.
    let (_reader, mut writer) = pair(&client, &mut listener).await;
    shim.stall(Way::Down);
    let pouring = tokio::spawn(async move { while writer.write_chunk(vec![0; 64 * 1024].into()).await.is_ok() {} });

    let mut moved = BTreeSet::new();
    let mut waits = BTreeSet::new();
    within(async {
        loop {
            let text = served.text().await;
            for word in ["NAME", "nobody", "prices", "hall", "127.0.0.1"] {
                assert!(!text.contains(word), "{word} in {text}");
            }
            let (all, some) = families(&text);
            moved.extend(some);
            waits = all.difference(&moved).cloned().collect();
            waits.remove("bss_draining");
            // Those of the swarm have a test of their own.
            waits.retain(|metric| !metric.starts_with("bss_swarm_"));
            if waits.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let text = served.text().await;
    let samples = samples(&text);
    let of = |sample: &str| samples.get(sample).copied();
    let frames = values(&samples, "bss_received_frames_total", "kind");
    assert_eq!(
        frames.keys().copied().collect::<Vec<_>>(),
        ["ack", "data", "empty", "fin", "open", "ping", "reset", "stray", "window_update"]
    );
    assert!(counted(&frames).is_superset(&BTreeSet::from(["ack", "data", "fin", "open", "reset", "window_update"])), "{frames:?}");
    let results = values(&samples, "bss_opens_total", "result");
    assert_eq!(results.keys().copied().collect::<Vec<_>>(), RESULTS);
    assert_eq!(counted(&results), BTreeSet::from(["accepted", "application", "busy", "limit", "not_found"]), "{results:?}");
    let limits = values(&samples, "bss_refusals_total", "limit");
    assert_eq!(limits.keys().copied().collect::<BTreeSet<_>>(), served.proxy.refusals().map(|(limit, _)| limit).collect());
    assert_eq!(limits.get("names_per_session"), Some(&1.0), "{limits:?}");
    assert_eq!(results.get("not_found"), Some(&1.0));
    assert_eq!((of("bss_names"), of("bss_resumable_streams_total")), (Some(1.0), Some(1.0)));
    assert!(of("bss_carrier_moves_total") >= Some(1.0), "{text}");
    let sessions = values(&samples, "bss_sessions_total", "carrier");
    assert!(sessions.get("websocket") >= Some(&3.0) && sessions.get("http") == Some(&1.0), "{sessions:?}");
    assert_eq!((of("bss_channel_messages_total"), of("bss_channel_deliveries_total")), (Some(1.0), Some(1.0)));
    assert_eq!((of("bss_room_events_total"), of("bss_room_deliveries_total")), (Some(1.0), Some(1.0)));

    let going = tokio::spawn({
        let proxy = served.proxy.clone();
        async move { proxy.shutdown(Duration::from_secs(30)).await }
    });
    within(async { while !served.text().await.contains("bss_draining 1") {} }).await;
    going.abort();
    pouring.abort();
}

#[tokio::test]
async fn each_metric_of_the_swarm_moves() {
    let served = Served::shaped(|limits| limits.swarm_renew = Duration::from_secs(1), |proxy| proxy).await;
    let (holder, name) = (served.peer().await, PeerName::random());
    let _listener = holder.server().with_prefix("/swarm").listen(name.to_string()).await.expect("the name is free");
    let mut tracker = Tracker::open(&holder, "/swarm").await.expect("it may come");
    let ids = [ContentId([1; 32]), ContentId([2; 32])];
    let held = |id| Announced { id, extent: Extent { pieces: 1, portion: Portion::All } };
    // The second is not renewed, and is forgotten when its time is over.
    tracker.announce(name, &ids.map(held));
    tracker.renew();
    let mut moved = BTreeSet::new();
    for _ in 0..3 {
        let asker = served.peer().await;
        let mut asks = Tracker::open(&asker, "/swarm").await.expect("it may come");
        tracker.announce(name, &[held(ids[0])]);
        // When this is answered, that was heard.
        tracker.find(1, ids[0], None);
        within(tracker.next()).await.expect("an answer");
        asks.find(1, ids[0], None);
        let Some(Told::Found(found)) = within(asks.next()).await else { panic!("an answer") };
        assert_eq!(found.candidates[0].name, name);
        moved.extend(families(&served.text().await).1);
        asks.failed(name, Why::Stalled);
        asks.find(2, ids[0], None);
        within(asks.next()).await.expect("an answer");
    }
    let notes = ["announce", "failed", "find", "renew", "withdraw"];
    tracker.withdraw(&ids[..1]);
    within(async {
        loop {
            let text = served.text().await;
            let (all, some) = families(&text);
            moved.extend(some);
            let samples = samples(&text);
            let told = values(&samples, "bss_swarm_notes_total", "note");
            assert_eq!(told.keys().copied().collect::<Vec<_>>(), notes);
            if all.difference(&moved).all(|metric| !metric.starts_with("bss_swarm_")) && counted(&told).len() == notes.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_went_over_a_session_that_is_over_still_counts() {
    let served = Served::start(|proxy| proxy).await;
    let received = async || samples(&served.text().await)["bss_received_bytes_total"];
    let server = served.peer().await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let client = served.peer().await;
    let (mut mine, mut theirs) = pair(&client, &mut listener).await;
    mine.write_chunk(vec![7; 100_000].into()).await.expect("taken");
    let mut got = 0;
    while got < 100_000 {
        got += within(theirs.read_chunk()).await.expect("it goes on").expect("more").len();
    }
    let before = received().await;
    assert!(before >= 100_000.0);
    drop((mine, client));
    until(|| served.proxy.sessions().len() == 1).await;
    assert!(received().await >= before);
}

/// Whoever knows a word is somebody.
struct Words;

impl Authorizer for Words {
    fn authorize(&self, asking: Asking) -> BoxFuture<'_, Result<Identity, Refused>> {
        async move {
            let token = asking.token.ok_or(Refused::Missing)?;
            let rights = |verb| Rights::none().with(verb, [&"*".parse().expect("a pattern")]);
            match token.as_str() {
                "runs it" => Ok(Identity::new("operator", rights(Verb::Admin))),
                "uses it" => Ok(Identity::new("user", rights(Verb::Connect))),
                _ => Err(Refused::Signature),
            }
        }
        .boxed()
    }
}

#[tokio::test]
async fn threat_18_metrics_are_for_whoever_asks_from_this_machine_or_has_the_right() {
    let open = Served::start(|proxy| proxy).await;
    let guarded = Served::start(|proxy| proxy.with_authorizer(Words)).await;
    let (here, far) = ("host: localhost\r\n", "host: bss:9090\r\n");
    let bearer = |word: &str| format!("{far}authorization: Bearer {word}\r\n");
    let cases = [
        (&open, here.to_owned(), 200, "# "),
        (&guarded, here.to_owned(), 200, "# "),
        // A page whose name was pointed at this machine, and one of another origin.
        (&open, "host: evil.example\r\n".to_owned(), 421, "forbidden_host: "),
        (&open, format!("{here}origin: http://evil.example\r\n"), 403, "forbidden_origin: "),
        // Somebody behind another proxy on this machine.
        (&open, format!("{here}x-forwarded-for: 192.0.2.1\r\n"), 401, "unauthorized: "),
        (&open, bearer("runs it"), 421, "forbidden_host: "),
        (&guarded, bearer("runs it"), 200, "# "),
        (&guarded, bearer("uses it"), 403, "forbidden: "),
        (&guarded, bearer("guesses"), 401, "unauthorized: "),
    ];
    let refused = |served: &Served, name: &str| served.proxy.refusals().find(|(of, _)| *of == name).map(|(_, count)| count);
    for (served, headers, status, begins) in cases {
        let (head, body) = served.ask(&headers).await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")) && body.trim_start_matches(['\n']).starts_with(begins),
            "{headers}{head}\n{body}"
        );
    }
    assert_eq!((refused(&open, "unauthorized"), refused(&open, "gate")), (Some(1), Some(3)));
    assert_eq!((refused(&guarded, "unauthorized"), refused(&guarded, "forbidden")), (Some(1), Some(1)));
}

#[tokio::test]
async fn threat_15_who_holds_connections_open_for_whoever_runs_the_proxy_keeps_nobody_else_out() {
    let served = Served::start(|proxy| proxy).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(served.idle().await);
    }
    let (head, body) = served.ask("host: localhost\r\n").await;
    assert!(head.starts_with("HTTP/1.1 429 ") && body.starts_with("limit: "), "{head}\n{body}");
    let shed = served.proxy.refusals().find(|(name, _)| *name == "connections_per_address");
    assert_eq!(shed, Some(("connections_per_address", 1)));
    let elsewhere = TcpSocket::new_v4().expect("a socket");
    elsewhere.bind(SocketAddr::from(([127, 0, 0, 2], 0))).expect("this machine's");
    let elsewhere = elsewhere.connect(served.admin).await.expect("a connection");
    let (head, _) = served.ask_over(elsewhere, "host: localhost\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    drop(held);
    within(async { while !served.ask("host: localhost\r\n").await.0.starts_with("HTTP/1.1 200 ") {} }).await;
}

#[tokio::test]
async fn threat_15_who_asks_whoever_runs_the_proxy_nothing_or_slowly_is_closed_in_time() {
    let served = Served::with(Duration::from_millis(200), |proxy| proxy).await;
    for begun in ["", "GET /metrics HTTP/1.1\r\nhost: local"] {
        let mut socket = served.idle().await;
        socket.write_all(begun.as_bytes()).await.expect("sent");
        let mut rest = Vec::new();
        // An answer or none, and the end.
        let _ = within(socket.read_to_end(&mut rest)).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    }
    let late = || served.proxy.refusals().find(|(name, _)| *name == "establish_timeout");
    until(|| late() == Some(("establish_timeout", 2))).await;
}
