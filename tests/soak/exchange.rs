//! What goes over a stream: bytes each way of which each place has one that only it can have.

use browser_stream_client::{Stream, StreamError};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::scene::{Tally, pause};

/// What a client asks of a server, in the `meta` of its open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Errand {
    pub seed: u64,
    /// Bytes to the server, and back.
    pub up: u64,
    pub down: u64,
    /// The client stays until all of it is through: the server may rely on that.
    pub stays: bool,
}

/// Bytes one way.
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    pub seed: u64,
    pub length: u64,
}

impl Errand {
    pub fn random(random: &mut StdRng, stays: bool) -> Self {
        let mut length = || match random.random_range(0..10) {
            0 => 0,
            1..6 => random.random_range(1..10_000),
            6..9 => random.random_range(10_000..300_000),
            _ => random.random_range(300_000..3_000_000),
        };
        let (up, down) = (length(), length());
        Self { seed: random.random(), up, down, stays }
    }

    pub fn up(&self) -> Bytes {
        Bytes { seed: self.seed, length: self.up }
    }

    pub fn down(&self) -> Bytes {
        Bytes { seed: !self.seed, length: self.down }
    }
}

/// Says one and hears the other, until both ends have everything, or the stream ends. Panics where what comes is not what was sent.
pub async fn exchange(stream: &mut Stream, says: Bytes, hears: Bytes, tally: &Tally) -> Result<(), StreamError> {
    let mut random = StdRng::seed_from_u64(says.seed ^ hears.seed.rotate_left(7) ^ says.length);
    let (read, write) = tokio::io::split(&mut *stream);
    let other = StdRng::from_rng(&mut random);
    let (said, heard) = tokio::join!(say(write, says, random), hear(read, hears, other, tally));
    said.and(heard)?;
    let sent = stream.sent().await;
    tally.moves.add(stream.moves());
    sent
}

async fn say(mut write: WriteHalf<&mut Stream>, says: Bytes, mut random: StdRng) -> Result<(), StreamError> {
    let mut at = 0;
    while at < says.length {
        let more = random.random_range(1..=64 * 1024).min(says.length - at);
        write.write_all(&says.part(at, more as usize)).await.map_err(ended)?;
        at += more;
    }
    write.shutdown().await.map_err(ended)
}

/// Some read slowly: a pause for each piece.
async fn hear(mut read: ReadHalf<&mut Stream>, hears: Bytes, mut random: StdRng, tally: &Tally) -> Result<(), StreamError> {
    let (is_slow, mut at) = (random.random_bool(0.2), 0);
    let mut buffer = vec![0; if is_slow { 16 * 1024 } else { 64 * 1024 }];
    loop {
        if is_slow {
            tokio::time::sleep(pause(&mut random, 1..10)).await;
        }
        let length = read.read(&mut buffer).await.map_err(ended)?;
        if length == 0 {
            assert_eq!(at, hears.length, "a clean end is the end of all");
            return Ok(());
        }
        assert!(at + length as u64 <= hears.length, "more came than was sent");
        assert!(buffer[..length] == hears.part(at, length), "a byte was lost, doubled or moved behind the {at} first");
        at += length as u64;
        tally.bytes.add(length as u64);
    }
}

/// How the stream ended.
fn ended(error: std::io::Error) -> StreamError {
    let end = error.get_ref().and_then(|error| error.downcast_ref::<StreamError>());
    end.cloned().unwrap_or_else(|| panic!("a stream ends by a StreamError, not {error}"))
}

impl Bytes {
    /// Those from this place on.
    pub fn part(self, at: u64, length: usize) -> Vec<u8> {
        let skip = (at % 8) as usize;
        let words = (at / 8..).map(|word| mixed(self.seed, word).to_le_bytes()).take((skip + length).div_ceil(8));
        let mut bytes = words.flatten().collect::<Vec<_>>();
        bytes.drain(..skip);
        bytes.truncate(length);
        bytes
    }
}

/// A number of its own for each word of each seed (splitmix64).
fn mixed(seed: u64, word: u64) -> u64 {
    let mut mixed = seed.wrapping_add((word + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
