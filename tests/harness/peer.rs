//! A peer that speaks the mux through our own shell: it claims names, connects, and accepts.

use browser_stream_mux::{Config, Role, Session, Stream};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
};

use crate::within;

/// The longest frame of an open or reply that a test's peer takes.
const FRAME_MAX: usize = 9 * 1024;

/// One connection to the proxy.
pub struct Peer {
    session: Session,
    task: JoinHandle<()>,
}

/// The control stream of a claim, and what the proxy said about it.
pub struct Control {
    pub stream: Stream,
    pub reply: Value,
}

impl Peer {
    pub fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (session, run) = Session::new(io, Role::Opener, Config::default());
        let task = tokio::spawn(async move {
            // How a session ends is looked at through its streams.
            let _ = run.await;
        });
        Self { session, task }
    }

    /// Claims a name, or gets the code of the refusal.
    pub async fn claim(&self, name: &str) -> Result<Control, String> {
        self.claim_with(name, json!({})).await
    }

    /// The same with more fields in the open.
    pub async fn claim_with(&self, name: &str, fields: Value) -> Result<Control, String> {
        let (reply, stream) = self.ask(&format!("/browser-server/listen/{name}"), fields).await?;
        Ok(Control { stream, reply })
    }

    /// Connects to a name, or gets the code of the refusal.
    pub async fn connect(&self, name: &str) -> Result<Stream, String> {
        Ok(self.connect_with(name, json!({})).await?.1)
    }

    /// The same with more fields in the open; the reply comes with the stream.
    pub async fn connect_with(&self, name: &str, fields: Value) -> Result<(Value, Stream), String> {
        self.ask(&format!("/browser-server/connect/{name}"), fields).await
    }

    /// Opens a stream and reads the reply.
    pub async fn ask(&self, path: &str, fields: Value) -> Result<(Value, Stream), String> {
        let mut stream = self.begin(path, fields);
        let reply = reply(&mut stream).await?;
        Ok((reply, stream))
    }

    /// Opens a stream and leaves the reply to the caller.
    pub fn begin(&self, path: &str, mut fields: Value) -> Stream {
        fields["path"] = path.into();
        let mut stream = self.session.open().expect("the session takes another stream");
        stream.write_frame(fields.to_string().as_bytes());
        stream
    }

    /// The next stream that the proxy opens, with its open and before its reply.
    pub async fn next(&mut self) -> (Value, Stream) {
        let mut stream = within(self.session.accept()).await.expect("the session lives");
        let open = within(stream.read_frame(FRAME_MAX)).await.expect("an open").expect("an open before the end");
        (serde_json::from_slice(&open).expect("an open is JSON"), stream)
    }

    /// The same, accepted.
    pub async fn accept(&mut self) -> (Value, Stream) {
        let (open, mut stream) = self.next().await;
        stream.write_frame(b"{}");
        (open, stream)
    }

    /// Goes without a word, as a tab does that is killed.
    pub fn vanish(self) {
        drop(self);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The next note on a stream; `None` when the proxy finished it.
pub async fn note(stream: &mut Stream) -> Option<Value> {
    let body = within(stream.read_frame(FRAME_MAX)).await.expect("the stream is not reset");
    body.map(|body| serde_json::from_slice(&body).expect("a note is JSON"))
}

/// Reads a reply; a refusal is the error's code, and a reset or loss says so.
pub async fn reply(stream: &mut Stream) -> Result<Value, String> {
    let body = match within(stream.read_frame(FRAME_MAX)).await {
        Ok(Some(body)) => body,
        other => return Err(format!("{other:?}")),
    };
    let reply: Value = serde_json::from_slice(&body).expect("a reply is JSON");
    match reply.pointer("/error/code") {
        Some(Value::String(code)) => Err(code.clone()),
        Some(code) => Err(code.to_string()),
        None => Ok(reply),
    }
}
