//! The records of resumable streams, and a server's end of one that hears them from anybody. Records are read the same however they are cut; the end takes
//! no more than it granted, says no more than it was made to, and hands on every byte once and in order.
#![no_main]

mod cuts;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arbitrary::Arbitrary;
use browser_stream_client::resume::{
    Budget, CARRIER_QUEUE_MAX, Decoder, Endpoint, INTEGER_MAX, Identity, Limits, Mac, Nonce, Reason, Received, Record, RecordError, Secret,
    StreamId,
};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

use cuts::{Cuts, singly};

#[derive(Arbitrary, Debug)]
struct Input {
    raw: Vec<u8>,
    early: u8,
    cuts: Cuts,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// One more carrier, with so many early bytes.
    Born(u8),
    /// A carrier brings bytes as they are, or a record.
    Bytes(u8, Vec<u8>),
    Record(u8, Say),
    Closed(u8),
    Suspect(u8),
    Transmit(u8, u16),
    Write(u16),
    Finish,
    Read(u8),
    Reset,
    Wait(u16),
}

#[derive(Arbitrary, Debug)]
enum Say {
    /// Bytes from this place on, of which so many really come.
    Data(u16, u16),
    Fin(u16),
    Ack(u64, u64),
    Reset(String, String),
    Done,
    Gone,
    Ping(u64),
    Pong(u64),
    Join,
    Prove,
    Proof,
}

fuzz_target!(|input: Input| {
    let raw = Bytes::from(input.raw);
    let whole = read([raw.clone()], input.early.into());
    assert_eq!(read(input.cuts.of(&raw), input.early.into()), whole, "cut");
    assert_eq!(read(singly(&raw), input.early.into()), whole, "byte by byte");
    let mut run = Run::new();
    for step in &input.steps {
        run.step(step);
        run.check();
    }
});

/// Reads these chunks until their end, or the first that is no record; payloads that came one behind the other as one.
fn read(chunks: impl IntoIterator<Item = Bytes>, early: u32) -> (Vec<Received>, Result<(), RecordError>) {
    let mut decoder = Decoder::after_early(early);
    let mut all: Vec<Received> = Vec::new();
    for mut chunk in chunks {
        loop {
            match (decoder.next(&mut chunk), all.last_mut()) {
                (Ok(Some(Received::Payload { offset, bytes: more })), Some(Received::Payload { offset: first, bytes }))
                    if *first + bytes.len() as u64 == offset =>
                {
                    *bytes = [&bytes[..], &more].concat().into();
                }
                (Ok(Some(received)), _) => all.push(received),
                (Ok(None), _) => break assert!(chunk.is_empty(), "bytes were left"),
                (Err(error), _) => return (all, Err(error)),
            }
        }
    }
    (all, Ok(()))
}

struct Run {
    end: Endpoint,
    now: Instant,
    carriers: u64,
    /// Bytes that were read, and whether they were all.
    read: u64,
    written: u64,
    /// Steps, and bytes of records that came.
    steps: usize,
    said: usize,
}

impl Run {
    fn new() -> Self {
        let limits = Limits {
            window_min: WINDOW,
            window_max: 2 * WINDOW,
            replay_min: WINDOW,
            replay: WINDOW,
            replay_max: 2 * WINDOW,
            ..Limits::default()
        };
        let identity = Identity { id: StreamId([7; 16]), secret: Secret([9; 32]), name: "NAME".into(), letters: None };
        let (now, budget) = (Instant::now(), Budget::new(2 * WINDOW));
        let end = Endpoint::accept(Arc::new(identity), Arc::new(limits), &budget, Duration::from_secs(120), now);
        Self { end, now, carriers: 0, read: 0, written: 0, steps: 0, said: 0 }
    }

