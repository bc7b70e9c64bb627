//! A proxy that cheats with what a sealed stream says: it reads nothing, and is found out.

use browser_stream_client::{
    Code, StreamError,
    seal::{Keys, Sealing},
};
use bytes::Bytes;
use harness::within;

use crate::{
    connect::next,
    evil::{Scene, Stage, answer, forge, records, reply},
    seal::talk,
};

pub const TAMPERED: StreamError = StreamError::Reset(Code::Tampered as u32);

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
