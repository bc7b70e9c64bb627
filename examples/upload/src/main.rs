//! Takes files from pages: each comes on a stream of its own, and lies in a folder when all of it has come.
//!
//! `upload --folder DIR` listens on 127.0.0.1:8082; `upload --help` has the rest.

mod folder;
mod name;
mod receive;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use browser_stream_server::{Config, Proxy, StreamRouter};
use clap::Parser;

use crate::{folder::Folder, receive::receive};

/// Takes files from pages into a folder.
#[derive(Parser)]
struct Args {
    /// Where the files go; it is made if it is not there.
    #[arg(long, default_value = "uploads")]
    folder: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8082")]
    bind: SocketAddr,
    /// The most mebibytes that one file may have.
    #[arg(long, default_value_t = 4096)]
    file_mib_max: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let folder = Folder::open(&args.folder, args.file_mib_max << 20).with_context(|| format!("the folder {}", args.folder.display()))?;
    let folder = Arc::new(folder);
    let router = StreamRouter::new().route("/upload", move |opening| receive(folder.clone(), opening));
    let mut config = Config::default();
    config.bind = args.bind;
    let proxy = Proxy::new(config, router);
    let listener = proxy.listen().await?;
    println!("files go to {}", args.folder.display());
    println!("open {}examples/upload/", proxy.url(&listener)?);
    Ok(proxy.serve(listener).await?)
}
