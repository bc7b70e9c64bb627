//! A proxy built to cheat: it brings the streams of its peers to the test, which decides what the other end gets.

use std::sync::{Arc, Mutex};

use browser_stream_client::{Connect, Connection, Listener, Peer, RefusalCode, seal::Keys};
use browser_stream_mux::{Config, Role, Session, Stream};
use bytes::Bytes;
use futures::FutureExt;
use harness::within;
use serde_json::{Value, json};
use tokio::io::duplex;

use crate::{connect::next, seal::refused};

const FRAME_MAX: usize = 9 * 1024;
/// Room for all that a test writes before the other end has it.
const PIPE: usize = 1 << 20;

/// One peer's connection to it.
pub struct Line {
    pub peer: Peer,
    session: Arc<Session>,
    /// The control streams of its claims, with their opens.
    pub claims: Arc<Mutex<Vec<Value>>>,
    opens: tokio::sync::mpsc::UnboundedReceiver<(Value, Stream)>,
}

impl Line {
    /// A peer that believes to be connected to a proxy.
    pub async fn new() -> Self {
        let (near, far) = duplex(PIPE);
        let (session, run) = Session::new(far, Role::Acceptor, Config::default());
        tokio::spawn(run);
        let session = Arc::new(session);
        let near = Mutex::new(Some(near));
        let peer = Peer::over(move || {
            let near = near.lock().expect("not poisoned").take();
            async move { near.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()) }
        });
        let peer = peer.await.expect("connected");
        let claims = Arc::new(Mutex::new(Vec::new()));
        let (bring, opens) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(attend(Arc::clone(&session), Arc::clone(&claims), bring));
        Self { peer, session, claims, opens }
    }

    /// The next stream that the peer opens to a server, with its open.
    pub async fn opened(&mut self) -> (Value, Stream) {
        within(self.opens.recv()).await.expect("the peer is there")
    }

    /// Brings the peer a client for the name that it serves under.
    pub fn bring(&self, name: &str, open: &Value) -> Stream {
        let mut open = open.clone();
        open["path"] = json!(format!("/browser-server/accept/{name}"));
        open["id"] = json!("00000000-0000-4000-8000-000000000000");
        let mut stream = self.session.open().expect("the session lives");
        stream.write_frame(open.to_string().as_bytes());
        stream
    }
}

/// Grants every claim, and keeps the session stream open.
async fn attend(session: Arc<Session>, claims: Arc<Mutex<Vec<Value>>>, bring: tokio::sync::mpsc::UnboundedSender<(Value, Stream)>) {
    let mut kept = Vec::new();
    while let Some(mut stream) = session.accept().await {
        let Ok(Some(open)) = stream.read_frame(FRAME_MAX).await else { continue };
        let open: Value = serde_json::from_slice(&open).expect("an open is JSON");
        let path = open["path"].as_str().unwrap_or_default();
        if path.contains("/listen/") {
            stream.write_frame(br#"{"id":"claim"}"#);
            claims.lock().expect("not poisoned").push(open);
            kept.push(stream);
        } else if path.contains("/connect/") {
            let _ = bring.send((open, stream));
        } else {
            kept.push(stream);
        }
    }
}

/// The reply that stands on a stream.
pub async fn reply(stream: &mut Stream) -> Value {
    let body = within(stream.read_frame(FRAME_MAX)).await.expect("a reply").expect("a reply before the end");
    serde_json::from_slice(&body).expect("a reply is JSON")
}

/// Passes a reply on, as this.
pub fn answer(stream: &mut Stream, reply: &Value) {
    let mut reply = reply.clone();
    if reply.get("error").is_none() {
        reply["id"] = json!("00000000-0000-4000-8000-000000000000");
    }
    stream.write_frame(reply.to_string().as_bytes());
}

/// The records of a direction that its writer has finished.
pub async fn records(stream: &mut Stream) -> Vec<Bytes> {
    let mut all = Vec::new();
    while let Some(bytes) = within(stream.read_chunk()).await.expect("no reset") {
        all.extend_from_slice(&bytes);
    }
    cut(all)
}

/// The records that these bytes are.
pub fn cut(direction: Vec<u8>) -> Vec<Bytes> {
    let (mut records, mut rest) = (Vec::new(), Bytes::from(direction));
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        records.push(rest.split_to(2 + length));
    }
    records
}

/// Writes these instead, and finishes.
pub fn forge(stream: &mut Stream, records: &[Bytes]) {
    for record in records {
        stream.write_now(record.clone());
    }
    stream.finish();
}

/// A server with keys and a client, each at the end of a line of the proxy's.
pub struct Stage {
    pub keys: Keys,
    pub servers: Line,
    pub clients: Line,
    pub listener: Listener,
}

/// A stream between them, as far as the proxy has brought it: each end, and what the proxy holds of it.
pub struct Scene {
    pub mine: browser_stream_client::Stream,
    pub theirs: browser_stream_client::Stream,
    pub near: Stream,
    pub far: Stream,
}

impl Stage {
    pub async fn new() -> Self {
        let (servers, clients, keys) = (Line::new().await, Line::new().await, Keys::generate());
        let listener = servers.peer.server().listen("NAME").sealed(&keys).await.expect("granted");
        assert_eq!(servers.claims.lock().expect("not poisoned")[0]["capabilities"], json!(["seal"]));
        Self { keys, servers, clients, listener }
    }

    pub fn connect(&self) -> Connect {
        self.clients.peer.client().connect(self.keys.address("NAME")).resume(false)
    }

    /// One that does not resume, and is brought honestly.
    pub async fn scene(&mut self) -> Scene {
        self.scene_of(false).await
    }

    /// The same for one that does, or does not.
    pub async fn scene_of(&mut self, resumes: bool) -> Scene {
        let connecting = tokio::spawn(self.connect().resume(resumes).into_future());
        let (open, mut near) = self.clients.opened().await;
        let mut far = self.servers.bring("NAME", &open);
        let theirs = next(&mut self.listener).await.accept();
        let said = reply(&mut far).await;
        answer(&mut near, &said);
        let mine = within(connecting).await.expect("no panic").expect("accepted");
        assert_eq!((mine.is_resumable(), theirs.is_resumable()), (resumes, resumes));
        Scene { mine, theirs, near, far }
    }

    /// What becomes of a client whose open reaches the server as `open` makes it, and its reply the client as `answered` makes it.
    pub async fn crossed(&mut self, open: impl FnOnce(&mut Value), answered: impl FnOnce(&mut Value)) -> RefusalCode {
        let connecting = tokio::spawn(refused(self.connect()));
        let (mut said, mut near) = self.clients.opened().await;
        open(&mut said);
        let mut far = self.servers.bring("NAME", &said);
        // A server that takes it answers when its program does.
        let accepting = async {
            let client: Connection = next(&mut self.listener).await;
            client.accept()
        };
        let (mut said, _stream) = tokio::select! {
            biased;
            said = reply(&mut far) => (said, None),
            stream = accepting => (Value::Null, Some(stream)),
        };
        if said.is_null() {
            said = reply(&mut far).await;
        }
        answered(&mut said);
        answer(&mut near, &said);
        within(connecting).await.expect("no panic")
    }

    pub fn nobody_came(&mut self) -> bool {
        futures::StreamExt::next(&mut self.listener).now_or_never().is_none()
    }
}
