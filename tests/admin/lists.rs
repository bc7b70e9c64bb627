//! What is there is told.

use std::{collections::HashSet, time::Duration};

use browser_stream_client::{
    Channel, ChannelOptions, Peer,
    room::Room,
    swarm::{Announced, ContentId, Extent, PeerName, Portion, Tracker},
};
use harness::within;
use serde_json::{Value, json};

use crate::served::{Answer, Served, Words, pair};

/// The one row of a list.
fn only(answer: &Answer) -> Value {
    let rows = answer.rows();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].clone()
}

/// Whether that lies within the last minute.
fn is_recent(ms: &Value) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    ms.as_u64().is_some_and(|ms| ms <= now + 1000 && ms + 60_000 > now)
}

#[tokio::test]
async fn sessions_names_and_streams_are_told_with_what_went_over_them() {
    let served = Served::start().await;
    let server = served.peer().await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let client = served.peer().await;
    let (mut mine, mut theirs) = pair(&client, &mut listener, false).await;
    mine.write_chunk(vec![7; 100_000].into()).await.expect("taken");
    let mut got = 0;
    while got < 100_000 {
        got += within(theirs.read_chunk()).await.expect("it goes on").expect("more").len();
    }
    theirs.write_chunk(vec![7; 50_000].into()).await.expect("taken");
    got = 0;
    while got < 50_000 {
        got += within(mine.read_chunk()).await.expect("it goes on").expect("more").len();
    }

    let sessions = served.get("sessions").await.rows();
    assert_eq!(sessions.len(), 2);
    let owner = sessions.iter().find(|row| row["names"] == 1).expect("the server");
    let other = sessions.iter().find(|row| row["names"] == 0).expect("the client");
    assert!(
        sessions.iter().all(|row| is_recent(&row["since_ms"]) && row["address"].as_str().is_some_and(|at| at.starts_with("127.0.0.1:")))
    );
    assert!(other["received"].as_u64() >= Some(100_000) && owner["sent"].as_u64() >= Some(100_000), "{sessions:?}");
    let single = served.get(&format!("sessions/{}", owner["id"].as_str().expect("an id"))).await.json();
    assert_eq!(single["since_ms"], owner["since_ms"]);

    let name = only(&served.get("names").await);
    assert_eq!((&name["key"], &name["name"], &name["prefix"]), (&json!("/browser-server/NAME"), &json!("NAME"), &json!("/browser-server")));
    assert_eq!((&name["session"], &name["state"], &name["clients"]), (&owner["id"], &json!("listening"), &json!(1)));
    assert!(is_recent(&name["since_ms"]) && name["generation"].is_u64(), "{name}");
    assert!(name["received"].as_u64() >= Some(100_000) && name["sent"].as_u64() >= Some(50_000), "{name}");

    let streams = served.get("streams").await.rows();
    let kinds = |kind: &str| streams.iter().filter(|row| row["kind"] == kind).collect::<Vec<_>>();
    let [stream] = kinds("stream")[..] else { panic!("{streams:?}") };
    assert_eq!((&stream["opener"], &stream["acceptor"]), (&other["id"], &owner["id"]));
    assert_eq!((&stream["name"], &stream["path"]), (&json!("NAME"), &json!("/browser-server/connect/NAME")));
    assert_eq!((&stream["resumable"], stream.get("carrier")), (&json!(false), None));
    let (received, sent) = (stream["received"].as_u64().expect("a number"), stream["sent"].as_u64().expect("a number"));
    // The open and the reply are of the stream, too.
    assert!((100_000..100_500).contains(&received) && (50_000..50_500).contains(&sent), "{stream}");
    assert!(is_recent(&stream["since_ms"]), "{stream}");
    let control = kinds("control").into_iter().map(|row| (row["path"].as_str().expect("a path"), row["name"].as_str()));
    assert_eq!(control.collect::<HashSet<_>>(), HashSet::from([("/session", None), ("/browser-server/listen/NAME", Some("NAME"))]));

    // What went over it counts for the name when it is over.
    mine.finish();
    theirs.finish();
    drop((mine, theirs));
    let over = served.until("names", |answer| only(answer)["clients"] == 0).await;
    assert!(only(&over)["received"].as_u64() >= Some(100_000) && only(&over)["sent"].as_u64() >= Some(50_000), "{over:?}");
}

