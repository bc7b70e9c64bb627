//! One session of the `yamux` crate, driven by a task of its own.

use std::{collections::VecDeque, future::poll_fn, task::Poll};

use anyhow::{Context, Result, anyhow, bail};
use futures::{AsyncReadExt, AsyncWriteExt};
use serde_json::Value;
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::JoinHandle,
};
use yamux::{Config, Connection, Mode, Stream};

use crate::socket::Socket;

/// Who asks for a stream.
type Request = oneshot::Sender<Result<Stream>>;

/// Opens streams to the proxy and takes the proxy's.
pub struct Session {
    requests: mpsc::UnboundedSender<Request>,
    accepted: Mutex<mpsc::UnboundedReceiver<Stream>>,
}

/// A session over a new WebSocket, and the task that drives it.
pub async fn dial(url: &str) -> Result<(Session, JoinHandle<Result<()>>)> {
    let connection = Connection::new(Socket::dial(url).await?, Config::default(), Mode::Client);
    let (requests, requested) = mpsc::unbounded_channel();
    let (opened, accepted) = mpsc::unbounded_channel();
    let running = tokio::spawn(drive(connection, requested, opened));
    Ok((Session { requests, accepted: Mutex::new(accepted) }, running))
}

impl Session {
    /// Opens a stream, sends its open, and waits for the reply.
    pub async fn open(&self, open: &Value) -> Result<Stream> {
        let (request, stream) = oneshot::channel();
        self.requests.send(request).map_err(|_| anyhow!("the session has ended"))?;
        let mut stream = stream.await??;
        write_message(&mut stream, open).await?;
        let reply = read_message(&mut stream).await?;
        if let Some(error) = reply.get("error") {
            bail!("refused: {error}");
        }
        Ok(stream)
    }

    /// The next stream that the proxy opened, with its open.
    pub async fn accept(&self) -> Result<(Stream, Value)> {
        let mut stream = self.accepted.lock().await.recv().await.context("the session has ended")?;
        let open = read_message(&mut stream).await?;
        Ok((stream, open))
    }
}

async fn drive(
    mut connection: Connection<Socket>,
    mut requested: mpsc::UnboundedReceiver<Request>,
    opened: mpsc::UnboundedSender<Stream>,
) -> Result<()> {
    let mut waiting = VecDeque::new();
    poll_fn(|cx| {
        loop {
            while let Poll::Ready(Some(request)) = requested.poll_recv(cx) {
                waiting.push_back(request);
            }
            if !waiting.is_empty()
                && let Poll::Ready(stream) = connection.poll_new_outbound(cx)
            {
                if let Some(request) = waiting.pop_front() {
                    // Whoever asked may have given up; then the stream is dropped, which resets it.
                    let _ = request.send(stream.map_err(Into::into));
                }
                continue;
            }
            match connection.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream))) => {
                    let _ = opened.send(stream);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

/// Writes an open or a reply: its length and its JSON.
pub async fn write_message(stream: &mut Stream, message: &Value) -> Result<()> {
    let body = serde_json::to_vec(message)?;
    stream.write_all(&u16::try_from(body.len())?.to_be_bytes()).await?;
    stream.write_all(&body).await?;
    Ok(stream.flush().await?)
}

async fn read_message(stream: &mut Stream) -> Result<Value> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).await.context("the stream ended before its message")?;
    let mut body = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut body).await?;
    Ok(serde_json::from_slice(&body)?)
}
