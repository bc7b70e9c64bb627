//! What a proxy that cheats gets of a sealed stream: nothing, and it is found out.

use browser_stream_client::{
    Code, ConnectError, Connection, Listener, RefusalCode, Stream, StreamError,
    seal::{Keys, Sealing},
};
use bytes::Bytes;
use futures::FutureExt;
use harness::within;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::{
    connect::next,
    evil::{Line, answer, forge, records, reply},
    seal::{refused, talk},
};

const TAMPERED: StreamError = StreamError::Reset(Code::Tampered as u32);

/// A server with keys and a client, each at the end of a line of the proxy's.
struct Stage {
    keys: Keys,
    servers: Line,
    clients: Line,
    listener: Listener,
}

/// A stream between them, as far as the proxy has brought it: each end, and what the proxy holds of it.
struct Scene {
    mine: Stream,
    theirs: Stream,
    near: browser_stream_mux::Stream,
    far: browser_stream_mux::Stream,
}

impl Stage {
    async fn new() -> Self {
        let (servers, clients, keys) = (Line::new().await, Line::new().await, Keys::generate());
        let listener = servers.peer.server().listen("NAME").sealed(&keys).await.expect("granted");
        assert_eq!(servers.claims.lock().expect("not poisoned")[0]["capabilities"], json!(["seal"]));
        Self { keys, servers, clients, listener }
    }

    fn connect(&self) -> browser_stream_client::Connect {
        self.clients.peer.client().connect(self.keys.address("NAME")).resume(false)
    }

    /// One that is brought honestly.
    async fn scene(&mut self) -> Scene {
        let connecting = tokio::spawn(self.connect().into_future());
        let (open, mut near) = self.clients.opened().await;
        let mut far = self.servers.bring("NAME", &open);
        let theirs = next(&mut self.listener).await.accept();
        let said = reply(&mut far).await;
        answer(&mut near, &said);
        let mine = within(connecting).await.expect("no panic").expect("accepted");
        Scene { mine, theirs, near, far }
    }

    /// What becomes of a client whose open reaches the server as `open` makes it, and its reply the client as `answered` makes it.
    async fn crossed(&mut self, open: impl FnOnce(&mut Value), answered: impl FnOnce(&mut Value)) -> RefusalCode {
        let connecting = tokio::spawn(refused(self.connect()));
        let (mut said, mut near) = self.clients.opened().await;
        open(&mut said);
        let mut far = self.servers.bring("NAME", &said);
        // A server that takes it answers when its program does.
        let accepting = async {
            let client: Connection = next(&mut self.listener).await;
            client.accept()
        };
        let (mut said, _stream) = tokio::select! {
            biased;
            said = reply(&mut far) => (said, None),
            stream = accepting => (Value::Null, Some(stream)),
        };
        if said.is_null() {
            said = reply(&mut far).await;
        }
        answered(&mut said);
        answer(&mut near, &said);
        within(connecting).await.expect("no panic")
    }

    fn nobody_came(&mut self) -> bool {
        futures::StreamExt::next(&mut self.listener).now_or_never().is_none()
    }
}