#[tokio::test]
async fn a_stream_that_goes_on_over_other_connections_says_so() {
    let served = Served::start().await;
    let (server, client) = (served.peer().await, served.peer().await);
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let _pair = pair(&client, &mut listener, true).await;
    let rows = served.get("streams?search=connect").await.rows();
    assert_eq!(rows.iter().map(|row| &row["resumable"]).collect::<Vec<_>>(), [&json!(true)]);
}

#[tokio::test]
async fn channels_rooms_and_members_are_told() {
    let served = Served::start().await;
    let (one, other) = (served.peer().await, served.peer().await);
    let mut publisher = Channel::new(&one).publish("prices", ChannelOptions::new().wait_for(1)).into_future().await.expect("its own");
    let mut subscription = Channel::new(&other).subscribe("prices").into_future().await.expect("it is there");
    publisher.send("1.07").await.expect("sent");
    within(subscription.next()).await.expect("it goes on").expect("a message");
    let channel = only(&served.until("channels", |answer| only(answer)["received"] == 4).await);
    assert_eq!((&channel["name"], &channel["publishers"], &channel["subscribers"]), (&json!("prices"), &json!(1), &json!(1)));
    assert_eq!(channel["policy"], "wait");
    assert!(is_recent(&channel["since_ms"]) && channel["sent"].as_u64() >= Some(4), "{channel}");

    let hall = Room::new(&one).join("hall").profile(&json!({"alias": "<b>Ann</b>"})).into_future().await.expect("joined");
    hall.emit("say", &("hello",)).await.expect("sent");
    let room = only(&served.until("rooms", |answer| only(answer)["emits"] == 1).await);
    assert_eq!((&room["name"], &room["members"], &room["live"]), (&json!("hall"), &json!(1), &json!(1)));
    let member = only(&served.get("rooms/hall/members").await);
    assert_eq!((&member["alias"], &member["live"]), (&json!("<b>Ann</b>"), &json!(true)));
    assert!(is_recent(&member["since_ms"]) && is_recent(&room["since_ms"]), "{member} {room}");
    assert_eq!(served.get("rooms/nobody/members").await.status, 404);
    let kinds: HashSet<String> =
        served.get("streams").await.rows().iter().map(|row| row["kind"].as_str().expect("a kind").to_owned()).collect();
    assert_eq!(kinds, HashSet::from(["control", "channel", "room"].map(str::to_owned)));
}

#[tokio::test]
async fn the_overview_tells_what_there_is_in_numbers_and_that_the_proxy_goes_down() {
    let served = Served::start().await;
    let server = served.peer().await;
    let _listener = server.server().listen("NAME").await.expect("the name is free");
    assert!(served.peer().await.client().connect("nobody").wait(Duration::ZERO).into_future().await.is_err());
    let overview = served.get("overview").await.json();
    assert_eq!((&overview["names"], &overview["ready"], &overview["draining"]), (&json!(1), &json!(true), &json!(false)));
    assert!(overview["sessions"].as_u64() >= Some(1) && overview["rss"].as_u64() > Some(1 << 20), "{overview}");
    assert!(is_recent(&overview["since_ms"]) && is_recent(&overview["now_ms"]), "{overview}");
    assert!(overview["memory_budget"].as_u64() > overview["memory_used"].as_u64(), "{overview}");
    let me = served.get("me").await.json();
    assert_eq!(me, json!({ "read": true, "act": true, "sub": null, "version": overview["version"] }));
    let going = tokio::spawn({
        let proxy = served.proxy.clone();
        async move { proxy.shutdown(Duration::from_secs(30)).await }
    });
    let overview = served.until("overview", |answer| answer.json()["draining"] == true).await.json();
    assert_eq!((&overview["ready"], &overview["ready_reason"]), (&json!(false), &json!("draining")));
    going.abort();
}

