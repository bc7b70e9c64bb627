//! Swarms. A tracker with little room, and a few peers who say anything: no panic, nobody is told of itself, there is no more of anything than the limits say, and when they have gone nothing
//! is left. What peers say to each other is read the same however it is cut, and written as it was read; so is a manifest.
#![no_main]

mod cuts;

use std::{fmt::Debug, time::Duration};

use arbitrary::Arbitrary;
use browser_stream_mux::{Config as MuxConfig, Role, Session, Stream};
use browser_stream_protocol::swarm::{BadRecord, Decoder, Held, Manifest, Record, Wanted};
use browser_stream_server::{Config, Limits, Proxy, StreamRouter};
use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use harness::Memory;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tokio::{runtime::Builder, time::sleep};

use cuts::{Cuts, singly};

#[derive(Arbitrary, Debug)]
struct Input {
    raw: Vec<u8>,
    cuts: Cuts,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// One of the peers says something; it comes in first where it has to.
    Say(u8, Note),
    Any(u8, String),
    Bytes(u8, Vec<u8>),
    Finish(u8),
    Vanish(u8),
    Wait(u16),
}

#[derive(Arbitrary, Debug)]
enum Note {
    Announce { own: bool, name: u8, contents: Vec<(u8, u8, Option<f32>, Option<Vec<u8>>)> },
    Withdraw(Option<Vec<u8>>),
    Renew,
    Find(u8, Option<u32>),
    Failed(u8),
}

fuzz_target!(|input: Input| {
    let raw = Bytes::from(input.raw);
    records::<Wanted>(&raw, &input.cuts);
    records::<Held>(&raw, &input.cuts);
    if let Ok(manifest) = Manifest::parse(raw.clone()) {
        assert!(manifest.bytes() == &raw && manifest.size().div_ceil(1 << 18) == manifest.pieces() as u64);
    }
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(play(&input.steps));
});

async fn play(steps: &[Step]) {
    let mut config = Config::default();
    let limits = limits();
    config.limits = limits.clone();
    let proxy = Proxy::new(config, StreamRouter::new());
    let books = proxy.sessions().memory_used();
    let mut peers: [Option<Peer>; 4] = Default::default();
    for step in steps {
        let place = |which: u8| usize::from(which % 4);
        let mut waits = 1;
        match step {
            Step::Say(which, note) => Peer::here(&mut peers[place(*which)], *which, &proxy).say(note),
            Step::Any(which, text) => Peer::here(&mut peers[place(*which)], *which, &proxy).frame(text.as_bytes()),
            Step::Bytes(which, bytes) => drop(Peer::here(&mut peers[place(*which)], *which, &proxy).track.write_now(bytes.clone().into())),
            Step::Finish(which) => Peer::here(&mut peers[place(*which)], *which, &proxy).track.finish(),
            Step::Vanish(which) => peers[place(*which)] = None,
            Step::Wait(seconds) => waits += u64::from(*seconds) * 100,
        }
        // The clock moves when all others wait.
        sleep(Duration::from_millis(waits)).await;
        peers.iter_mut().flatten().for_each(Peer::hear);
        let contents = proxy.tracker().contents();
        assert!(contents.len() <= limits.swarm_contents_max, "{contents:?}");
        assert!(
            contents.iter().all(|content| (1..=limits.swarm_holders_max).contains(&(content.seeders + content.partial))),
            "{contents:?}"
        );
    }
    drop(peers);
    sleep(LONGER_THAN_ANYTHING).await;
    assert!(proxy.tracker().contents().is_empty() && proxy.sessions().is_empty(), "something is left");
    assert_eq!(proxy.sessions().memory_used(), books, "the books are not as they were");
}

/// One peer: its connection, its name, and its stream to the tracker.
struct Peer {
    name: String,
    track: Stream,
    _claim: Stream,
    _session: Session,
}

