//! A proxy that says what a test wants: it accepts connections in memory and speaks the mux, and nothing of itself.

use browser_stream_client::Peer;
use browser_stream_mux::{Config, Role, Session, Stream};
use harness::within;
use serde_json::{Value, json};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
    task::JoinHandle,
    time::Instant,
};

/// Where a scripted peer dials to.
pub struct Script {
    dialled: mpsc::UnboundedReceiver<(DuplexStream, Instant)>,
}

/// One connection that the peer made.
pub struct Scripted {
    pub session: Session,
    pub at: Instant,
    driving: JoinHandle<()>,
}

impl Script {
    /// A peer, and its first connection.
    pub async fn begin() -> (Peer, Self, Scripted) {
        let (dial, dialled) = mpsc::unbounded_channel();
        let peer = Peer::over(move || {
            let (near, far) = duplex(64 * 1024);
            dial.send((far, Instant::now())).expect("the test looks on");
            std::future::ready(Ok(near))
        });
        let peer = peer.await.expect("it is always there");
        let mut script = Self { dialled };
        let first = script.next().await;
        (peer, script, first)
    }

    /// The next connection of the peer.
    pub async fn next(&mut self) -> Scripted {
        let (io, at) = within(self.dialled.recv()).await.expect("the peer lives");
        let (session, run) = Session::new(io, Role::Acceptor, Config::default());
        let driving = tokio::spawn(async move {
            // The test decides how it ends.
            let _ = run.await;
        });
        Scripted { session, at, driving }
    }
}

impl Scripted {
    /// The next stream that the peer opens, with its open and before the answer.
    pub async fn opened(&self) -> (Value, Stream) {
        let mut stream = within(self.session.accept()).await.expect("the peer opens a stream");
        let open = within(stream.read_frame(8192)).await.expect("an open").expect("an open before the end");
        (serde_json::from_slice(&open).expect("an open is JSON"), stream)
    }

    /// The session stream, which is the first, welcomed.
    pub async fn welcome(&self) -> Stream {
        let (open, mut stream) = self.opened().await;
        assert_eq!(open["path"], "/session");
        say(&mut stream, json!({"session": "s", "node": "n", "capabilities": [], "limits": {}}));
        stream
    }

    /// A claim, granted with this reply.
    pub async fn grant(&self, reply: Value) -> (Value, Stream) {
        let (open, mut stream) = self.opened().await;
        assert_eq!(open["path"], "/browser-server/listen/NAME");
        say(&mut stream, reply);
        (open, stream)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

/// Sends a reply or a note.
pub fn say(stream: &mut Stream, what: Value) {
    assert!(stream.write_frame(what.to_string().as_bytes()), "the stream takes it");
}
