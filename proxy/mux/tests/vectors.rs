//! The facts that Rust and TypeScript share: `tests/vectors/*.json` run against the state machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{path::Path, time::Instant};

use browser_stream_mux::{Code, Config, Connection, Event, Flags, Header, Kind, Outbound, Role, StreamId, Violation};
use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

fn read<T: DeserializeOwned>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Deserialize)]
struct CodeVector {
    code: String,
    number: u32,
}

#[test]
fn codes_have_their_numbers() {
    let vectors: Vec<CodeVector> = read("codes.json");
    assert_eq!(vectors.len(), Code::ALL.len());
    for vector in vectors {
        let code: Code = vector.code.parse().unwrap();
        assert_eq!((code.number(), Code::from_number(vector.number)), (vector.number, Some(code)));
    }
}

#[derive(Deserialize)]
struct FrameVectors {
    frames: Vec<FrameVector>,
    refused: Vec<RefusedVector>,
}

#[derive(Deserialize)]
struct FrameVector {
    name: String,
    r#type: u8,
    flags: u16,
    stream: StreamId,
    length: u32,
    hex: String,
}

#[derive(Deserialize)]
struct RefusedVector {
    name: String,
    hex: String,
    violation: String,
}

fn decode(hex: &str) -> Result<Header, Violation> {
    Header::decode(unhex(hex).try_into().expect("12 bytes"))
}

