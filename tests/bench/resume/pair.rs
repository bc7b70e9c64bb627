//! Two peers of the Rust client, and streams between them.

use std::{
    future::{Future, IntoFuture},
    net::SocketAddr,
};

use anyhow::{Context, Result, ensure};
use browser_stream_client::{Listener, Peer, Stream, seal::Keys};
use futures::TryStreamExt;
use tokio::runtime::Runtime;

/// A client and the server that it connects to, each over a connection of its own. Dropped, neither of them dials any more.
pub struct Pair {
    client: Peer,
    listener: Listener,
    /// Sealed, it is an address.
    name: String,
}

impl Pair {
    /// Dials for both, and claims the name.
    pub async fn dial(client: SocketAddr, server: SocketAddr, name: &str) -> Result<Self> {
        let listener = peer(server).await?.server().listen(name).await?;
        Ok(Self { client: peer(client).await?, listener, name: name.to_owned() })
    }

    /// The same for sealed streams.
    pub async fn dial_sealed(address: SocketAddr, name: &str) -> Result<Self> {
        let keys = Keys::generate();
        let listener = peer(address).await?.server().listen(name).sealed(&keys).await?;
        Ok(Self { client: peer(address).await?, listener, name: keys.address(name) })
    }

    /// Goes on with another client of the same server.
    pub async fn change_client(&mut self, client: SocketAddr) -> Result<Peer> {
        Ok(std::mem::replace(&mut self.client, peer(client).await?))
    }

    /// One more stream: the client's end, then the server's.
    pub async fn open(&mut self, resume: bool) -> Result<(Stream, Stream)> {
        let connect = self.client.client().connect(self.name.as_str()).resume(resume);
        let opened = async { anyhow::Ok(connect.into_future().await?) };
        let accepted = async { Ok(self.listener.try_next().await?.context("the name was given up")?.accept()) };
        let (near, far) = tokio::try_join!(opened, accepted)?;
        ensure!(near.is_resumable() == resume && far.is_resumable() == resume, "not the kind of stream that was asked for");
        Ok((near, far))
    }
}

async fn peer(address: SocketAddr) -> Result<Peer> {
    Ok(Peer::dial(format!("ws://{address}/mux")).await?)
}

/// Runs it as most programs are: on a thread for each core.
pub fn run<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    Runtime::new()?.block_on(future)
}