#[tokio::test]
async fn the_overview_counts_the_contents_of_the_swarm_and_their_holders() {
    let served = Served::start().await;
    let empty = served.get("overview").await.json();
    assert_eq!((&empty["swarm_contents"], &empty["swarm_holders"]), (&json!(0), &json!(0)));
    let mut held = Vec::new();
    for many in [1, 2] {
        let (peer, name) = (served.peer().await, PeerName::random());
        let listener = peer.server().with_prefix("/swarm").listen(name.to_string()).await.expect("the name is free");
        let mut tracker = within(Tracker::open(&peer, "/swarm")).await.expect("it may");
        let content = |id| Announced { id: ContentId([id; 32]), extent: Extent { pieces: 1, portion: Portion::All } };
        tracker.announce(name, &(0..many).map(content).collect::<Vec<_>>());
        held.push((peer, listener, tracker));
    }
    served.until("overview", |answer| (&answer.json()["swarm_contents"], &answer.json()["swarm_holders"]) == (&json!(2), &json!(3))).await;
}

#[tokio::test]
async fn a_list_of_10000_names_comes_in_parts_and_is_searched() {
    let served = Served::with(|config| config.admin_actions = true, |proxy| proxy).await;
    for number in 0..10_000 {
        assert!(served.names.reserve(&format!("name {number:05}")));
    }
    let (mut path, mut seen) = ("names?limit=999".to_owned(), HashSet::new());
    loop {
        let answer = served.get(&path).await;
        let rows = answer.rows();
        assert!(rows.len() <= 999 && answer.json()["total"] == 10_000);
        seen.extend(rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()));
        match answer.json()["next"].as_str() {
            Some(next) => path = format!("names?limit=999&after={}", next.replace('/', "%2F").replace(' ', "%20")),
            None => break,
        }
    }
    assert_eq!(seen.len(), 10_000);
    assert_eq!(served.get("names").await.rows().len(), 1000, "unless it is said");
    let found = served.get("names?search=NAME%2001234").await;
    assert_eq!((&only(&found)["name"], &only(&found)["state"]), (&json!("name 01234"), &json!("reserved")));
    for bad in ["names?limit=0", "names?limit=10001", "names?limit=x", "names?nobody=1"] {
        let answer = served.get(bad).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("bad_request")), "{bad}");
    }
    assert_eq!(served.act("PUT", "reserved/one-more", "").await.status, 409, "as many are kept as may be");
}

#[tokio::test]
async fn a_proxy_that_is_no_node_of_a_cluster_answers_for_itself_and_knows_no_other() {
    let served = Served::start().await;
    served.names.reserve("kept");
    let all = served.get("names").await;
    assert!(!all.body.contains("\"node\"") && !all.body.contains("missing"), "{all:?}");
    assert_eq!(served.get("names?node=self").await.body, all.body);
    assert_eq!(served.act("DELETE", "reserved/kept?node=0123abcd", "").await.status, 404);
    let other = served.get("names?node=0123abcd").await;
    assert_eq!((other.status, &other.json()["code"]), (404, &json!("node_unknown")));
    assert_eq!(served.get("names").await.body, all.body, "nothing was done");
}

