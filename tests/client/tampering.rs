//! A proxy that cheats with what a sealed stream says: it reads nothing, and is found out.

use browser_stream_client::{
    Code, Stream, StreamError,
    seal::{Keys, Sealing},
};
use browser_stream_mux::Stream as Carrier;
use bytes::Bytes;
use futures::FutureExt;
use harness::within;

use crate::{
    connect::next,
    evil::{Scene, Stage, answer, cut, forge, records, reply},
    facts::{Fact, Reader, tell},
    seal::talk,
};

pub const TAMPERED: StreamError = StreamError::Reset(Code::Tampered as u32);

/// Which of a stream's directions the proxy has its way with.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// The one to the client.
    is_down: bool,
    resumes: bool,
}

const WAYS: [Way; 4] = [
    Way { is_down: false, resumes: false },
    Way { is_down: true, resumes: false },
    Way { is_down: false, resumes: true },
    Way { is_down: true, resumes: true },
];

/// A direction: who writes it, who reads it, and what the proxy holds of either.
struct Direction {
    writer: Stream,
    reader: Stream,
    from: Carrier,
    to: Carrier,
    way: Way,
    heard: Reader,
}

impl Direction {
    async fn new(stage: &mut Stage, way: Way) -> Self {
        let Scene { mine, theirs, near, far } = stage.scene_of(way.resumes).await;
        let (writer, reader, from, to) = if way.is_down { (theirs, mine, far, near) } else { (mine, theirs, near, far) };
        Self { writer, reader, from, to, way, heard: Reader::default() }
    }

