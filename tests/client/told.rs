//! What the proxy tells a peer, and what the peer makes of it.

use std::time::Duration;

use browser_stream_client::{Code, ConnectError, DialError, ListenError, State};
use futures::{StreamExt, TryStreamExt};
use harness::{until, within};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::script::{Script, say};

/// The lease that a scripted proxy gives.
fn lease(mac: &str) -> Value {
    json!({"name": "NAME", "instance": "00112233445566778899aabbccddeeff", "generation": 7, "mac": mac})
}

#[tokio::test(start_paused = true)]
async fn threat_02_a_name_is_taken_back_with_its_lease_and_a_rising_attempt() {
    let (peer, mut script, mut connection) = Script::begin().await;
    let _session = connection.welcome().await;
    let server = peer.server();
    let claiming = tokio::spawn(server.listen("NAME").into_future());
    let (open, mut control) = connection.grant(json!({"id": "1", "lease": lease("aa")})).await;
    assert_eq!(open["lease"], json!(true));
    let (instance, mut attempt) = (open["instance"].clone(), open["attempt"].as_u64());
    assert_eq!(instance.as_str().map(str::len), Some(32));
    let _listener = within(claiming).await.expect("no panic").expect("granted");
    for _ in 0..3 {
        drop((connection, control));
        connection = script.next().await;
        let _session = connection.welcome().await;
        let (open, again) = connection.grant(json!({"id": "1", "lease": lease("aa")})).await;
        control = again;
        assert_eq!((&open["lease"], &open["instance"]), (&lease("aa"), &instance));
        assert!(open["attempt"].as_u64() > attempt, "{attempt:?}");
        attempt = open["attempt"].as_u64();
    }
}

#[tokio::test(start_paused = true)]
async fn threat_33_who_is_superseded_stops_says_so_and_never_claims_again() {
    for by_note in [true, false] {
        let (peer, mut script, first) = Script::begin().await;
        let _session = first.welcome().await;
        let claiming = tokio::spawn(peer.server().listen("NAME").into_future());
        let (_, mut control) = first.grant(json!({"id": "1", "lease": lease("aa")})).await;
        let mut listener = within(claiming).await.expect("no panic").expect("granted");
        let (connection, _control) = if by_note {
            say(&mut control, json!({"note": "superseded"}));
            (first, control)
        } else {
            drop((first, control));
            let second = script.next().await;
            let _session = second.welcome().await;
            let (_, refused) = second.grant(json!({"error": {"code": "superseded", "message": "the same lease"}})).await;
            (second, refused)
        };
        let error = within(listener.try_next()).await.err().expect("the name is lost");
        assert!(matches!(error, ListenError::Superseded) && error.code() == Code::Superseded.into());
        assert!(within(listener.next()).await.is_none());
        let quiet = tokio::time::timeout(Duration::from_secs(300), connection.session.accept()).await;
        assert!(quiet.is_err() || matches!(quiet, Ok(None)), "nothing is opened any more");
    }
}

