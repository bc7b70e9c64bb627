//! A proxy that cheats with how a sealed stream begins and goes on: it cannot pose as either end, and is found out.

use browser_stream_client::{Code, ConnectError, StreamError, seal::Keys};
use futures::FutureExt;
use harness::within;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::{
    connect::next,
    evil::{Stage, answer, forge, records, reply},
    seal::refused,
    tampering::TAMPERED,
};

#[tokio::test(start_paused = true)]
async fn a_proxy_that_takes_the_seal_off_the_open_gets_no_plain_stream() {
    let mut stage = Stage::new().await;
    let code = stage.crossed(|open| drop(open.as_object_mut().expect("an object").remove("seal")), |_| {}).await;
    assert_eq!(code, Code::Forbidden.into());
    assert!(stage.nobody_came());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_takes_the_seal_off_the_reply_gets_no_plain_stream() {
    let code = Stage::new().await.crossed(|_| {}, |reply| drop(reply.as_object_mut().expect("an object").remove("seal"))).await;
    assert_eq!(code, Code::Tampered.into());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_alters_the_open_is_found_out() {
    let alter = |open: &mut Value| {
        let message = open["seal"]["message"].as_str().expect("a message").to_owned();
        let first = if message.starts_with('A') { "B" } else { "A" };
        open["seal"]["message"] = json!(format!("{first}{}", &message[1..]));
    };
    let mut stage = Stage::new().await;
    assert_eq!(stage.crossed(alter, |_| {}).await, Code::Tampered.into());
    assert_eq!(stage.crossed(|open| open["seal"]["v"] = json!(2), |_| {}).await, Code::Tampered.into());
    assert_eq!(stage.crossed(|open| open["seal"]["pattern"] = json!("IK"), |_| {}).await, Code::Tampered.into());
    assert_eq!(stage.crossed(|open| open["seal"] = json!({"v": 1}), |_| {}).await, Code::Tampered.into());
    assert_eq!(stage.crossed(|open| open["seal"] = json!(7), |_| {}).await, Code::BadRequest.into());
    assert!(stage.nobody_came());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_alters_the_reply_is_found_out() {
    let others = {
        let mut stage = Stage::new().await;
        let connecting = tokio::spawn(stage.connect().into_future());
        let (open, _near) = stage.clients.opened().await;
        let mut far = stage.servers.bring("NAME", &open);
        let _stream = next(&mut stage.listener).await.accept();
        connecting.abort();
        reply(&mut far).await["seal"]["message"].clone()
    };
    let forgeries = [json!("AAAA"), json!(""), json!("+"), json!(7), others];
    for forgery in forgeries {
        let code = Stage::new().await.crossed(|_| {}, |reply| reply["seal"]["message"] = forgery.clone()).await;
        assert_eq!(code, Code::Tampered.into(), "{forgery}");
    }
    // With a key beside the message, be it the server's own; in another version.
    let mut stage = Stage::new().await;
    for key in [stage.keys.public().to_string(), Keys::generate().public().to_string(), "short".into()] {
        assert_eq!(stage.crossed(|_| {}, |reply| reply["seal"]["key"] = json!(key)).await, Code::Tampered.into(), "{key}");
        let code = stage.crossed(|_| {}, |reply| reply["seal"] = json!({"v": 1, "key": key, "message": "+"})).await;
        assert_eq!(code, Code::Tampered.into(), "{key}");
    }
    assert_eq!(stage.crossed(|_| {}, |reply| reply["seal"]["v"] = json!(2)).await, Code::Tampered.into());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_shows_its_own_key_is_found_out() {
    let mut stage = Stage::new().await;
    let mallory = Keys::generate();
    let own = mallory.public().to_string();
    assert_eq!(stage.crossed(|_| {}, |reply| reply["seal"] = json!({"v": 1, "key": own})).await, Code::KeyChanged.into());
    // It serves the name itself, as well as it can without the key.
    let mut listener = stage.clients.peer.server().listen("NAME").sealed(&mallory).await.expect("granted");
    let connecting = tokio::spawn(refused(stage.connect()));
    let (open, mut near) = stage.clients.opened().await;
    let mut far = stage.clients.bring("NAME", &open);
    let said = reply(&mut far).await;
    answer(&mut near, &said);
    assert_eq!(within(connecting).await.expect("no panic"), Code::KeyChanged.into());
    assert!(futures::StreamExt::next(&mut listener).now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_brings_an_open_to_another_name_of_the_server_is_found_out() {
    let mut stage = Stage::new().await;
    let mut other = stage.servers.peer.server().listen("OTHER").sealed(&stage.keys).await.expect("granted");
    let connecting = tokio::spawn(refused(stage.connect()));
    let (open, mut near) = stage.clients.opened().await;
    let mut far = stage.servers.bring("OTHER", &open);
    let said = reply(&mut far).await;
    answer(&mut near, &said);
    assert_eq!(within(connecting).await.expect("no panic"), Code::Tampered.into());
    assert!(futures::StreamExt::next(&mut other).now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_open_that_is_replayed_later_is_a_stream_that_never_says_anything() {
    let mut stage = Stage::new().await;
    let connecting = tokio::spawn(stage.connect().into_future());
    let (open, mut near) = stage.clients.opened().await;
    let mut far = stage.servers.bring("NAME", &open);
    let _first = next(&mut stage.listener).await.accept();
    answer(&mut near, &reply(&mut far).await);
    let mut mine = within(connecting).await.expect("no panic").expect("accepted");
    mine.write_chunk("pay".into()).await.expect("taken");
    mine.finish();
    let said = records(&mut near).await;
    let mut again = stage.servers.bring("NAME", &open);
    let mut replayed = next(&mut stage.listener).await.accept();
    let _reply = reply(&mut again).await;
    forge(&mut again, &said);
    assert_eq!(within(replayed.read_chunk()).await, Err(TAMPERED));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_cannot_take_over_a_stream_that_resumes() {
    let mut stage = Stage::new().await;
    let connecting = tokio::spawn(stage.clients.peer.client().connect(stage.keys.address("NAME")).into_future());
    let (open, mut near) = stage.clients.opened().await;
    let mut far = stage.servers.bring("NAME", &open);
    let mut theirs = next(&mut stage.listener).await.accept();
    let first = reply(&mut far).await;
    answer(&mut near, &first);
    let _mine = within(connecting).await.expect("no panic").expect("accepted");
    // The same open again is the same stream, with the same answer; another under its id is refused.
    let mut again = stage.servers.bring("NAME", &open);
    assert_eq!(reply(&mut again).await["seal"], first["seal"]);
    let other = {
        let other = tokio::spawn(stage.clients.peer.client().connect(stage.keys.address("NAME")).into_future());
        let (other_open, _near) = stage.clients.opened().await;
        other.abort();
        let mut mixed = open.clone();
        mixed["seal"] = other_open["seal"].clone();
        mixed
    };
    let mut mixed = stage.servers.bring("NAME", &other);
    assert_eq!(reply(&mut mixed).await["error"]["code"], "forbidden");
    // Nor is the same one, said to be of another version, a stream of its own.
    let mut later = open.clone();
    later["resume"]["v"] = json!(2);
    assert_eq!(reply(&mut stage.servers.bring("NAME", &later)).await["error"]["code"], "forbidden");
    assert!(stage.nobody_came());
    // It joins, but cannot prove itself: JOIN is answered with PROVE, a made-up PROOF with nothing.
    let mut joined = stage.servers.bring("NAME", &json!({"resume": {"v": 1, "join": true}}));
    let _taken = reply(&mut joined).await;
    let id = unhex(open["resume"]["id"].as_str().expect("an id"));
    joined.write_now([&[9][..], &id, &[0; 16]].concat().into());
    let proved = within(joined.read_chunk()).await.expect("PROVE").expect("PROVE");
    assert_eq!(proved[0], 0x0a);
    joined.write_now([&[0x0b][..], &[0; 32]].concat().into());
    theirs.write_chunk("secret".into()).await.expect("taken");
    while let Ok(Some(bytes)) = within(joined.read_chunk()).await {
        assert!(bytes.len() < 64, "an ACK at most");
    }
    let mut heard = Vec::new();
    assert!(theirs.read_to_end(&mut heard).now_or_never().is_none() && heard.is_empty());
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_sealed_open_with_a_secret_or_early_bytes_or_a_meta_that_is_none_is_no_open() {
    let mut stage = Stage::new().await;
    let connecting = tokio::spawn(stage.clients.peer.client().connect(stage.keys.address("NAME")).into_future());
    let (open, _near) = stage.clients.opened().await;
    assert_eq!((&open["resume"]["early"], &open["need"]), (&json!(0), &json!(["seal"])));
    for (field, value) in [("secret", json!("00".repeat(32))), ("early", json!(5)), ("grace", Value::Null)] {
        let mut wrong = open.clone();
        wrong["resume"][field] = value;
        assert_eq!(reply(&mut stage.servers.bring("NAME", &wrong)).await["error"]["code"], "bad_request", "{field}");
    }
    assert!(stage.nobody_came());
    connecting.abort();
}

#[tokio::test(start_paused = true)]
async fn a_proxy_cannot_say_what_only_the_ends_find_out() {
    for code in ["tampered", "key_changed"] {
        let stage = &mut Stage::new().await;
        let connecting = tokio::spawn(stage.connect().into_future());
        let (_, mut near) = stage.clients.opened().await;
        answer(&mut near, &json!({"error": {"code": code, "message": "forged"}}));
        match within(connecting).await.expect("no panic").expect_err("refused") {
            ConnectError::Refused(error) => assert!(error.is(Code::Internal), "{error}"),
            other => panic!("{other}"),
        }
    }
    for code in [Code::Tampered, Code::KeyChanged] {
        let mut scene = Stage::new().await.scene().await;
        scene.near.reset(code);
        assert_eq!(within(scene.mine.read_chunk()).await, Err(StreamError::Reset(Code::Internal.number())));
        assert_eq!(within(scene.mine.stopped()).await, StreamError::Reset(Code::Internal.number()));
    }
}
