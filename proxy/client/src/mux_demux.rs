//! Many streams over one: a mux over anything that reads and writes, one of our own streams among them.

mod attend;
mod error;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use browser_stream_mux::{Code, Config, Session as Mux};
use browser_stream_protocol::OpenError;
use futures::Stream as Items;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::to_raw_value};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Stream,
    answer::{Unanswered, answer},
    stream::Teller,
    wire::{Open, encode},
};
use attend::attend;
pub use error::MuxError;

/// Which end of a mux this is: one is the client, the other the server. It decides nothing but how their streams are numbered.
///
/// See [`MuxDemux`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that connected.
    Client,
    /// The end that accepted.
    Server,
}

/// Streams that the other end opened and that nobody took yet; the next waits before it is accepted.
const INCOMING_MAX: usize = 256;
/// Nothing may be heard for as long as what carries the mux is held up: how it fares is its own to notice.
const PATIENT: Config = Config { ping_interval: None, ping_timeout: None, silence_max: Duration::MAX };

/// A mux over anything that is `AsyncRead + AsyncWrite`: both ends open streams to each other. Clones are the same mux.
///
/// ```no_run
/// use browser_stream_client::{MuxDemux, Role, StreamClient};
/// use futures::StreamExt;
///
/// # async fn example(client: StreamClient) -> Result<(), Box<dyn std::error::Error>> {
/// let (mux, mut incoming) = MuxDemux::over(client.connect("NAME").await?, Role::Client);
/// tokio::spawn(async move {
///     while let Some((stream, meta)) = incoming.next().await {
///         println!("{meta}");
///         let (mut reader, mut writer) = tokio::io::split(stream);
///         tokio::spawn(async move { tokio::io::copy(&mut reader, &mut writer).await });
///     }
/// });
/// let mut stream = mux.create_stream(&"any JSON").await?;
/// stream.write_chunk("hello".into()).await?;
/// stream.finish();
/// mux.close().await?;
/// # Ok(()) }
/// ```
///
/// When every clone and the [`Incoming`] are dropped, the mux ends with its last stream.
#[derive(Clone)]
pub struct MuxDemux {
    shared: Arc<Shared>,
    _held: Arc<Held>,
}

/// The streams that the other end opens, each with the JSON that it said (`null` if nothing). It ends with the mux. Dropped, it says that nobody wants any:
/// streams are refused `not_found` then.
///
/// See [`MuxDemux`].
#[must_use = "dropped, the other end can open no streams"]
pub struct Incoming {
    streams: mpsc::Receiver<(Stream, Value)>,
    _held: Arc<Held>,
}

struct Shared {
    mux: Mux,
    teller: Teller,
    /// How it ended; nothing while it lives.
    ended: watch::Receiver<Option<Result<(), MuxError>>>,
    closing: CancellationToken,
    abort: CancellationToken,
}

/// Tells when nobody holds the mux any more.
struct Held(CancellationToken);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl MuxDemux {
    /// A mux over `io`, which is the mux's from now on, and what comes in on it. It is driven by a task of its own: call it inside a tokio runtime.
    pub fn over<IO>(io: IO, role: Role) -> (Self, Incoming)
    where
        IO: AsyncRead + AsyncWrite + Send + 'static,
    {
        let role = match role {
            Role::Client => browser_stream_mux::Role::Opener,
            Role::Server => browser_stream_mux::Role::Acceptor,
        };
        let (mux, run) = Mux::new(io, role, PATIENT);
        let (teller, failures) = mpsc::unbounded_channel();
        let (sender, streams) = mpsc::channel(INCOMING_MAX);
        let (tell, ended) = watch::channel(None);
        let (closing, abort) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn({
            let abort = abort.clone();
            async move {
                let result = tokio::select! {
                    result = run => result.map_err(MuxError::from),
                    () = abort.cancelled() => Err(MuxError::Aborted),
                };
                tell.send_replace(Some(result));
            }
        });
        tokio::spawn(attend(mux.clone(), sender, teller.clone(), failures, closing.clone()));
        let held = Arc::new(Held(closing.clone()));
        let shared = Arc::new(Shared { mux, teller, ended, closing, abort });
        (Self { shared, _held: Arc::clone(&held) }, Incoming { streams, _held: held })
    }

