//! The Rust client's end of a long talk over one resumable stream, for the interop tests: `talker MUX NAME serve|connect SEED BYTES`.
//!
//! It sends so many bytes and receives what comes, at the same time, to the clean end of both. A server prints `serving` first. At the end a line of
//! JSON says what was sent and received, hashed as tests/harness/in-page.mjs does, and how many bytes were said again.

use anyhow::{Context, Result, bail};
use browser_stream_client::{Peer, Stream};
use futures::TryStreamExt;
use harness::pattern;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MIB: usize = 1024 * 1024;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mux, name, role, seed, bytes] = &arguments[..] else { bail!("usage: talker MUX NAME serve|connect SEED BYTES") };
    let peer = Peer::dial(mux).await?;
    // Carriers come in under the name: it is held until the end.
    let mut listener = None;
    let stream = match &role[..] {
        "serve" => {
            let listener = listener.insert(peer.server().listen(name).await?);
            println!("serving");
            listener.try_next().await?.context("a client comes")?.accept()
        }
        "connect" => peer.client().connect(name).await?,
        _ => bail!("{role} is neither serve nor connect"),
    };
    let said = talk(stream, pattern(seed.parse()?, bytes.parse()?)).await?;
    println!("{said}");
    drop(listener);
    peer.close().await;
    Ok(())
}

async fn talk(stream: Stream, sent: Vec<u8>) -> Result<Value> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let writing = async {
        writer.write_all(&sent).await?;
        writer.shutdown().await
    };
    let reading = async {
        let (mut sum, mut chunk) = (Sum::default(), vec![0; 64 * 1024]);
        loop {
            match reader.read(&mut chunk).await? {
                0 => return std::io::Result::Ok(sum),
                length => sum.add(&chunk[..length]),
            }
        }
    };
    let ((), received) = tokio::try_join!(writing, reading)?;
    let mut own = Sum::default();
    own.add(&sent);
    let stream = reader.unsplit(writer);
    Ok(json!({"sent": own.finish(), "received": received.finish(), "resent": stream.resent()}))
}

/// SHA-256 over the SHA-256 of every mebibyte.
#[derive(Default)]
struct Sum {
    bytes: usize,
    piece: Sha256,
    all: Sha256,
}

impl Sum {
    fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(MIB - self.bytes % MIB));
            self.piece.update(part);
            self.bytes += part.len();
            if self.bytes.is_multiple_of(MIB) {
                self.all.update(self.piece.finalize_reset());
            }
            bytes = rest;
        }
    }

    fn finish(mut self) -> Value {
        if !self.bytes.is_multiple_of(MIB) {
            self.all.update(self.piece.finalize());
        }
        let sha: String = self.all.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        json!({"bytes": self.bytes, "sha": sha})
    }
}