impl Peer {
    fn here<'a>(place: &'a mut Option<Self>, which: u8, proxy: &Proxy) -> &'a mut Self {
        place.get_or_insert_with(|| {
            let (near, far) = tokio::io::duplex(64 * 1024);
            let sessions = proxy.sessions().clone();
            tokio::spawn(async move { sessions.run(Memory(far), None).await });
            let (session, run) = Session::new(near, Role::Opener, MuxConfig::default());
            tokio::spawn(run);
            let name = name(which);
            let [mut claim, mut track] = [0, 1].map(|_| session.open().expect("a stream"));
            claim.write_frame(json!({ "path": format!("/swarm/listen/{name}") }).to_string().as_bytes());
            track.write_frame(br#"{"path":"/swarm/track"}"#);
            Self { name, track, _claim: claim, _session: session }
        })
    }

    fn frame(&mut self, body: &[u8]) {
        self.track.write_frame(&body[..body.len().min(60_000)]);
    }

    fn say(&mut self, note: &Note) {
        let (note, value) = match note {
            Note::Announce { own, name: of, contents } => {
                let contents = contents.iter().map(|(id, pieces, share, have)| {
                    let have = have.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                    json!({ "id": content(*id), "pieces": pieces, "share": share, "have": have })
                });
                let name = if *own { self.name.clone() } else { name(*of) };
                ("announce", json!({ "name": name, "contents": contents.take(64).collect::<Vec<_>>() }))
            }
            Note::Withdraw(ids) => {
                ("withdraw", json!({ "contents": ids.as_ref().map(|ids| ids.iter().map(|id| content(*id)).collect::<Vec<_>>()) }))
            }
            Note::Renew => ("renew", Value::Null),
            Note::Find(id, max) => ("find", json!({ "ask": 1, "id": content(*id), "max": max })),
            Note::Failed(of) => ("failed", json!({ "name": name(*of), "why": "left" })),
        };
        self.frame(json!({ "note": note, "value": value }).to_string().as_bytes());
    }

    /// What it was told: never of itself.
    fn hear(&mut self) {
        while let Some(Ok(Some(body))) = self.track.read_frame(65_535).now_or_never() {
            let told: Value = serde_json::from_slice(&body).expect("a note is JSON");
            let candidates = told["value"]["candidates"].as_array().into_iter().flatten();
            assert!(candidates.into_iter().all(|candidate| candidate["name"] != self.name.as_str()), "{told}");
        }
    }
}

fn name(which: u8) -> String {
    format!("swarm-00000000-0000-4000-8000-00000000000{}", which % 4)
}

fn content(which: u8) -> String {
    format!("{:064x}", which % 8)
}

fn records<R: Record + Debug + PartialEq>(raw: &Bytes, cuts: &Cuts) {
    let whole = read::<R>([raw.clone()]);
    assert_eq!(read::<R>(cuts.of(raw)), whole, "cut");
    assert_eq!(read::<R>(singly(raw)), whole, "byte by byte");
    let mut again = BytesMut::new();
    whole.0.iter().for_each(|record| record.write(&mut again));
    assert_eq!(read::<R>([again.freeze()]), (whole.0, Ok(())), "what was read is written as records");
}

/// Reads these chunks until their end, or the first that is no record.
fn read<R: Record>(chunks: impl IntoIterator<Item = Bytes>) -> (Vec<R>, Result<(), BadRecord>) {
    let mut decoder = Decoder::<R>::default();
    let (mut records, mut came) = (Vec::new(), 0);
    for chunk in chunks {
        came += chunk.len();
        decoder.push(chunk);
        loop {
            match decoder.next() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(error) => return (records, Err(error)),
            }
        }
        assert!(decoder.held() <= 2 * came + 64, "{} bytes held where {came} came", decoder.held());
    }
    (records, Ok(()))
}

/// Everybody's, but small: so few peers are to reach them.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.swarm_contents_max = 6;
    limits.swarm_contents_per_session_max = 4;
    limits.swarm_holders_max = 2;
    limits.swarm_candidates_max = 2;
    limits.swarm_notes_burst = 16;
    limits
}

/// Leases and lingering are over by then, and silent sessions dead.
const LONGER_THAN_ANYTHING: Duration = Duration::from_secs(600);