    /// Opens a stream to the other end, with any JSON for it. Dropping the future gives the open up.
    ///
    /// # Errors
    /// `not_found` where nobody takes streams at the other end, `gone` where either end closed the mux, `lost` where it ended before there was an answer,
    /// `bad_request` for what cannot be sent as JSON.
    pub async fn create_stream(&self, meta: &impl Serialize) -> Result<Stream, OpenError> {
        self.open(meta, false).await
    }

    /// As [`create_stream`](Self::create_stream), to read only: our direction is finished.
    ///
    /// # Errors
    /// The same.
    pub async fn create_read_stream(&self, meta: &impl Serialize) -> Result<Stream, OpenError> {
        let mut stream = self.open(meta, false).await?;
        stream.finish();
        Ok(stream)
    }

    /// As [`create_stream`](Self::create_stream), to write only: the other end's direction is finished.
    ///
    /// # Errors
    /// The same.
    pub async fn create_write_stream(&self, meta: &impl Serialize) -> Result<Stream, OpenError> {
        self.open(meta, true).await
    }

    /// Takes no more streams, of either end, and ends the mux when those that live have ended; what carries it is finished then. Dropping the future
    /// only ends the waiting.
    ///
    /// # Errors
    /// How it ended if it failed before that.
    pub async fn close(&self) -> Result<(), MuxError> {
        self.shared.closing.cancel();
        self.closed().await
    }

    /// As [`close`](Self::close), but waits for no stream: what was written still leaves, as far as credit goes, and streams that live are lost at
    /// both ends.
    ///
    /// # Errors
    /// How it ended if it failed before that.
    pub async fn close_now(&self) -> Result<(), MuxError> {
        self.shared.closing.cancel();
        self.shared.mux.close();
        self.closed().await
    }

    /// Ends the mux at once, all its streams are lost, and drops what carries it: a stream of ours is reset `cancelled` by that.
    pub fn abort(&self) {
        self.shared.abort.cancel();
    }

    /// Resolves when the mux is over. Cancel-safe.
    ///
    /// # Errors
    /// Why it failed, unless one of the ends closed it.
    pub async fn closed(&self) -> Result<(), MuxError> {
        let mut ended = self.shared.ended.clone();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(result)) => result.clone(),
            // The runtime dropped the task that would have told.
            Ok(None) | Err(_) => Err(MuxError::Aborted),
        }
    }

    async fn open(&self, meta: &impl Serialize, one_way: bool) -> Result<Stream, OpenError> {
        #[derive(Deserialize)]
        struct Accepted {}
        let Shared { mux, teller, closing, .. } = &*self.shared;
        let meta = to_raw_value(meta).map_err(|error| OpenError::new(Code::BadRequest, format!("meta is no JSON: {error}")))?;
        let open = encode(&Open { path: "/", meta: Some(&meta), one_way, ..Open::default() })?;
        if closing.is_cancelled() {
            return Err(closed());
        }
        let mut carrier = mux.open().map_err(|_| closed())?;
        carrier.write_frame(&open);
        match answer(&mut carrier).await {
            Ok(Accepted {}) => Ok(Stream::told_by(carrier, Some(meta), teller.clone())),
            Err(Unanswered::Refused(error)) => Err(error),
            Err(Unanswered::Lost) => Err(OpenError::new(Code::Lost, "the mux ended before there was an answer")),
        }
    }
}

impl Items for Incoming {
    type Item = (Stream, Value);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.streams.poll_recv(cx)
    }
}

fn closed() -> OpenError {
    OpenError::new(Code::Gone, "the mux was closed")
}
