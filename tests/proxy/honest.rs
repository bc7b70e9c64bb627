//! A stream between two peers who do nothing wrong, to see that it goes on whatever others do.

use browser_stream_server::Stream;
use harness::{Control, Peer, Proxy, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One server, one client and their stream.
pub struct Honest {
    near: Stream,
    far: Stream,
    _control: Control,
    _peers: [Peer; 2],
}

impl Honest {
    pub async fn new(proxy: &Proxy) -> Self {
        let (mut owner, client) = (proxy.peer(), proxy.peer());
        let control = owner.claim("HONEST").await.unwrap();
        let (near, (_, far)) = tokio::join!(client.connect("HONEST"), owner.accept());
        Self { near: near.unwrap(), far, _control: control, _peers: [owner, client] }
    }

    /// A question and its answer, at once: the clock stands still unless everybody waits.
    pub async fn goes_on(&mut self) {
        let begun = tokio::time::Instant::now();
        let mut there = [0; 5];
        self.near.write_all(b"still").await.unwrap();
        within(self.far.read_exact(&mut there)).await.unwrap();
        self.far.write_all(&there).await.unwrap();
        within(self.near.read_exact(&mut there)).await.unwrap();
        assert_eq!((&there, begun.elapsed().as_millis()), (b"still", 0));
    }
}