/// Three records and their end, as the server gets them when the proxy has had its way with them; what the server's program read, and how that ended.
async fn forged(forgery: impl FnOnce(&mut Vec<Bytes>)) -> (String, Result<(), StreamError>) {
    let mut stage = Stage::new().await;
    let Scene { mut mine, mut theirs, mut near, mut far } = stage.scene().await;
    for word in ["one ", "two ", "three "] {
        mine.write_chunk(word.into()).await.expect("taken");
    }
    mine.finish();
    let mut records = records(&mut near).await;
    assert_eq!(records.len(), 4);
    forgery(&mut records);
    forge(&mut far, &records);
    let mut heard = String::new();
    let end = loop {
        match within(theirs.read_chunk()).await {
            Ok(Some(bytes)) => heard.push_str(std::str::from_utf8(&bytes).expect("what was sent is text")),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if end.is_err() {
        // It stays so, in both directions and for whoever asks.
        assert_eq!(within(theirs.read_chunk()).await, Err(TAMPERED));
        assert_eq!(within(theirs.write_chunk("x".into())).await, Err(TAMPERED));
        assert_eq!(within(theirs.stopped()).await, TAMPERED);
        assert_eq!(within(far.read_chunk()).await, Err(StreamError::Reset(Code::BadRequest.number())), "what the proxy hears");
    }
    (heard, end)
}

fn flip(record: &Bytes, at: usize) -> Bytes {
    let mut record = record.to_vec();
    record[at] ^= 1;
    record.into()
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_only_passes_on_is_not_noticed() {
    assert_eq!(forged(|_| {}).await, ("one two three ".into(), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_alters_a_byte_is_found_out() {
    // Of the length, of the text, of the tag; of the end.
    for (record, at, heard) in [(0, 1, ""), (1, 2, "one "), (1, 21, "one "), (2, 3, "one two "), (3, 5, "one two three ")] {
        assert_eq!(forged(|records| records[record] = flip(&records[record], at)).await, (heard.into(), Err(TAMPERED)), "{record}, {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_drops_a_record_is_found_out() {
    for (record, heard) in [(0, ""), (1, "one "), (2, "one two ")] {
        assert_eq!(forged(|records| drop(records.remove(record))).await, (heard.into(), Err(TAMPERED)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_replays_a_record_is_found_out() {
    assert_eq!(forged(|records| records.insert(1, records[0].clone())).await, ("one ".into(), Err(TAMPERED)));
    assert_eq!(forged(|records| records.push(records[3].clone())).await, ("one two three ".into(), Err(TAMPERED)));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_moves_records_is_found_out() {
    assert_eq!(forged(|records| records.swap(0, 1)).await, (String::new(), Err(TAMPERED)));
    assert_eq!(forged(|records| records.swap(1, 2)).await, ("one ".into(), Err(TAMPERED)));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_cuts_the_end_off_is_found_out() {
    for (kept, heard) in [(0, ""), (1, "one "), (3, "one two three ")] {
        assert_eq!(forged(|records| records.truncate(kept)).await, (heard.into(), Err(TAMPERED)), "{kept} records");
    }
    assert_eq!(forged(|records| records[3] = records[3].slice(..17)).await, ("one two three ".into(), Err(TAMPERED)));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_adds_something_is_found_out() {
    assert_eq!(forged(|records| records.push(Bytes::from_static(&[0]))).await, ("one two three ".into(), Err(TAMPERED)));
    assert_eq!(forged(|records| records.insert(0, vec![0; 2].into())).await, (String::new(), Err(TAMPERED)));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_exchanges_two_streams_is_found_out() {
    let mut stage = Stage::new().await;
    let mut scenes = [stage.scene().await, stage.scene().await];
    for scene in &mut scenes {
        scene.mine.write_chunk("words".into()).await.expect("taken");
        scene.mine.finish();
    }
    let [one, two] = &mut scenes;
    let (first, second) = (records(&mut one.near).await, records(&mut two.near).await);
    forge(&mut one.far, &second);
    forge(&mut two.far, &first);
    for scene in &mut scenes {
        assert_eq!(within(scene.theirs.read_chunk()).await, Err(TAMPERED));
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_sends_the_clients_records_back_is_found_out() {
    let mut scene = Stage::new().await.scene().await;
    scene.mine.write_chunk("words".into()).await.expect("taken");
    scene.mine.finish();
    let said = records(&mut scene.near).await;
    forge(&mut scene.near, &said);
    assert_eq!(within(scene.mine.read_chunk()).await, Err(TAMPERED));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_reads_no_word_of_what_is_said() {
    let mut stage = Stage::new().await;
    let connect = stage.clients.peer.client().connect(stage.keys.address("NAME"));
    let connecting = tokio::spawn(connect.sealed(Sealing::new().meta(&"whispered").keys(&Keys::generate())).into_future());
    let (open, mut near) = stage.clients.opened().await;
    let mut far = stage.servers.bring("NAME", &open);
    let theirs = next(&mut stage.listener).await.accept();
    let said = reply(&mut far).await;
    answer(&mut near, &said);
    let mine = within(connecting).await.expect("no panic").expect("accepted");
    assert!(mine.is_resumable() && open["resume"].get("secret").is_none(), "the secret is not said");
    let seen = tokio::spawn(async move {
        let mut seen = format!("{open}{said}").into_bytes();
        loop {
            tokio::select! {
                bytes = near.read_chunk() => match bytes { Ok(Some(bytes)) => { seen.extend_from_slice(&bytes); far.write_now(bytes); } _ => break },
                bytes = far.read_chunk() => match bytes { Ok(Some(bytes)) => { seen.extend_from_slice(&bytes); near.write_now(bytes); } _ => break },
            }
        }
        seen
    });
    talk(mine, theirs).await;
    let seen = within(seen).await.expect("no panic");
    assert!(seen.len() > 500);
    for word in ["whispered", "ping", "pong"] {
        assert!(!seen.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
    }
}

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