#[tokio::test(start_paused = true)]
async fn who_gets_no_name_in_time_from_a_proxy_that_gives_none_is_told_its_reason() {
    let (peer, mut script, mut connection) = Script::begin().await;
    let claiming = tokio::spawn(peer.server().listen("NAME").into_future());
    let (begun, is_over) = (Instant::now(), || claiming.is_finished());
    loop {
        let mut session = connection.welcome().await;
        let mut control = tokio::select! {
            (_, control) = connection.opened() => control,
            () = until(is_over) => break,
        };
        // As long as a node of a cluster waits for its table.
        tokio::select! {
            () = sleep(Duration::from_secs(8)) => {}
            () = until(is_over) => break,
        }
        say(&mut control, json!({"error": {"code": "draining", "message": "this node does not reach NATS"}}));
        say(&mut session, json!({"note": "drain", "value": {"after_ms": 0}}));
        connection = script.next().await;
    }
    let error = claiming.await.expect("no panic").err().expect("refused");
    assert!(matches!(&error, ListenError::Refused(error) if error.message == "this node does not reach NATS"), "{error}");
    assert_eq!((error.code(), begun.elapsed().as_secs()), (Code::Draining.into(), 30));
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_proxy_sends_it_on_and_that_finds_no_other_in_time_is_told_why() {
    let (peer, _script, connection) = Script::begin().await;
    let _session = connection.welcome().await;
    let begun = Instant::now();
    let connecting = tokio::spawn(peer.client().connect("NAME").resume(false).wait(Duration::from_secs(1)).into_future());
    let (_, mut refused) = connection.opened().await;
    say(&mut refused, json!({"error": {"code": "draining", "message": "this node does not reach NATS"}}));
    let Err(ConnectError::Refused(error)) = connecting.await.expect("no panic") else { panic!("it is refused") };
    assert_eq!((error.message.as_str(), error.is(Code::Draining)), ("this node does not reach NATS", true));
    assert_eq!(begun.elapsed().as_secs(), 16, "its wait, and as long as an answer may take");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_an_operator_took_is_released() {
    let (peer, _script, connection) = Script::begin().await;
    let claiming = tokio::spawn(peer.server().listen("NAME").into_future());
    let _session = connection.welcome().await;
    let (_, mut control) = connection.grant(json!({"id": "1"})).await;
    let mut listener = within(claiming).await.expect("no panic").expect("granted");
    say(&mut control, json!({"note": "later", "value": {}}));
    say(&mut control, json!({"note": "released"}));
    assert!(matches!(within(listener.try_next()).await, Err(ListenError::Released)));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_given_back_yet_is_asked_for_until_the_grace_is_over() {
    let (peer, mut script, first) = Script::begin().await;
    let _session = first.welcome().await;
    let claiming = tokio::spawn(peer.server().listen("NAME").into_future());
    let control = first.grant(json!({"id": "1"})).await;
    let mut listener = within(claiming).await.expect("no panic").expect("granted");
    drop((first, control));
    let second = script.next().await;
    let _session = second.welcome().await;
    let start = Instant::now();
    let refusing = async {
        loop {
            let refusal = json!({"error": {"code": "name_taken", "message": "by your own old session"}});
            second.grant(refusal).await.1.finish();
        }
    };
    let error = tokio::select! {
        error = listener.try_next() => error.err().expect("the name is lost"),
        () = refusing => unreachable!("it refuses for ever"),
    };
    assert_eq!(error.code(), Code::NameTaken.into());
    let seconds = start.elapsed().as_secs();
    assert!((120..=125).contains(&seconds), "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn threat_20_a_drain_moves_the_peer_after_the_delay_that_is_named_and_its_names_with_it() {
    let (peer, mut script, first) = Script::begin().await;
    let mut session = first.welcome().await;
    let claiming = tokio::spawn(peer.server().listen("NAME").into_future());
    let (_, mut old) = first.grant(json!({"id": "1", "lease": lease("aa")})).await;
    let _listener = within(claiming).await.expect("no panic").expect("granted");
    let start = Instant::now();
    say(&mut session, json!({"note": "drain", "value": {"after_ms": 7000}}));
    until(|| matches!(peer.state(), State::Waiting { attempt: 1, .. })).await;
    // What is opened meanwhile waits for the next connection.
    let connecting = tokio::spawn(peer.client().connect("OTHER").into_future());
    let second = script.next().await;
    assert_eq!((second.at - start).as_secs(), 7);
    let _session = second.welcome().await;
    for _ in 0..2 {
        let (open, mut stream) = second.opened().await;
        match open["path"].as_str() {
            Some("/browser-server/listen/NAME") => {
                assert_eq!(open["lease"], lease("aa"));
                say(&mut stream, json!({"id": "1", "lease": lease("aa")}));
            }
            Some("/browser-server/connect/OTHER") => say(&mut stream, json!({"id": "2"})),
            other => panic!("{other:?}"),
        }
        std::mem::forget(stream);
    }
    within(connecting).await.expect("no panic").expect("accepted");
    // The old control stream is let go only behind the new one's reply, and not by a finish, which would free the name.
    let end = within(async {
        loop {
            match old.read_frame(8192).await {
                Ok(Some(_note)) => {}
                other => return other,
            }
        }
    });
    assert!(end.await.is_err(), "a reset");
}

#[tokio::test(start_paused = true)]
async fn threat_20_who_is_told_draining_asks_the_next_proxy_and_sees_no_error() {
    for resume in [false, true] {
        let (peer, mut script, first) = Script::begin().await;
        let mut session = first.welcome().await;
        let connecting = tokio::spawn(peer.client().connect("NAME").resume(resume).into_future());
        let claiming = tokio::spawn(peer.server().listen("NAME").into_future());
        // They crossed the drain on the way.
        let mut refused = [first.opened().await.1, first.opened().await.1];
        for stream in &mut refused {
            say(stream, json!({"error": {"code": "draining", "message": "ask the next"}}));
        }
        say(&mut session, json!({"note": "drain", "value": {"after_ms": 100}}));
        let second = script.next().await;
        let _session = second.welcome().await;
        let mut answered = [second.opened().await.1, second.opened().await.1];
        for stream in &mut answered {
            say(stream, json!({"id": "7"}));
        }
        assert_eq!(within(connecting).await.expect("no panic").expect("accepted").id(), "7");
        let _listener = within(claiming).await.expect("no panic").expect("granted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_was_named_is_kept_where_the_connection_breaks_before() {
    let (_peer, mut script, first) = Script::begin().await;
    let mut session = first.welcome().await;
    let start = Instant::now();
    say(&mut session, json!({"note": "drain", "value": {"after_ms": 3000}}));
    until(|| matches!(_peer.state(), State::Waiting { .. })).await;
    drop((session, first));
    assert_eq!((script.next().await.at - start).as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_never_worked_is_no_reason_to_come_back_at_once() {
    let (peer, mut script, mut connection) = Script::begin().await;
    let start = Instant::now();
    for _ in 0..20 {
        drop(connection);
        connection = script.next().await;
    }
    assert!(start.elapsed() > Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(matches!(peer.state(), State::Open));
}

#[tokio::test(start_paused = true)]
async fn who_is_closed_for_what_he_did_waits_before_he_comes_back() {
    let (_peer, mut script, mut connection) = Script::begin().await;
    let start = Instant::now();
    for _ in 0..20 {
        let mut session = connection.welcome().await;
        say(&mut session, json!({"note": "bye", "value": 1008}));
        // What was said has arrived when what it was said on has ended.
        session.finish();
        session.peer_done().await;
        drop((session, connection));
        connection = script.next().await;
    }
    assert!(start.elapsed() > Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_refused_for_good_closes_the_peer_with_the_reason() {
    let (peer, _script, connection) = Script::begin().await;
    let (open, mut session) = connection.opened().await;
    assert!(open["library"].as_str().is_some_and(|library| library.starts_with("browser-stream-client/")));
    say(&mut session, json!({"error": {"code": "unauthorized", "message": "who are you?"}}));
    session.finish();
    session.peer_done().await;
    drop((session, connection));
    let mut states = peer.states();
    let last = loop {
        if let State::Closed(error) = within(states.next()).await.expect("it is told") {
            break error.expect("a reason");
        }
    };
    assert!(matches!(&last, DialError::Session(error) if error.message == "who are you?"));
    let error = peer.client().connect("NAME").await.expect_err("closed");
    assert_eq!((error.code(), error.to_string().contains("who are you?")), (Code::Unauthorized.into(), true));
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_names_on_a_session_that_is_refused_hears_why() {
    let (peer, _script, connection) = Script::begin().await;
    let asked = tokio::spawn(async move { peer.client().names().await });
    let (_open, mut session) = connection.opened().await;
    let (open, names) = connection.opened().await;
    assert_eq!(open["path"], "/browser-server/names");
    say(&mut session, json!({"error": {"code": "unauthorized", "message": "who are you?"}}));
    session.finish();
    session.peer_done().await;
    drop((session, names, connection));
    let error = within(asked).await.expect("it is no fault").expect_err("refused");
    assert_eq!((error.code(), error.to_string().contains("who are you?")), (Code::Unauthorized.into(), true));
}

#[tokio::test(start_paused = true)]
async fn names_are_asked_for_again_where_the_connection_broke_before_they_were_told() {
    let (peer, mut script, connection) = Script::begin().await;
    let asked = tokio::spawn(async move { peer.client().names().await });
    let session = connection.welcome().await;
    let (_open, names) = connection.opened().await;
    drop((session, names, connection));
    let connection = script.next().await;
    let _session = connection.welcome().await;
    let (_open, mut names) = connection.opened().await;
    for said in [json!({}), json!({"note": "up", "value": "NAME"}), json!({"note": "all"})] {
        say(&mut names, said);
    }
    let told = within(asked).await.expect("it is no fault").expect("they are told");
    assert_eq!(told.held.iter().map(|held| held.name.as_str()).collect::<Vec<_>>(), ["NAME"]);
}
