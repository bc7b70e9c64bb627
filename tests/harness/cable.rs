//! Peers of the Rust client over connections in memory, which a test can cut, stall and refuse.

use std::sync::Arc;

use browser_stream_client::{DialError, Peer};
use browser_stream_server::Sessions;
use tokio::{
    io::{DuplexStream, copy_bidirectional, duplex},
    sync::watch,
    task::AbortHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{Memory, Proxy};

/// The way from one peer to the proxy. Clones are the same.
#[derive(Clone)]
pub struct Cable(Arc<watch::Sender<Way>>);

struct Way {
    sessions: Sessions,
    live: Vec<Live>,
    refuses: bool,
    dialled: usize,
}

/// One connection.
struct Live {
    carrying: AbortHandle,
    half: CancellationToken,
    stall: CancellationToken,
}

impl Cable {
    pub fn to(proxy: &Proxy) -> Self {
        let way = Way { sessions: proxy.sessions.clone(), live: Vec::new(), refuses: false, dialled: 0 };
        Self(Arc::new(watch::Sender::new(way)))
    }

    /// A peer at its end.
    pub async fn peer(&self) -> Peer {
        let cable = self.clone();
        Peer::over(move || std::future::ready(cable.dial())).await.expect("the cable holds")
    }

    /// Breaks the connection that there is.
    pub fn cut(&self) {
        self.0.send_modify(|way| way.live.drain(..).for_each(|live| live.carrying.abort()));
    }

    /// Breaks the connection that there is at the peer's end only: the proxy hears nothing of it.
    pub fn half_cut(&self) {
        self.0.send_modify(|way| way.live.iter().for_each(|live| live.half.cancel()));
    }

    /// Carries nothing more on the connection that there is: neither end hears of it.
    pub fn stall(&self) {
        self.0.send_modify(|way| way.live.iter().for_each(|live| live.stall.cancel()));
    }

    /// Makes all dialling fail, or work again.
    pub fn refuse(&self, refuses: bool) {
        self.0.send_modify(|way| way.refuses = refuses);
    }

    /// How often it was dialled.
    pub fn dialled(&self) -> usize {
        self.0.borrow().dialled
    }

    fn dial(&self) -> Result<DuplexStream, DialError> {
        let mut dialled = Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into());
        self.0.send_modify(|way| {
            way.dialled += 1;
            if !way.refuses {
                dialled = Ok(way.connect());
            }
        });
        dialled
    }
}

impl Way {
    fn connect(&mut self) -> DuplexStream {
        let (near, mut middle) = duplex(64 * 1024);
        let (mut beyond, far) = duplex(64 * 1024);
        let (half, stall) = (CancellationToken::new(), CancellationToken::new());
        let (halved, stalled) = (half.clone(), stall.clone());
        let carrying = tokio::spawn(async move {
            tokio::select! {
                // It ends with either end.
                _ = copy_bidirectional(&mut middle, &mut beyond) => {}
                () = halved.cancelled() => {
                    drop(middle);
                    std::future::pending().await
                }
                () = stalled.cancelled() => std::future::pending().await,
            }
        });
        self.live.push(Live { carrying: carrying.abort_handle(), half, stall });
        let sessions = self.sessions.clone();
        tokio::spawn(async move { sessions.run(Memory(far), None).await });
        near
    }
}

/// A server's peer and a client's, each on a cable of its own to one proxy.
pub struct Two {
    pub proxy: Proxy,
    pub servers: Cable,
    pub clients: Cable,
    pub server: Peer,
    pub client: Peer,
}

impl Two {
    pub async fn new() -> Self {
        let proxy = Proxy::new();
        let (servers, clients) = (Cable::to(&proxy), Cable::to(&proxy));
        let (server, client) = (servers.peer().await, clients.peer().await);
        Self { proxy, servers, clients, server, client }
    }
}
