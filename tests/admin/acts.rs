//! What is done is done, and written down.

use std::time::Duration;

use browser_stream_client::{
    Code, ListenError, StreamError,
    room::{News, Room},
};
use futures::TryStreamExt;
use harness::{until, within};
use serde_json::json;

use crate::served::{Served, pair};

/// The last act that was written down.
async fn acted(served: &Served) -> String {
    let rows = served.get("events?search=admin.action&limit=1").await.rows();
    rows.last().and_then(|row| row["text"].as_str()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_stream_is_ended_at_both_its_ends() {
    let served = Served::start().await;
    let (server, client) = (served.peer().await, served.peer().await);
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    for resume in [false, true] {
        let (mut mine, mut theirs) = pair(&client, &mut listener, resume).await;
        let rows = served.get("streams?search=connect").await.rows();
        let id = rows[0]["id"].as_str().expect("an id");
        assert_eq!(served.act("DELETE", &format!("streams/{id}"), "").await.status, 204);
        let forbidden = StreamError::Reset(Code::Forbidden.number());
        // One that would go on over another connection has no other, and the server's end waits in vain.
        assert_eq!(within(mine.read_chunk()).await, Err(if resume { StreamError::Lost } else { forbidden }));
        if !resume {
            assert_eq!(within(theirs.read_chunk()).await, Err(forbidden));
        }
        assert!(acted(&served).await.starts_with(&format!("ended the stream {id}, by \"somebody at this machine\"")));
        assert_eq!(served.act("DELETE", &format!("streams/{id}"), "").await.status, 404);
    }
    for bad in ["streams/1", "streams/x:1", "streams/00000000-0000-0000-0000-000000000000:x"] {
        assert_eq!(served.act("DELETE", bad, "").await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_session_is_closed_and_its_peer_comes_back() {
    let served = Served::start().await;
    let peer = served.peer().await;
    let id = served.get("sessions").await.rows()[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(served.act("DELETE", &format!("sessions/{id}"), "").await.status, 204);
    served.until(&format!("sessions/{id}"), |answer| answer.status == 404).await;
    assert!(acted(&served).await.starts_with(&format!("closed the session {id}")));
    until(|| served.proxy.sessions().len() == 1).await;
    assert_ne!(served.get("sessions").await.rows()[0]["id"], id);
    drop(peer);
    assert_eq!(served.act("DELETE", "sessions/x", "").await.status, 400);
}

#[tokio::test]
async fn a_name_is_released_and_reserved() {
    let served = Served::start().await;
    let server = served.peer().await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    // Reserved while somebody has it: it stays theirs.
    assert_eq!(served.act("PUT", "reserved/%2Fbrowser-server%2FNAME", "").await.status, 204);
    assert_eq!(served.act("PUT", "reserved/NAME", "").await.status, 409);
    let rows = served.get("names").await.rows();
    assert_eq!((&rows[0]["state"], &rows[0]["reserved"]), (&json!("listening"), &json!(true)));
    assert_eq!(served.act("DELETE", "names/%2Fbrowser-server%2FNAME", "").await.status, 204);
    assert!(within(listener.try_next()).await.is_err(), "its owner hears of it");
    let rows = served.until("names", |answer| answer.rows()[0]["state"] == "reserved").await.rows();
    assert_eq!((&rows[0]["session"], &rows[0]["since_ms"]), (&json!(null), &json!(null)));
    // Its session stays, and nobody gets the name.
    let refused = server.server().listen("NAME").await.map(|_| ()).expect_err("it is reserved");
    assert!(
        matches!(&refused, ListenError::Refused(error) if error.is(Code::NameReserved) && error.message.contains("runs the proxy")),
        "{refused}"
    );
    let standing = tokio::spawn({
        let other = served.peer().await;
        async move { other.server().listen("NAME").standby().await.map(|listener| (listener, other)) }
    });
    let stands_by = |answer: &crate::served::Answer| answer.rows().iter().any(|row| row["path"] == "/browser-server/listen/NAME");
    served.until("streams", stands_by).await;
    assert_eq!(served.act("DELETE", "names/NAME", "").await.status, 404, "nobody has it");
    assert_eq!(served.act("DELETE", "reserved/NAME", "").await.status, 204);
    let _held = within(standing).await.expect("no panic").expect("who stands by has it");
    assert_eq!(served.act("DELETE", "reserved/NAME", "").await.status, 404);
    assert_eq!(served.act("PUT", "reserved/%2Fbrowser-server%2F..", "").await.status, 400);
    assert!(acted(&served).await.starts_with("gave \"NAME\" free"));
}

#[tokio::test]
async fn a_room_is_told_something_and_its_members_are_moved_and_removed() {
    let served = Served::start().await;
    let peer = served.peer().await;
    let mut hall = Room::new(&peer).join("hall").into_future().await.expect("joined");
    let emit = r#"{"event":"notice","args":["the proxy restarts",{"in_s":60}]}"#;
    assert_eq!(served.act("POST", "rooms/hall/emit", emit).await.status, 204);
    let Some(News::Event { from: None, name, args, ask: None }) = within(hall.next()).await.expect("it goes on") else {
        panic!("an event")
    };
    let args: (String, serde_json::Value) = args.to().expect("as it was said");
    assert_eq!((name.as_str(), args), ("notice", ("the proxy restarts".into(), json!({"in_s": 60}))));
    assert_eq!(served.act("POST", "rooms/nobody/emit", emit).await.status, 404);
    for bad in ["", "{}", r#"{"event":1}"#, r#"{"event":"x","args":{}}"#, r#"{"event":"x","more":1}"#] {
        assert_eq!(served.act("POST", "rooms/hall/emit", bad).await.status, 400, "{bad}");
    }
    let long = format!(r#"{{"event":"x","args":["{}"]}}"#, "x".repeat(1_500_000));
    assert_eq!(served.act("POST", "rooms/hall/emit", &long).await.status, 413);

    let id = served.get("rooms/hall/members").await.rows()[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(served.act("PUT", &format!("rooms/hall/members/{id}"), r#"{"room":"annex"}"#).await.status, 204);
    served.until("rooms/annex/members", |answer| answer.status == 200 && answer.rows()[0]["live"] == true).await;
    assert_eq!(served.act("DELETE", &format!("rooms/hall/members/{id}"), "").await.status, 404);
    assert_eq!(served.act("DELETE", &format!("rooms/annex/members/{id}"), "").await.status, 204);
    served.until("rooms", |answer| answer.rows().is_empty()).await;
    assert!(acted(&served).await.starts_with(&format!("removed the member {id} from the room \"annex\"")));
}

#[tokio::test]
async fn the_proxy_goes_down_when_it_is_told() {
    let served = Served::start().await;
    let peer = served.peer().await;
    assert_eq!(served.act("POST", "drain", r#"{"deadline_s":86401}"#).await.status, 400);
    assert_eq!(served.act("POST", "drain", r#"{"deadline_s":5}"#).await.status, 204);
    until(|| served.proxy.sessions().is_empty()).await;
    drop(peer);
    within(async {
        while tokio::net::TcpStream::connect(served.peers).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_deadline_the_proxy_goes_down_within_the_time_that_it_was_set_to() {
    for body in ["", "{}"] {
        let set = |config: &mut browser_stream_server::Config| {
            (config.admin_actions, config.limits.drain_timeout) = (true, Duration::from_secs(7));
        };
        let served = Served::with(set, |proxy| proxy).await;
        // What is left holds the port until then.
        let (client, server) = (served.peer().await, served.peer().await);
        let mut listener = server.server().listen("NAME").await.expect("the name is free");
        let _pair = pair(&client, &mut listener, false).await;
        assert_eq!(served.act("POST", "drain", body).await.status, 204);
        assert!(acted(&served).await.starts_with("has the proxy go down within 7 s"), "{body}");
    }
}
