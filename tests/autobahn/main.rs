//! A WebSocket echo on the proxy's codec, for the Autobahn test suite (`run.sh`): prints its address and serves until it is killed.

mod connection;
mod echo;
mod handshake;

use anyhow::Context;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("a free port on loopback")?;
    println!("{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = connection::serve(socket).await {
                eprintln!("a connection ended with: {error:#}");
            }
        });
    }
}
