//! Proxies of one process that are nodes of one cluster, with the table in memory: a paused clock decides all times.

use std::sync::Arc;

use browser_stream_server::{
    LeaseKey, Limits,
    cluster::{Adapter, Change, Links, Local, Node, Outcome, Secret, Timing, Write},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use harness::{Proxy, until};
use tokio::{net::TcpListener, sync::watch, time::sleep};

/// A cluster in one process.
pub struct Together {
    pub proxies: Vec<Proxy>,
    pub nodes: Vec<Node>,
    ways: Vec<watch::Sender<Passage>>,
}

/// The way of one node to the table.
struct Way {
    table: Local,
    passage: watch::Receiver<Passage>,
}

/// What passes there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passage {
    All,
    /// Nothing, and what is written is lost.
    Nothing,
    /// Nothing now: what is written comes when all passes again, as over a connection that is made anew.
    Later,
}

impl Together {
    /// So many nodes, all of them in. Streams go to other nodes over sockets, which know no paused clock: here none does.
    pub async fn new(count: usize) -> Self {
        Self::of(count, async |_| (None, "nowhere".to_owned())).await
    }

    /// The same in real time, where streams do.
    pub async fn linked(count: usize) -> Self {
        Self::of(count, async |_| {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("bound").to_string();
            (Some(listener), address)
        })
        .await
    }

    /// The same, each at its place.
    pub async fn of(count: usize, place: impl AsyncFn(usize) -> (Option<TcpListener>, String)) -> Self {
        let (table, key) = (Local::new(), LeaseKey::random());
        let secret = Secret::new(b"a secret that all nodes have, and nobody else").expect("long enough");
        let mut together = Self { proxies: Vec::new(), nodes: Vec::new(), ways: Vec::new() };
        for index in 0..count {
            let (way, passage) = watch::channel(Passage::All);
            let (listener, address) = place(index).await;
            let node = Node::start(Arc::new(Way { table: table.clone(), passage }), &address, Timing::default());
            let proxy = Proxy::keyed(key.clone(), Limits::default(), |router| router);
            let links = Links::new(&proxy.sessions, node.id().process, secret.clone()).expect("TLS");
            proxy.names.join(&node, &links);
            if let Some(listener) = listener {
                tokio::spawn(async move { links.serve(listener).await });
            }
            together.proxies.push(proxy);
            together.nodes.push(node);
            together.ways.push(way);
        }
        until(|| together.nodes.iter().all(Node::is_in)).await;
        together
    }

    /// Nothing passes between a node and the table any more, or it does again.
    pub fn cut(&self, index: usize, is_cut: bool) {
        self.ways[index].send_replace(if is_cut { Passage::Nothing } else { Passage::All });
    }

    /// Nothing passes any more, but what the node writes comes when all does again.
    pub fn hold_up(&self, index: usize) {
        self.ways[index].send_replace(Passage::Later);
    }
}

impl Adapter for Way {
    fn write(&self, write: Write) -> BoxFuture<'static, Outcome> {
        let (table, mut passage) = (self.table.clone(), self.passage.clone());
        async move {
            let now = *passage.borrow();
            if now == Passage::All {
                return table.write(write).await;
            }
            if now == Passage::Later {
                tokio::spawn(async move {
                    let _ = passage.wait_for(|passage| *passage == Passage::All).await;
                    table.write(write).await;
                });
            }
            sleep(Timing::default().renew / 2).await;
            Outcome::Unknown
        }
        .boxed()
    }

    fn changes(&self) -> BoxStream<'static, Change> {
        let passage = self.passage.clone();
        let passes = move |change| {
            let mut passage = passage.clone();
            async move {
                // Who opens it is there as long as the node.
                let _ = passage.wait_for(|passage| *passage == Passage::All).await;
                change
            }
        };
        self.table.changes().then(passes).boxed()
    }
}