#[tokio::test]
async fn what_happened_last_is_kept_and_no_more_of_it() {
    let served = Served::start().await;
    // Events are written down from the first question on at the latest.
    assert!(served.get("events").await.rows().is_empty());
    let server = served.peer().await;
    let listener = server.server().listen("NA\u{202f}ME").await.expect("the name is free");
    let created = served.until("events?search=server.created", |answer| !answer.rows().is_empty()).await;
    let created = only(&created);
    assert_eq!((&created["kind"], &created["name"]), (&json!("server.created"), &json!("NA\u{202f}ME")));
    assert!(is_recent(&created["at_ms"]), "{created}");
    listener.end().await.expect("given up");
    let id = served.get("sessions").await.rows()[0]["id"].clone();
    drop(server);
    let ended = served.until("events?search=session.ended", |answer| !answer.rows().is_empty()).await;
    assert_eq!(only(&ended)["session"], id);
    let all = served.get("events").await.rows();
    let numbers: Vec<u64> = all.iter().map(|row| row["number"].as_u64().expect("a number")).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    let last = numbers.last().expect("an event");
    assert_eq!(served.get("events?limit=1").await.rows().iter().map(|row| row["number"].as_u64()).collect::<Vec<_>>(), [Some(*last)]);
    for number in 0..1100 {
        served.names.reserve(&format!("{number}"));
        assert_eq!(served.act("DELETE", &format!("reserved/{number}"), "").await.status, 204);
    }
    let kept = served.get("events").await.rows();
    assert_eq!(kept.len(), 1000);
    assert_eq!(kept.last().expect("an event")["kind"], "admin.action");
}

#[tokio::test]
async fn threat_21_an_event_is_one_line_of_plain_text_whatever_a_name_is() {
    let served = Served::start().await;
    let name = "<b>a\"b\u{a0}</b>";
    assert_eq!(served.act("PUT", &format!("reserved/{}", segment(name)), "").await.status, 204);
    let rows = served.until("events?search=admin.action", |answer| !answer.rows().is_empty()).await.rows();
    assert_eq!(rows[0]["text"], r#"reserved "<b>a\"b\u{a0}</b>", by "somebody at this machine""#);
    assert_eq!(rows[0]["name"], name, "as it is, for who shows it as text");
}

/// A name as a path's segment.
fn segment(name: &str) -> String {
    browser_stream_server::Name::try_from(name).expect("a name").segment()
}

#[tokio::test]
async fn what_a_peer_calls_itself_is_told_as_far_as_it_is_of_bounded_length() {
    let served = Served::start().await;
    let url = format!("ws://{}/mux", served.peers);
    for (said, told) in [("<i>a browser</i>".to_owned(), 16), ("x".repeat(5000), 256)] {
        let peer = Peer::dial(&url).header("user-agent".parse().expect("a name"), said.parse().expect("a value")).await;
        let rows = served.get("sessions").await.rows();
        assert_eq!(rows.iter().map(|row| row["user_agent"].as_str().map(str::len)).collect::<Vec<_>>(), [Some(told)]);
        drop(peer);
        harness::until(|| served.proxy.sessions().is_empty()).await;
    }
}

#[tokio::test]
async fn who_a_peer_is_stands_beside_its_session_where_the_proxy_asks() {
    let served = Served::with(|_| {}, |proxy| proxy.with_authorizer(Words)).await;
    let peer = Peer::dial(format!("ws://{}/mux", served.peers)).token("serves").await.expect("the proxy is there");
    let session = only(&served.until("sessions", |answer| answer.rows().iter().any(|row| row["sub"] == "ann")).await);
    assert_eq!(session["streams"], 1);
    drop(peer);
}

#[tokio::test]
async fn the_api_is_described_and_what_is_described_is_there() {
    let served = Served::start().await;
    let described = served.get("openapi.json").await.json();
    assert!(described["openapi"].as_str().is_some_and(|version| version.starts_with("3.")), "{described}");
    let paths = described["paths"].as_object().expect("paths");
    assert_eq!(paths.values().map(|path| path.as_object().expect("operations").len()).sum::<usize>(), 19);
    for (path, operations) in paths {
        for method in operations.as_object().expect("operations").keys() {
            let path = path.replace("{name}", "NAME").replace("{id}", "ID");
            // Without the kind of a body nothing is done.
            let answer = served.ask(&method.to_uppercase(), &path, crate::served::HERE, "").await;
            let is_there = if method == "get" { [200, 400, 404].contains(&answer.status) } else { answer.status == 415 };
            assert!(is_there && answer.json().is_object(), "{method} {path}: {answer:?}");
        }
    }
}
