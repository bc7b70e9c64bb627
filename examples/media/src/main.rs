//! Serves a video, sound and an image to pages, each on a stream when a page asks for it.
//!
//! `media --folder DIR` listens on 127.0.0.1:8083; `media --help` has the rest.

mod library;
mod pace;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Result;
use browser_stream_server::{Code, Config, OpenError, Opening, Proxy, StreamRouter};
use bytes::Bytes;
use clap::Parser;
use tokio::io::AsyncReadExt;

use crate::{library::Library, pace::Pace};

/// What is read from the disk at a time.
const PIECE: usize = 64 * 1024;

/// Serves media to pages.
#[derive(Parser)]
struct Args {
    /// Where video.webm, audio.wav and image.jpg are; make.sh makes them.
    #[arg(long, default_value = "target/media")]
    folder: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8083")]
    bind: SocketAddr,
    /// Sends no faster than so many KiB a second, to see things arrive on one machine.
    #[arg(long)]
    kib_per_second: Option<u32>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let library = Arc::new(Library::open(&args.folder)?);
    let pace = args.kib_per_second;
    let listed = library.clone();
    let router = StreamRouter::new()
        .route("/media", move |opening| list(listed.clone(), opening))
        .route("/media/{name}", move |opening| send(library.clone(), pace, opening));
    let mut config = Config::default();
    config.bind = args.bind;
    let proxy = Proxy::new(config, router);
    let listener = proxy.listen().await?;
    println!("open {}examples/media/", proxy.url(&listener)?);
    Ok(proxy.serve(listener).await?)
}

/// What there is, as JSON: `[{"name": "video.webm", "bytes": 1}]`.
async fn list(library: Arc<Library>, opening: Opening) {
    let mut stream = opening.accept();
    let said = serde_json::Value::from_iter(library.list()).to_string();
    if stream.write_chunk(said.into()).await.is_ok() {
        stream.finish();
    }
}

/// One of them, as fast as the page takes it: what a page does not read is not read from the disk either, but for the stream's window.
async fn send(library: Arc<Library>, kib_per_second: Option<u32>, opening: Opening) {
    let path = opening.open().path.clone();
    let name = path.trim_start_matches("/media/");
    let mut file = match library.file(name).await {
        Ok(Some(file)) => file,
        Ok(None) => return opening.refuse(OpenError::new(Code::NotFound, format!("there is no {name} here"))).await,
        Err(error) => {
            eprintln!("{name} cannot be read: {error}");
            return opening.refuse(OpenError::new(Code::Busy, format!("{name} cannot be read now"))).await;
        }
    };
    let mut stream = opening.accept();
    let mut pace = Pace::new(kib_per_second);
    loop {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => return stream.finish(),
            Ok(length) => {
                piece.truncate(length);
                // The page gave it up, or went away.
                if stream.write_chunk(Bytes::from(piece)).await.is_err() {
                    return;
                }
                pace.keep(length).await;
            }
            Err(error) => {
                eprintln!("{name} cannot be read: {error}");
                return stream.reset(Code::Gone.number());
            }
        }
    }
}
