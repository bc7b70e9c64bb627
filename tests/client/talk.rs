//! A long talk over one stream, as much in each direction.

use browser_stream_client::Stream;
use harness::pattern;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MIB: usize = 1024 * 1024;
/// What a move may have sent again: a mebibyte of each direction is what its sender keeps as long as windows have not grown beyond that.
pub const AGAIN_MAX: u64 = 2 * 1024 * 1024;

/// The same where windows have the time to grow: as much as a window may be, in each direction.
pub const WINDOWS_MAX: u64 = 16 * 1024 * 1024;

/// Bytes each way: 8 MiB, with `LONG=1` 64.
pub fn length() -> usize {
    if std::env::var_os("LONG").is_some() { 64 * MIB } else { 8 * MIB }
}

/// The hash of what is said with this seed.
pub fn hash(seed: u64) -> [u8; 32] {
    Sha256::digest(pattern(seed, length())).into()
}

/// What one end heard, and what its moves cost.
#[derive(Debug)]
pub struct Talk {
    pub hash: [u8; 32],
    pub moves: u64,
    pub resent: u64,
}

/// Writes so many bytes, reads as many, and gives the hash of what came.
pub async fn talk(stream: Stream, seed: u64) -> Talk {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let writing = async {
        writer.write_all(&pattern(seed, length())).await.expect("taken");
        writer.shutdown().await.expect("finished");
    };
    let reading = async {
        let (mut hash, mut chunk, mut read) = (Sha256::new(), vec![0; 64 * 1024], 0);
        loop {
            match reader.read(&mut chunk).await.expect("it goes on") {
                0 => break,
                length => {
                    hash.update(&chunk[..length]);
                    read += length;
                }
            }
        }
        assert_eq!(read, length());
        hash.finalize().into()
    };
    let hash = tokio::join!(writing, reading).1;
    let stream = reader.unsplit(writer);
    Talk { hash, moves: stream.moves(), resent: stream.resent() }
}
