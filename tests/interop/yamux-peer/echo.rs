//! The two roles: a server that echoes, and a client that checks its echo.

use anyhow::{Result, ensure};
use futures::{AsyncReadExt, AsyncWriteExt, future::try_join_all, try_join};
use serde_json::{Value, json};
use yamux::Stream;

use crate::session::{Session, write_message};

const CHUNK: usize = 64 * 1024;

/// Claims the name and echoes until the session ends.
pub async fn serve(session: &Session, name: &str) -> Result<()> {
    // The claim lives as long as its control stream.
    let _claim = session.open(&json!({ "path": format!("/browser-server/listen/{name}") })).await?;
    println!("ready");
    loop {
        let (stream, open) = session.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = answer(stream, &open).await {
                eprintln!("a stream failed: {error:#}");
            }
        });
    }
}

/// Echoes until the finish; a client that says `after-finish` gets all of it only then.
async fn answer(mut stream: Stream, open: &Value) -> Result<()> {
    write_message(&mut stream, &json!({})).await?;
    let late = open["meta"] == "after-finish";
    let mut kept = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match stream.read(&mut chunk).await? {
            0 => break,
            read if late => kept.extend_from_slice(&chunk[..read]),
            read => stream.write_all(&chunk[..read]).await?,
        }
    }
    stream.write_all(&kept).await?;
    Ok(stream.close().await?)
}

/// Runs all streams at once and prints one line about them.
pub async fn connect(session: &Session, name: &str, bytes: usize, streams: usize) -> Result<()> {
    let path = format!("/browser-server/connect/{name}");
    try_join_all((0..streams).map(async |seed| {
        let stream = session.open(&json!({ "path": path, "wait": 15_000 })).await?;
        exchange(stream, seed, bytes).await
    }))
    .await?;
    println!("{}", json!({ "streams": streams, "bytes": bytes, "equal": true }));
    Ok(())
}

/// Sends the pattern and finishes, while the echo is read to its end and compared.
async fn exchange(stream: Stream, seed: usize, bytes: usize) -> Result<()> {
    let (mut read, mut write) = stream.split();
    let sending = async {
        for at in (0..bytes).step_by(CHUNK) {
            write.write_all(&pattern(seed, at, CHUNK.min(bytes - at))).await?;
        }
        anyhow::Ok(write.close().await?)
    };
    let receiving = async {
        let mut chunk = vec![0; CHUNK];
        let mut at = 0;
        loop {
            let got = read.read(&mut chunk).await?;
            if got == 0 {
                ensure!(at == bytes, "the echo ended after {at} of {bytes} bytes");
                return Ok(());
            }
            ensure!(chunk[..got] == pattern(seed, at, got), "the echo differs within {got} bytes from {at}");
            at += got;
        }
    };
    try_join!(sending, receiving)?;
    Ok(())
}

fn pattern(seed: usize, at: usize, length: usize) -> Vec<u8> {
    (at..at + length).map(|i| (i ^ (i >> 8) ^ (i >> 16) ^ seed.wrapping_mul(31)).to_le_bytes()[0]).collect()
}