    fn step(&mut self, step: &Step) {
        self.steps += 1;
        match step {
            Step::Born(early) => {
                let early = u32::from(*early);
                self.end.born(self.carriers, early, self.now);
                self.end.received(self.carriers, pattern(0, early.into()), self.now);
                self.carriers += 1;
            }
            Step::Bytes(which, bytes) => self.arrive(*which, Bytes::copy_from_slice(bytes)),
            Step::Record(which, say) => self.arrive(*which, say.bytes()),
            Step::Closed(which) => self.end.closed(self.which(*which), self.now),
            Step::Suspect(which) => self.end.suspect(self.which(*which), self.now),
            Step::Transmit(which, room) => self.transmit(self.which(*which), (*room).into()),
            Step::Write(length) => {
                let most = self.end.writable();
                let mut bytes = Bytes::from(vec![1; usize::from(*length)]);
                let taken = self.end.write(&mut bytes);
                // More where the budget has it.
                assert!(
                    taken as u64 >= most.min((*length).into()) && taken <= (*length).into(),
                    "{taken} of {length} where {most} may be written"
                );
                self.written += taken as u64;
            }
            Step::Finish => self.end.finish(),
            Step::Read(chunks) => {
                for _ in 0..*chunks {
                    let Some(bytes) = self.end.read() else { break };
                    assert!(!bytes.is_empty());
                    self.read += bytes.len() as u64;
                    self.end.consumed(bytes.len() as u64);
                }
            }
            Step::Reset => self.end.reset(Reason::new("internal", "enough"), self.now),
            Step::Wait(milliseconds) => self.now += Duration::from_millis(u64::from(*milliseconds)),
        }
        self.end.tick(self.now);
    }

    fn which(&self, which: u8) -> u64 {
        u64::from(which) % self.carriers.max(1)
    }

    fn arrive(&mut self, which: u8, bytes: Bytes) {
        self.said += bytes.len();
        self.end.received(self.which(which), bytes, self.now);
    }

    fn transmit(&mut self, carrier: u64, room: usize) {
        let mut out = Vec::new();
        self.end.transmit(carrier, room, self.now, &mut out);
        let bytes = out.iter().map(Bytes::len).sum::<usize>();
        assert!(bytes <= room.min(CARRIER_QUEUE_MAX) + WORDS_MAX, "{bytes} bytes where there was room for {room}");
    }

    /// Where there are more carriers than live at once, those leave that had a last word to say.
    fn let_leave(&mut self) {
        if self.end.carriers().count() > Limits::default().carriers_max {
            self.end.carriers().collect::<Vec<_>>().into_iter().for_each(|carrier| self.transmit(carrier, CARRIER_QUEUE_MAX));
        }
    }

    fn check(&mut self) {
        let (received, acknowledged) = self.end.progress();
        assert!(received <= self.read + 2 * WINDOW, "{received} bytes came where {} were read", self.read);
        assert!(self.read <= received, "bytes were made up");
        // One more once the end is acknowledged.
        assert!(acknowledged <= self.written + 1, "{acknowledged} of {} bytes acknowledged", self.written);
        assert!(self.written.saturating_sub(acknowledged) <= 2 * WINDOW, "more kept for repeating than may be");
        self.let_leave();
        assert!(self.end.carriers().count() <= Limits::default().carriers_max + 1, "carriers without end");
        let actions = std::iter::from_fn(|| self.end.poll()).count();
        assert!(actions <= 2 * Limits::default().carriers_max + 2, "{actions} things to do after one step");
        if self.end.is_read() {
            assert_eq!(self.read, received);
        }
    }
}

impl Say {
    fn bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        let number = |number: u64| number & INTEGER_MAX;
        let (offset, length) = match self {
            Self::Data(offset, length) => (u64::from(*offset), u64::from((*length).max(1))),
            _ => (0, 0),
        };
        let record = match self {
            Self::Data(..) => Record::Data { offset, length: length as u32 },
            Self::Fin(total) => Record::Fin { total: (*total).into() },
            Self::Ack(received, room) => Record::Ack { received: number(*received), room: number(*room) },
            Self::Reset(code, message) => Record::Reset(Reason::new(code, message)),
            Self::Done => Record::Done,
            Self::Gone => Record::Gone,
            Self::Ping(token) => Record::Ping(number(*token)),
            Self::Pong(token) => Record::Pong(number(*token)),
            Self::Join => Record::Join { stream: StreamId([7; 16]), nonce: Nonce([1; 16]) },
            Self::Prove => Record::Prove { nonce: Nonce([1; 16]), mac: Mac([1; 32]) },
            Self::Proof => Record::Proof { mac: Mac([1; 32]) },
        };
        record.encode(&mut out);
        out.extend_from_slice(&pattern(offset, length));
        out.freeze()
    }
}

/// What stands there in the peer's direction.
fn pattern(from: u64, length: u64) -> Bytes {
    (from..from + length).map(|at| (at as u32).wrapping_mul(31) as u8).collect()
}

const WINDOW: u64 = 4096;
/// More than can be said at once beside bytes: a reset with its texts is the longest.
const WORDS_MAX: usize = 2048;
