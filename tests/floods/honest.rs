//! The honest pair: a server and a client, and 64 bytes that go to and fro between them.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use harness::{DATA, WINDOW_UPDATE, frame};

use crate::{
    client::Client,
    server::{Manner, Server},
};

/// The address that the honest peers come from: nobody who attacks shares it.
pub const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// The name that the honest server holds.
pub const NAME: &str = "HONEST";

pub struct Honest {
    client: Client,
    stream: u32,
    round: u64,
    consumed: u32,
    /// Bulk streams beside the ping-pong, of the same two sessions, and how much was written on each.
    beside: Vec<(u32, Manner, u64)>,
    over: Arc<AtomicBool>,
    serving: Option<JoinHandle<io::Result<()>>>,
}

/// So many times to and fro tell how long it takes.
const ROUNDS_MIN: usize = 20;

/// How long ping-pongs took.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub p50: Duration,
    pub p99: Duration,
}

impl Honest {
    pub fn new(proxy: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let server = Server::claim(proxy, HOME, NAME).expect("the honest server claims its name");
        let serving = thread::spawn({
            let over = over.clone();
            move || server.serve(&over)
        });
        let mut client = Client::dial(proxy, HOME).expect("the honest client comes in");
        let stream = client.connect(NAME, Manner::Echo).expect("the honest client is accepted");
        Self { client, stream, round: 0, consumed: 0, beside: Vec::new(), over, serving: Some(serving) }
    }

    /// Opens a stream between the same two sessions, to be filled with all that its credit allows.
    pub fn beside(&mut self, manner: Manner) {
        let stream = self.client.connect(NAME, manner).expect("another stream of the honest client");
        self.beside.push((stream, manner, 0));
    }

    /// Bytes written beside: to readers that are slow, and to readers that give no credit.
    pub fn written_beside(&self) -> (u64, u64) {
        let of = |which: Manner| self.beside.iter().filter(|(_, manner, _)| *manner == which).map(|(_, _, written)| written).sum();
        (of(Manner::Sip), of(Manner::Nothing))
    }

    /// Goes to and fro for so long, and on until it was often enough to tell, unless that is once. Panics where a byte is not the one that was sent, or does
    /// not come within 30 s.
    pub fn ping_pong(&mut self, lasting: Duration) -> Times {
        let (mut times, end) = (Vec::new(), Instant::now() + lasting);
        let least = if lasting.is_zero() { 1 } else { ROUNDS_MIN };
        while times.len() < least || Instant::now() < end {
            for (stream, _, written) in &mut self.beside {
                *written += u64::from(self.client.push(*stream, 16 * 1024).expect("the honest session lives"));
            }
            times.push(self.once());
        }
        times.sort_unstable();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        Times { p50: at(50), p99: at(99) }
    }

    fn once(&mut self) -> Duration {
        self.round += 1;
        let ping: Vec<u8> = (0..8u64).flat_map(|word| (self.round ^ word << 56).to_be_bytes()).collect();
        let mut frames = frame(DATA, 0, self.stream, 64, &ping);
        if self.consumed >= 64 * 1024 {
            frames.extend(frame(WINDOW_UPDATE, 0, self.stream, std::mem::take(&mut self.consumed), b""));
        }
        let begun = Instant::now();
        self.client.spend(self.stream, 64);
        self.client.peer.send(&frames).expect("the honest session lives");
        let mut pong = Vec::with_capacity(64);
        while pong.len() < 64 {
            let mine = self.stream;
            let came = self.client.receive(|stream, bytes| {
                assert_eq!(stream, mine, "nothing but echoes is sent here");
                pong.extend_from_slice(bytes);
            });
            came.expect("the honest session lives and its stream goes on");
        }
        let took = begun.elapsed();
        assert_eq!(pong, ping, "a byte was lost, doubled or moved");
        self.consumed += 64;
        took
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let served = self.serving.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(matches!(served, Some(Ok(Ok(())))), "the honest server's session ended: {served:?}");
        }
    }
}