    /// Says these words and the end: the sealed records, as the proxy has them.
    async fn said(&mut self, words: &[&'static str]) -> Vec<Bytes> {
        for word in words {
            self.writer.write_chunk((*word).into()).await.expect("taken");
        }
        self.writer.finish();
        let records = if self.way.resumes { cut(self.heard.direction(&mut self.from).await) } else { records(&mut self.from).await };
        assert_eq!(records.len(), words.len() + 1);
        records
    }

    /// Brings the reader these instead, and the finish.
    fn forge(&mut self, records: &[Bytes]) {
        if !self.way.resumes {
            return forge(&mut self.to, records);
        }
        let mut offset = 0;
        for record in records.iter().filter(|record| !record.is_empty()) {
            tell(&mut self.to, &[Fact::Data { offset, bytes: record.to_vec() }]);
            offset += record.len() as u64;
        }
        tell(&mut self.to, &[Fact::Fin { total: offset }]);
    }

    /// What the reader's program read, and how that ended.
    async fn read(&mut self) -> (String, Result<(), StreamError>) {
        let mut heard = String::new();
        let end = loop {
            match within(self.reader.read_chunk()).await {
                Ok(Some(bytes)) => heard.push_str(std::str::from_utf8(&bytes).expect("what was sent is text")),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if end.is_err() {
            // It stays so, in both directions and for whoever asks.
            assert_eq!(within(self.reader.read_chunk()).await, Err(TAMPERED));
            assert_eq!(within(self.reader.write_chunk("x".into())).await, Err(TAMPERED));
            assert_eq!(within(self.reader.stopped()).await, TAMPERED);
            // What the proxy hears.
            if self.way.resumes {
                assert_eq!(Reader::default().reset(&mut self.to).await, "bad_request");
            } else {
                assert_eq!(within(self.to.read_chunk()).await, Err(StreamError::Reset(Code::BadRequest.number())));
            }
        }
        (heard, end)
    }
}

/// Three records and their end, each way, as the reader gets them when the proxy has had its way with them: it reads so much, and finds that out, or nothing.
async fn forged(forgery: impl Fn(&mut Vec<Bytes>), heard: &str, end: Result<(), StreamError>) {
    for way in WAYS {
        let mut direction = Direction::new(&mut Stage::new().await, way).await;
        let mut records = direction.said(&["one ", "two ", "three "]).await;
        forgery(&mut records);
        direction.forge(&records);
        assert_eq!(direction.read().await, (heard.to_owned(), end), "{way:?}");
    }
}

fn flip(record: &Bytes, at: usize) -> Bytes {
    let mut record = record.to_vec();
    record[at] ^= 1;
    record.into()
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_only_passes_on_is_not_noticed() {
    forged(|_| {}, "one two three ", Ok(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_alters_a_byte_is_found_out() {
    // Of the length, of the text, of the tag; of the end.
    for (record, at, heard) in [(0, 1, ""), (1, 2, "one "), (1, 21, "one "), (2, 3, "one two "), (3, 5, "one two three ")] {
        forged(|records| records[record] = flip(&records[record], at), heard, Err(TAMPERED)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_drops_a_record_is_found_out() {
    for (record, heard) in [(0, ""), (1, "one "), (2, "one two ")] {
        forged(|records| drop(records.remove(record)), heard, Err(TAMPERED)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_replays_a_record_is_found_out() {
    forged(|records| records.insert(1, records[0].clone()), "one ", Err(TAMPERED)).await;
    forged(|records| records.push(records[3].clone()), "one two three ", Err(TAMPERED)).await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_moves_records_is_found_out() {
    forged(|records| records.swap(0, 1), "", Err(TAMPERED)).await;
    forged(|records| records.swap(1, 2), "one ", Err(TAMPERED)).await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_cuts_the_end_off_is_found_out() {
    for (kept, heard) in [(0, ""), (1, "one "), (3, "one two three ")] {
        forged(|records| records.truncate(kept), heard, Err(TAMPERED)).await;
    }
    forged(|records| records[3] = records[3].slice(..17), "one two three ", Err(TAMPERED)).await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_adds_something_is_found_out() {
    forged(|records| records.push(Bytes::from_static(&[0])), "one two three ", Err(TAMPERED)).await;
    forged(|records| records.insert(0, vec![0; 2].into()), "", Err(TAMPERED)).await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_exchanges_two_streams_is_found_out() {
    for way in WAYS {
        let mut stage = Stage::new().await;
        let (mut one, mut two) = (Direction::new(&mut stage, way).await, Direction::new(&mut stage, way).await);
        let (first, second) = (one.said(&["words"]).await, two.said(&["words"]).await);
        one.forge(&second);
        two.forge(&first);
        for direction in [&mut one, &mut two] {
            assert_eq!(direction.read().await, (String::new(), Err(TAMPERED)), "{way:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_joins_one_stream_to_the_rest_of_another_is_found_out() {
    for way in WAYS {
        let mut stage = Stage::new().await;
        let (mut one, mut two) = (Direction::new(&mut stage, way).await, Direction::new(&mut stage, way).await);
        let (first, second) = (one.said(&["one ", "two "]).await, two.said(&["one ", "two "]).await);
        one.forge(&[&first[..1], &second[1..]].concat());
        assert_eq!(one.read().await, ("one ".into(), Err(TAMPERED)), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_sends_the_records_back_is_found_out() {
    for way in WAYS {
        let mut direction = Direction::new(&mut Stage::new().await, way).await;
        let said = direction.said(&["words"]).await;
        std::mem::swap(&mut direction.writer, &mut direction.reader);
        std::mem::swap(&mut direction.from, &mut direction.to);
        direction.forge(&said);
        assert_eq!(within(direction.reader.read_chunk()).await, Err(TAMPERED), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_says_a_record_of_a_stream_that_resumes_twice_changes_nothing_and_one_that_says_another_first_is_found_out() {
    for way in WAYS.into_iter().filter(|way| way.resumes) {
        for is_forged in [false, true] {
            let mut direction = Direction::new(&mut Stage::new().await, way).await;
            let said = direction.said(&["words"]).await;
            let first = if is_forged { flip(&said[0], 5) } else { said[0].clone() };
            let twice = [first, said[0].clone()].map(|record| Fact::Data { offset: 0, bytes: record.to_vec() });
            tell(&mut direction.to, &twice);
            direction.forge(&said);
            let expected = if is_forged { (String::new(), Err(TAMPERED)) } else { ("words".to_owned(), Ok(())) };
            assert_eq!(direction.read().await, expected, "{way:?}");
        }
    }
}

/// The limit of what sealing can do (SEAL.md, section 5).
#[tokio::test(start_paused = true)]
async fn a_proxy_can_say_that_all_arrived_and_only_a_sealed_answer_proves_it() {
    let mut direction = Direction::new(&mut Stage::new().await, Way { is_down: false, resumes: true }).await;
    let records = direction.said(&["words"]).await;
    let received = records.iter().map(|record| record.len() as u64).sum::<u64>() + 1;
    tell(&mut direction.from, &[Fact::Ack { received, room: 1 << 18 }]);
    within(direction.writer.sent()).await.expect("acknowledged, as it seems");
    assert!(direction.reader.read_chunk().now_or_never().is_none(), "though nothing came");
    // An answer it cannot make up, not even an empty one.
    tell(&mut direction.from, &[Fact::Fin { total: 0 }]);
    assert_eq!(within(direction.writer.read_chunk()).await, Err(TAMPERED));
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