#[test]
fn headers_are_their_twelve_bytes() {
    for vector in read::<FrameVectors>("frames.json").frames {
        let header = decode(&vector.hex).unwrap();
        let fields = (header.kind as u8, header.flags.bits(), header.stream, header.length);
        assert_eq!(fields, (vector.r#type, vector.flags, vector.stream, vector.length), "{}", vector.name);
        assert_eq!(hex(&header.encode()), vector.hex, "{}", vector.name);
    }
}

#[test]
fn threat_07_bad_headers_are_refused_by_name() {
    for vector in read::<FrameVectors>("frames.json").refused {
        let refused = decode(&vector.hex).expect_err(&vector.name);
        assert_eq!(refused.as_str(), vector.violation, "{}", vector.name);
    }
}

#[derive(Deserialize)]
struct Script {
    name: String,
    role: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Step {
    Receive {
        receive: String,
        #[serde(default)]
        zeros: usize,
        #[serde(default)]
        events: Vec<Value>,
        violation: Option<String>,
    },
    Open {
        open: Option<StreamId>,
    },
    Send {
        send: (StreamId, String),
    },
    SendZeros {
        send_zeros: (StreamId, usize),
    },
    Finish {
        finish: StreamId,
    },
    Reset {
        reset: (StreamId, u32),
    },
    ResetBehind {
        reset_behind: (StreamId, u32),
    },
    Grant {
        grant: (StreamId, u32),
    },
    Consumed {
        consumed: (StreamId, u32),
    },
    Ping {
        ping: u32,
    },
    GoAway {
        go_away: u32,
    },
    Transmit {
        transmit: String,
    },
    TransmitSummary {
        transmit_summary: Vec<(u8, u16, StreamId, u32)>,
    },
    Live {
        live: usize,
    },
}

/// A connection that runs a script, its input cut into pieces of `piece` bytes.
struct Runner {
    connection: Connection<()>,
    now: Instant,
    piece: usize,
}

impl Runner {
    fn new(role: &str, piece: usize) -> Self {
        let now = Instant::now();
        let role = if role == "opener" { Role::Opener } else { Role::Acceptor };
        Self { connection: Connection::new(role, Config::default(), now), now, piece }
    }

    fn step(&mut self, step: &Step) {
        let connection = &mut self.connection;
        match step {
            Step::Receive { receive, zeros, events, violation } => {
                let mut input = unhex(receive);
                input.resize(input.len() + zeros, 0);
                let (seen, end) = self.receive(&input);
                assert!(seen.iter().eq(events.iter().map(expected).collect::<Vec<_>>().iter()), "{events:?}");
                assert_eq!(end.map(Violation::as_str), violation.as_deref());
            }
            Step::Open { open } => assert_eq!(connection.open(()).ok(), *open),
            Step::Send { send: (id, hex) } => drop(connection.send(*id, unhex(hex).into())),
            Step::SendZeros { send_zeros: (id, n) } => drop(connection.send(*id, vec![0; *n].into())),
            Step::Finish { finish } => drop(connection.finish(*finish)),
            Step::Reset { reset: (id, code) } => drop(connection.reset(*id, *code)),
            Step::ResetBehind { reset_behind: (id, code) } => drop(connection.reset_behind(*id, *code)),
            Step::Grant { grant: (id, n) } => connection.grant(*id, *n),
            Step::Consumed { consumed: (id, n) } => connection.consumed(*id, *n),
            Step::Ping { ping: _token } => connection.ping(self.now),
            Step::GoAway { go_away } => connection.go_away(*go_away),
            Step::Transmit { transmit } => assert_eq!(hex(&self.transmit()), *transmit),
            Step::TransmitSummary { transmit_summary } => assert_eq!(summary(&self.transmit()), *transmit_summary),
            Step::Live { live } => assert_eq!(connection.len(), *live),
        }
        while self.connection.ended().is_some() {}
    }

    fn receive(&mut self, input: &[u8]) -> (Vec<Seen>, Option<Violation>) {
        let mut seen = Vec::new();
        for piece in input.chunks(self.piece) {
            let mut piece = Bytes::copy_from_slice(piece);
            loop {
                match self.connection.receive(&mut piece, self.now) {
                    Ok(Some(event)) => note(&mut seen, event),
                    Ok(None) => break,
                    Err(violation) => return (seen, Some(violation)),
                }
            }
            assert!(piece.is_empty());
        }
        (seen, None)
    }

    fn transmit(&mut self) -> Vec<u8> {
        let mut out = Outbound::new();
        while self.connection.transmit(usize::MAX, &mut out) {}
        out.buffers.concat()
    }
}

/// An event, data of one stream joined where it follows on itself.
#[derive(Debug, PartialEq)]
enum Seen {
    Data(StreamId, Vec<u8>),
    Other(Value),
}

fn note(seen: &mut Vec<Seen>, event: Event) {
    let other = match event {
        Event::Data(id, bytes) => match seen.last_mut() {
            Some(Seen::Data(last, joined)) if *last == id => return joined.extend_from_slice(&bytes),
            _ => return seen.push(Seen::Data(id, bytes.to_vec())),
        },
        Event::Opened(id) => json!(["opened", id]),
        Event::Finished(id) => json!(["finished", id]),
        Event::Reset(id, code) => json!(["reset", id, code]),
        Event::Credit(id) => json!(["credit", id]),
        Event::Pong => json!(["pong"]),
        Event::GoAway(code) => json!(["goaway", code]),
    };
    seen.push(Seen::Other(other));
}

fn expected(event: &Value) -> Seen {
    let id = || event[1].as_u64().unwrap() as StreamId;
    match event[0].as_str() {
        Some("data") => Seen::Data(id(), unhex(event[2].as_str().unwrap())),
        Some("zeros") => Seen::Data(id(), vec![0; event[2].as_u64().unwrap() as usize]),
        _ => Seen::Other(event.clone()),
    }
}

fn summary(mut frames: &[u8]) -> Vec<(u8, u16, StreamId, u32)> {
    let mut summary = Vec::new();
    while let Some((header, rest)) = frames.split_first_chunk() {
        let header = Header::decode(*header).unwrap();
        let payload = if header.kind == Kind::Data { header.length as usize } else { 0 };
        assert!(rest[..payload].iter().all(|&byte| byte == 0));
        frames = &rest[payload..];
        summary.push((header.kind as u8, header.flags.bits(), header.stream, header.length));
    }
    assert!(frames.is_empty());
    summary
}

fn run(piece: usize) {
    for script in read::<Vec<Script>>("mux.json") {
        let mut runner = Runner::new(&script.role, piece);
        for (at, step) in script.steps.iter().enumerate() {
            let run = std::panic::AssertUnwindSafe(|| runner.step(step));
            if let Err(failure) = std::panic::catch_unwind(run) {
                eprintln!("in {:?}, step {at} (from 0), pieces of {piece}", script.name);
                std::panic::resume_unwind(failure);
            }
        }
    }
}

#[test]
fn threat_07_every_script_of_mux_json_holds() {
    run(usize::MAX);
}

#[test]
fn every_script_of_mux_json_holds_fed_byte_by_byte() {
    run(1);
}

#[test]
fn every_script_of_mux_json_holds_fed_in_odd_pieces() {
    run(7);
}

#[derive(Deserialize)]
struct WindowScript {
    name: String,
    steps: Vec<WindowStep>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum WindowStep {
    Received { stream: StreamId, received: u32 },
    Consumed { stream: StreamId, consumed: u32, grant: u32, window: u32 },
    Ended { stream: StreamId, ended: bool },
}

#[test]
fn windows_grow_and_credit_returns_as_in_window_json() {
    for script in read::<Vec<WindowScript>>("window.json") {
        let mut runner = Runner::new("acceptor", usize::MAX);
        for (at, step) in script.steps.iter().enumerate() {
            let place = format!("{}, step {at} (from 0)", script.name);
            match *step {
                WindowStep::Received { stream, received } => {
                    let flags = if runner.connection.get(stream).is_some() { Flags::NONE } else { Flags::SYN };
                    let header = Header { kind: Kind::Data, flags, stream, length: received };
                    let frame = [&header.encode(), vec![0; received as usize].as_slice()].concat();
                    assert_eq!(runner.receive(&frame).1, None, "{place}");
                    runner.transmit();
                }
                WindowStep::Consumed { stream, consumed, grant, window } => {
                    runner.connection.consumed(stream, consumed);
                    let told: u32 = summary(&runner.transmit()).iter().map(|frame| frame.3).sum();
                    let now = runner.connection.get(stream).unwrap().receive_window;
                    assert_eq!((told, now), (grant, window), "{place}");
                }
                WindowStep::Ended { stream, ended } => assert_eq!(runner.connection.reset(stream, 0), ended),
            }
        }
    }
}
