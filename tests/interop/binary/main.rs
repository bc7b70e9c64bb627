//! The server of BinaryJS's front page, for the interop tests: files come in with their meta and are told how far they are, and a flower goes out.
//!
//! It listens on a free port of 127.0.0.1, with these routes:
//! * `/upload` takes a file: `{"rx": share}` comes back for each MiB, then its size, its SHA-256 and what the process's memory was. With `"pause": n` in
//!   its meta it stops behind so many bytes, prints `paused at N`, and goes on when a line comes in.
//! * `/keep` keeps what it is sent, with its meta.
//! * `/hello` has what was kept sent to the page, as a stream of the server's own, and prints `answered: TEXT`.

use std::sync::Arc;

use anyhow::{Context, Result};
use browser_stream_server::{Body, Code, Config, OpenError, Opening, Proxy, Session, StreamRouter, StreamServerProxy};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Mutex,
};

/// What was kept: its meta and its bytes.
static KEPT: Mutex<Option<(Value, Bytes)>> = Mutex::const_new(None);

const MIB: usize = 1024 * 1024;

#[tokio::main]
async fn main() -> Result<()> {
    let mut config = Config::default();
    config.bind.set_port(0);
    let router = StreamRouter::new().mount(StreamServerProxy::new("/browser-server"));
    let router = router
        .route("/upload", |opening| told("upload", upload(opening)))
        .route("/keep", |opening| told("keep", keep(opening)))
        .route("/hello", |opening| told("hello", hello(opening)));
    let proxy = Proxy::new(config, router);
    let listener = proxy.listen().await?;
    println!("browser-stream-server is at {}", proxy.url(&listener)?);
    Ok(proxy.serve(listener).await?)
}

/// Prints what became of a stream that did not end well.
async fn told(what: &str, work: impl Future<Output = Result<()>>) {
    if let Err(error) = work.await {
        println!("{what} failed: {error:#}");
    }
}

#[derive(Deserialize)]
struct Upload {
    size: usize,
    #[serde(default)]
    pause: Option<usize>,
}

async fn upload(opening: Opening) -> Result<()> {
    let meta: Value = opening.meta().context("no meta")?;
    let Upload { size, pause } = Upload::deserialize(&meta)?;
    let mut stream = opening.accept();
    let (mut read, mut hash) = (0, Sha256::new());
    let before = rss()?;
    let mut most = before;
    while let Some(bytes) = stream.read_chunk().await? {
        let paused = pause.filter(|pause| (read..read + bytes.len()).contains(pause)).is_some();
        let whole = read / MIB;
        read += bytes.len();
        hash.update(&bytes);
        if read / MIB > whole {
            most = most.max(rss()?);
            let line = format!("{}\n", json!({ "rx": read as f64 / size as f64 }));
            stream.write_all(line.as_bytes()).await?;
        }
        if paused {
            println!("paused at {read}");
            tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
        }
    }
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let line = format!("{}\n", json!({ "meta": meta, "bytes": read, "sha256": sha256, "rss": { "before": before, "most": most } }));
    stream.write_all(line.as_bytes()).await?;
    stream.finish();
    Ok(())
}

/// The bytes of memory that this process holds now.
fn rss() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(1024 * line.trim().trim_end_matches(" kB").parse::<usize>()?)
}

async fn keep(opening: Opening) -> Result<()> {
    let meta = opening.meta().context("no meta")?;
    let mut stream = opening.accept();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    *KEPT.lock().await = Some((meta, bytes.into()));
    stream.finish();
    Ok(())
}

/// BinaryJS says hello to a client that connects; here a client says hello first.
async fn hello(opening: Opening) -> Result<()> {
    let session = Arc::clone(opening.session());
    let Some((meta, flower)) = KEPT.lock().await.clone() else {
        opening.refuse(OpenError::new(Code::NotFound, "there is no flower yet")).await;
        return Ok(());
    };
    opening.accept().finish();
    send(&session, meta, flower).await
}

async fn send(session: &Arc<Session>, meta: Value, flower: Bytes) -> Result<()> {
    let mut stream = session.send(Body::reader(std::io::Cursor::new(flower)), &meta).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    println!("answered: {answer}");
    Ok(())
}
