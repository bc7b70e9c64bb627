//! Sealed streams through the real proxy: who can talk to whom, and what each knows of the other.

use std::time::Duration;

use browser_stream_client::{
    Code, Connect, ConnectError, Connection, Listener, RefusalCode, Stream, StreamError,
    seal::{Keys, MemoryPins, Pins, PublicKey, Sealing},
};
use futures::FutureExt;
use harness::{Cable, Two, pattern, until, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::connect::next;

/// A server under this name with these keys.
pub async fn listen(two: &Two, name: &str, keys: &Keys) -> Listener {
    two.server.server().listen(name).sealed(keys).await.expect("the name is free")
}

/// A client's stream and the server's end of it.
pub async fn opened(connect: Connect, listener: &mut Listener) -> (Stream, Stream) {
    let (stream, accepted) = tokio::join!(within(connect.into_future()), async { next(listener).await.accept() });
    (stream.expect("accepted"), accepted)
}

/// The code of the refusal that a client meets, where no server hears of it.
pub async fn refused(connect: Connect) -> RefusalCode {
    match within(connect.into_future()).await.expect_err("refused") {
        ConnectError::Refused(error) => error.code,
        other => panic!("{other}"),
    }
}

/// Says something each way and ends both.
pub async fn talk(mut mine: Stream, mut theirs: Stream) {
    mine.write_all(b"ping").await.expect("taken");
    mine.finish();
    let mut heard = String::new();
    within(theirs.read_to_string(&mut heard)).await.expect("a clean end");
    theirs.write_chunk("pong".into()).await.expect("taken");
    theirs.finish();
    let mut answer = String::new();
    within(mine.read_to_string(&mut answer)).await.expect("a clean end");
    assert_eq!((heard.as_str(), answer.as_str()), ("ping", "pong"));
}

fn nobody_came(listener: &mut Listener) -> bool {
    futures::StreamExt::next(listener).now_or_never().is_none()
}

#[tokio::test(start_paused = true)]
async fn a_sealed_stream_goes_both_ways_and_knows_who_is_at_its_ends() {
    let two = Two::new().await;
    let (keys, mine) = (Keys::generate(), Keys::generate());
    let mut listener = listen(&two, "NAME", &keys).await;
    for resumes in [true, false] {
        for client_keys in [None, Some(&mine)] {
            let mut sealing = Sealing::new().meta(&json!({"deep": ["secret"]}));
            if let Some(keys) = client_keys {
                sealing = sealing.keys(keys);
            }
            let connect = two.client.client().connect(keys.address("NAME")).meta(&"clear").sealed(sealing).resume(resumes);
            let (stream, accepted) = tokio::join!(within(connect.into_future()), async {
                let client: Connection = next(&mut listener).await;
                let sealed = client.sealed().expect("sealed").clone();
                assert_eq!(sealed.meta::<Value>(), Some(json!({"deep": ["secret"]})));
                assert_eq!(sealed.key(), client_keys.map(Keys::public));
                assert_eq!(client.meta::<String>().as_deref(), Some("clear"));
                client.accept()
            });
            let stream = stream.expect("accepted");
            assert_eq!((stream.is_resumable(), accepted.is_resumable()), (resumes, resumes));
            assert_eq!(stream.sealed().and_then(|sealed| sealed.key()), Some(keys.public()));
            assert_eq!(accepted.sealed().and_then(|sealed| sealed.key()), client_keys.map(Keys::public));
            talk(stream, accepted).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn early_bytes_wait_for_the_seal_and_a_long_chunk_goes_whole() {
    let two = Two::new().await;
    let keys = Keys::generate();
    let mut listener = listen(&two, "NAME", &keys).await;
    let connect = two.client.client().connect(keys.address("NAME")).early("early");
    let (mut mine, mut theirs) = opened(connect, &mut listener).await;
    let sent = pattern(1, 3_000_000);
    let mut got = Vec::new();
    let writing = async {
        mine.write_chunk(sent.clone().into()).await.expect("taken");
        mine.write_chunk("".into()).await.expect("an empty one is nothing");
        assert_eq!(mine.write(b"").await.ok(), Some(0));
        mine.write_all(b"last").await.expect("taken");
        mine.shutdown().await.expect("finished");
        mine.finish();
    };
    let ((), read) = within(async { tokio::join!(writing, theirs.read_to_end(&mut got)) }).await;
    read.expect("a clean end");
    assert!(got == [b"early", &sent[..], b"last"].concat());
    theirs.finish();
    within(mine.sent()).await.expect("all is there");
    assert_eq!(mine.write_chunk("x".into()).await, Err(StreamError::Finished));
}

#[tokio::test(start_paused = true)]
async fn a_reset_says_its_code_and_no_message_goes_in_the_clear() {
    let two = Two::new().await;
    let keys = Keys::generate();
    let mut listener = listen(&two, "NAME", &keys).await;
    let (mut mine, mut theirs) = opened(two.client.client().connect(keys.address("NAME")), &mut listener).await;
    mine.error_with(4001_u32, "a secret reason");
    assert_eq!(within(theirs.stopped()).await, StreamError::Reset(4001));
    assert_eq!(within(theirs.read_chunk()).await, Err(StreamError::Reset(4001)));
    assert_eq!(theirs.message(), None);
}

#[tokio::test(start_paused = true)]
async fn a_sealed_server_takes_no_plain_stream_and_a_plain_one_no_sealed() {
    let two = Two::new().await;
    let keys = Keys::generate();
    let mut sealed = listen(&two, "NAME", &keys).await;
    let mut plain = two.server.server().listen("OTHER").await.expect("the name is free");
    for resumes in [true, false] {
        let client = two.client.client();
        assert_eq!(refused(client.connect("NAME").resume(resumes)).await, Code::Forbidden.into());
        assert_eq!(refused(client.connect(keys.address("OTHER")).resume(resumes)).await, Code::Unsupported.into());
        assert_eq!(refused(client.connect("OTHER").sealed(Sealing::new()).resume(resumes)).await, Code::Unsupported.into());
    }
    assert!(nobody_came(&mut sealed) && nobody_came(&mut plain));
}

#[tokio::test(start_paused = true)]
async fn a_server_with_another_key_is_key_changed_and_hears_nothing() {
    let two = Two::new().await;
    let keys = Keys::generate();
    let mut listener = listen(&two, "NAME", &keys).await;
    let other = Keys::generate();
    for resumes in [true, false] {
        let connect = two.client.client().connect(other.address("NAME")).resume(resumes);
        let error = within(connect.into_future()).await.expect_err("refused");
        assert_eq!(error.code(), Code::KeyChanged.into());
        assert!(error.to_string().contains(&keys.public().to_string()), "{error}");
    }
    assert!(nobody_came(&mut listener));
}

/// Texts with a # that are no addresses, and such as are names.
fn look_alikes() -> (Vec<String>, Vec<String>) {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/seal.json")).expect("JSON");
    let addresses = vectors["addresses"].as_array().expect("addresses").iter();
    let unsealed = addresses.filter(|vector| vector["key"].is_null());
    let (refused, plain): (Vec<_>, Vec<_>) = unsealed.partition(|vector| vector["name"].is_null());
    let texts = |list: Vec<&Value>| list.into_iter().map(|vector| vector["address"].as_str().expect("a text").to_owned()).collect();
    (texts(refused), texts(plain))
}

#[tokio::test(start_paused = true)]
async fn what_is_no_whole_address_is_never_connected_to_in_the_clear() {
    let two = Two::new().await;
    let client = two.client.client();
    let (refused_ones, plain) = look_alikes();
    assert!(refused_ones.len() > 15 && plain.len() > 3);
    for misspelt in refused_ones {
        for connect in [client.connect(&misspelt), client.connect(&misspelt).sealed(Sealing::new())] {
            let error = within(connect.wait(Duration::ZERO).into_future()).await.expect_err("refused");
            assert_eq!(error.code(), Code::BadRequest.into(), "{misspelt}: {error}");
            assert!(error.to_string().contains("copy the whole address"), "{error}");
        }
    }
    for name in plain {
        assert_eq!(refused(client.connect(&name).wait(Duration::ZERO)).await, Code::NotFound.into(), "{name}");
    }
    let nobody = format!("NAME#{}", PublicKey([0; 32]));
    assert_eq!(refused(client.connect(nobody)).await, Code::BadRequest.into(), "a key of small order");
}

#[tokio::test(start_paused = true)]
async fn nobody_listens_under_an_address_or_what_is_left_of_one() {
    let two = Two::new().await;
    let (server, keys) = (two.server.server(), Keys::generate());
    let whole = keys.address("NAME");
    let (misspelt, plain) = look_alikes();
    for text in misspelt.iter().chain([&whole]) {
        for listen in [server.listen(text), server.listen(text).sealed(&keys)] {
            let error = within(listen.into_future()).await.err().expect("refused");
            assert_eq!(error.code(), Code::BadRequest.into(), "{text}: {error}");
            assert!(error.to_string().contains("listen under "), "{error}");
        }
    }
    for name in plain {
        server.listen(name).await.expect("a name as any other").end().await.expect("given up");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_key_is_pinned_and_another_is_refused() {
    let two = Two::new().await;
    let keys = Keys::generate();
    let mut listener = listen(&two, "NAME", &keys).await;
    let client = two.client.client();
    for _ in 0..2 {
        let (mine, theirs) = opened(client.connect("NAME").sealed(Sealing::new()), &mut listener).await;
        assert_eq!(mine.sealed().and_then(|sealed| sealed.key()), Some(keys.public()));
        talk(mine, theirs).await;
    }
    listener.end().await.expect("given up");
    let mut listener = listen(&two, "NAME", &Keys::generate()).await;
    assert_eq!(refused(client.connect("NAME").sealed(Sealing::new())).await, Code::KeyChanged.into());
    assert!(nobody_came(&mut listener));
    // Who never saw the first believes the second.
    let (mine, theirs) = opened(client.connect("NAME").sealed(Sealing::new().pins(MemoryPins::default())), &mut listener).await;
    talk(mine, theirs).await;
}

/// Pins that cannot be used.
struct Broken;

impl Pins for Broken {
    fn get(&self, _: &str) -> std::io::Result<Option<PublicKey>> {
        Err(std::io::ErrorKind::PermissionDenied.into())
    }

    fn set(&self, _: &str, _: PublicKey) -> std::io::Result<PublicKey> {
        Err(std::io::ErrorKind::PermissionDenied.into())
    }
}

#[tokio::test(start_paused = true)]
async fn pins_that_cannot_be_read_are_no_reason_to_believe_anybody() {
    let two = Two::new().await;
    let mut listener = listen(&two, "NAME", &Keys::generate()).await;
    assert_eq!(refused(two.client.client().connect("NAME").sealed(Sealing::new().pins(Broken))).await, Code::Internal.into());
    assert!(nobody_came(&mut listener));
}

/// As clients find them that connect while none has pinned yet.
#[derive(Default)]
struct Early(MemoryPins);

impl Pins for Early {
    fn get(&self, _: &str) -> std::io::Result<Option<PublicKey>> {
        Ok(None)
    }

    fn set(&self, name: &str, key: PublicKey) -> std::io::Result<PublicKey> {
        self.0.set(name, key)
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_first_connects_the_second_key_is_not_believed() {
    let two = Two::new().await;
    let client = two.client.client().with_pins(Early::default());
    let first = Keys::generate();
    let mut listener = listen(&two, "NAME", &first).await;
    let (mine, theirs) = opened(client.connect("NAME").sealed(Sealing::new()), &mut listener).await;
    talk(mine, theirs).await;
    listener.end().await.expect("given up");
    let mut listener = listen(&two, "NAME", &Keys::generate()).await;
    let (error, mut theirs) = tokio::join!(within(client.connect("NAME").sealed(Sealing::new()).early("secret").into_future()), async {
        next(&mut listener).await.accept()
    });
    let error = error.expect_err("refused");
    assert_eq!(error.code(), Code::KeyChanged.into());
    assert!(error.to_string().contains(&first.public().to_string()), "{error}");
    assert_eq!(within(theirs.read_chunk()).await, Err(StreamError::Reset(Code::Cancelled.number())), "nothing was written to it");
}

#[tokio::test(start_paused = true)]
async fn a_sealed_stream_survives_cuts_of_either_side() {
    let two = Two::new().await;
    let keys = Keys::generate();
    let mut listener = listen(&two, "NAME", &keys).await;
    let (mut mine, mut theirs) = opened(two.client.client().connect(keys.address("NAME")), &mut listener).await;
    for round in 0..6_u8 {
        mine.write_chunk(vec![round; 3].into()).await.expect("taken");
        let cable: &Cable = if round % 2 == 0 { &two.clients } else { &two.servers };
        cable.cut();
        theirs.write_chunk(vec![round + 100; 2].into()).await.expect("taken");
        let (mut three, mut two) = ([0; 3], [0; 2]);
        within(theirs.read_exact(&mut three)).await.expect("it goes on");
        within(mine.read_exact(&mut two)).await.expect("it goes on");
        assert_eq!((three, two), ([round; 3], [round + 100; 2]));
    }
    talk(mine, theirs).await;
}

#[tokio::test(start_paused = true)]
async fn a_sealed_open_whose_answer_got_lost_is_one_stream() {
    let two = Two::new().await;
    let keys = Keys::generate();
    let mut listener = listen(&two, "NAME", &keys).await;
    let connecting = tokio::spawn(two.client.client().connect(keys.address("NAME")).into_future());
    let connection = next(&mut listener).await;
    two.clients.cut();
    until(|| two.clients.dialled() == 2).await;
    // The same open comes again, while the application has not answered the first.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let theirs = connection.accept();
    let mine = within(connecting).await.expect("no panic").expect("accepted");
    assert!(nobody_came(&mut listener), "one client came");
    talk(mine, theirs).await;
}
