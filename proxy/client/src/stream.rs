//! A stream between a client and a server.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use browser_stream_mux::{Body, BodyError, Code, End, Stream as Carrier, StreamError, StreamId};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
};

use crate::{
    carriage::Carriage,
    seal::{Seal, Sealed},
    wire::Meta,
};

/// One ordered, flow-controlled stream of bytes in both directions: `AsyncRead + AsyncWrite`, or chunk by chunk.
///
/// Each direction ends by a *finish*, which reads as the end of the file; the stream is *reset* with a code, or *lost* with a connection, and both are
/// errors: a [`StreamError`], also inside the `io::Error` of the traits. None is ever shown as another. What came before a reset or loss stays readable.
///
/// A *resumable* stream, which is what our libraries make of each unless told otherwise, survives the connections of both ends: it is lost only when one end was away
/// for two minutes, or is no more.
///
/// Dropped before it finished it is reset `cancelled`, so that a cut writer never looks like a finished one.
///
/// ```no_run
/// use browser_stream_client::{Code, StreamClient, StreamError};
///
/// # async fn example(client: StreamClient) -> anyhow::Result<()> {
/// let mut stream = client.connect("NAME").await?;
/// stream.write_chunk("what is new?".into()).await?; // waits where the reader is slow
/// stream.finish();
/// let mut bytes = 0;
/// loop {
///     match stream.read_chunk().await {
///         Ok(Some(chunk)) => bytes += chunk.len(),
///         Ok(None) => break println!("that was all: {bytes} bytes"),
///         Err(StreamError::Reset(code)) if code == u32::from(Code::Gone) => break println!("the server ended"),
///         Err(error) => return Err(error.into()), // what came may be a part only
///     }
/// }
/// # Ok(()) }
/// ```
pub struct Stream {
    carriage: Carriage,
    /// Between the carriage and the program, where the stream is sealed.
    seal: Option<Box<Seal>>,
    id: String,
    meta: Option<Meta>,
    /// Takes what an error says across, where the carriage cannot.
    teller: Option<Teller>,
    ends_with_peer: bool,
}

/// Where the streams of a mux say why they fail.
pub(crate) type Teller = mpsc::UnboundedSender<Failure>;

/// A stream that its program failed: to be reset behind the note that says why.
pub(crate) struct Failure {
    pub(crate) stream: StreamId,
    pub(crate) code: u32,
    pub(crate) message: String,
}

impl Stream {
    pub(crate) fn new(carriage: Carriage, id: String, meta: Option<Meta>) -> Self {
        Self { carriage, seal: None, id, meta, teller: None, ends_with_peer: false }
    }

    /// The same with a seal on it, if there is one.
    pub(crate) fn sealed_by(self, seal: Option<Box<Seal>>) -> Self {
        Self { seal, ..self }
    }

    /// What the other end said under the seal, and which key it has; `None` for a stream that is not sealed.
    pub fn sealed(&self) -> Option<&Sealed> {
        self.seal.as_ref().map(|seal| &seal.sealed)
    }

    /// A stream of a mux over a stream.
    pub(crate) fn told_by(carrier: Carrier, meta: Option<Meta>, teller: Teller) -> Self {
        Self { teller: Some(teller), ..Self::new(Carriage::Plain(carrier), String::new(), meta) }
    }

    /// Whether it survives its connection: both ends know how, and want it.
    pub fn is_resumable(&self) -> bool {
        matches!(self.carriage, Carriage::Resumable(_))
    }

    /// How often it went on over something else than before, most often because a connection of one end broke; 0 for a stream that is not resumable.
    pub fn moves(&self) -> u64 {
        self.carriage.moves()
    }

    /// Bytes of our direction that went out more than once, since a move says again what the other end had not acknowledged; 0 for a stream that is
    /// not resumable.
    pub fn resent(&self) -> u64 {
        self.carriage.resent()
    }

    /// The unique id that the proxy gave the client, the same at both ends; empty where no proxy did.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the client said when it connected, as a value; `None` if it said nothing, or something of another shape.
    pub fn meta<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.meta.as_ref()?.get()).ok()
    }

    /// The next chunk as it came, without a copy; `None` when the other side has finished. Cancel-safe.
    ///
    /// # Errors
    /// [`StreamError::Reset`] or [`StreamError::Lost`], once all that came before has been read.
    pub async fn read_chunk(&mut self) -> Result<Option<Bytes>, StreamError> {
        let Self { carriage, seal, .. } = self;
        let chunk = poll_fn(|cx| match seal {
            Some(seal) => seal.poll_chunk(carriage, cx),
            None => carriage.poll_chunk(cx),
        })
        .await?;
        if chunk.is_none() {
            self.peer_finished();
        }
        Ok(chunk)
    }

    /// Writes a chunk without a copy, unless it is to be sealed, after waiting until less than 256 KiB of this stream wait to leave. Cancel-safe: all of it
    /// is written or nothing.
    ///
    /// # Errors
    /// [`StreamError::Finished`] behind our own finish, else as the stream ended.
    pub async fn write_chunk(&mut self, mut chunk: Bytes) -> Result<(), StreamError> {
        let Self { carriage, seal, .. } = self;
        poll_fn(|cx| match seal {
            Some(seal) => seal.poll_write_chunk(carriage, cx, &chunk),
            None => carriage.poll_write_chunk(cx, &mut chunk),
        })
        .await
    }

    /// Sends all of a body at the reader's speed and finishes; the number of bytes. A body that cannot be read resets the stream `internal`.
    ///
    /// Dropped, it has sent a part: the stream is yet to be reset, as dropping it does.
    ///
    /// # Errors
    /// [`BodyError::Stream`] as soon as the stream ends, also while the body gives nothing.
    pub async fn send(&mut self, body: impl Into<Body>) -> Result<u64, BodyError> {
        let fail = |stream: &mut Self| stream.reset(Code::Internal);
        body.into().pour(self, Self::stopped, Self::write_chunk, Self::finish, fail).await
    }

    /// Its share of the way to the proxy while other streams of the same peer have something to send: 1 to 64, 16 unless stated; one with 32 gets twice
    /// as much as one with 16. Others are taken as the nearest. Neither the other side nor the proxy hears of it: the proxy gives all streams equal shares.
    pub fn set_priority(&mut self, priority: u8) {
        self.carriage.set_priority(priority);
    }

    /// Ends our direction behind what was written; reading goes on. Does nothing the second time.
    pub fn finish(&mut self) {
        match &mut self.seal {
            Some(seal) => seal.finish(&mut self.carriage),
            None => self.carriage.finish(),
        }
    }

    /// Ends both directions at once, with a code of the application's (256 and up), or one of `cancelled`, `busy`, `gone` and `limit`; the proxy makes
    /// `internal` of any other. What waits to leave or to be read is dropped.
    pub fn reset(&mut self, code: impl Into<u32>) {
        self.carriage.reset(code.into());
    }

    /// Fails the stream at both ends with `internal` and this message: as [`error_with`](Self::error_with).
    pub fn error(&mut self, message: impl Into<String>) {
        self.error_with(Code::Internal, message);
    }

    /// Ends both directions at once as [`reset`](Self::reset) does, and tells the other side this message, of which 1,024 bytes go across: there it is
    /// [`message`](Self::message), to a tab it is the error's. The streams of a [`MuxDemux`](crate::MuxDemux) carry it, and resumable ones that are not sealed; over others the code arrives alone.
    pub fn error_with(&mut self, code: impl Into<u32>, message: impl Into<String>) {
        let (code, mut message) = (code.into(), message.into());
        message.truncate(message.floor_char_boundary(MESSAGE_MAX));
        match (&mut self.carriage, &self.teller) {
            // The message would go in the clear.
            (carriage, _) if self.seal.is_some() => carriage.reset(code),
            (Carriage::Resumable(stream), _) => stream.fail(code, &message),
            (Carriage::Plain(carrier), Some(teller)) if carrier.cell().end().is_none() => {
                carrier.cell().abandon(End::Reset(code));
                let failure = Failure { stream: carrier.id(), code, message };
                // Where nobody hears it the mux is over, and the stream with it.
                let _ = teller.send(failure);
            }
            (Carriage::Plain(carrier), _) => carrier.reset(code),
        }
    }

    /// What the other side said when it failed the stream, if it said anything.
    pub fn message(&self) -> Option<String> {
        // What came in the clear with a sealed stream may be anybody's.
        self.carriage.message().filter(|_| self.seal.is_none())
    }

    /// Whether our direction may go on when the other side's has ended: it may unless this is called with `false`, then it is finished once the other
    /// side's finish was read.
    pub fn allow_half_open(&mut self, allow: bool) {
        self.ends_with_peer = !allow;
    }

    fn peer_finished(&mut self) {
        if self.ends_with_peer {
            self.finish();
        }
    }

    /// Finishes our direction and resolves when the other side has all of it; of a stream that is not resumable nobody says so, and all of it has left for
    /// the proxy. Cancel-safe, but for the finish.
    ///
    /// That it arrived is the proxy's word, also of a [sealed](Self::sealed) stream: where the proxy is not trusted let the other side answer, and read that to its
    /// end, which under the seal nobody can make up.
    ///
    /// # Errors
    /// [`StreamError::Reset`] or [`StreamError::Lost`]: how much of it arrived is not known.
    pub async fn sent(&mut self) -> Result<(), StreamError> {
        self.finish();
        self.carriage.sent().await.map_err(|end| self.heard(end))
    }

    /// Whether something carries it now. Without it a resumable stream waits: for a connection of ours, or for the other end's.
    pub fn is_carried(&self) -> bool {
        self.carriage.is_carried()
    }

    /// Resolves when the stream is reset or lost, with which; never for one that finishes. For giving up work that nobody waits for. Cancel-safe, and
    /// may be kept beside the stream.
    pub fn stopped(&self) -> impl Future<Output = StreamError> + Send + use<> {
        let (stopped, hears) = (self.carriage.stopped(), self.seal.as_ref().map(|seal| seal.hears()));
        async move {
            let end = stopped.await;
            hears.map_or(end, |hears| hears(end))
        }
    }

    fn heard(&self, end: StreamError) -> StreamError {
        self.seal.as_ref().map_or(end, |seal| seal.heard(end))
    }
}

/// Bytes of a message that go across.
const MESSAGE_MAX: usize = 1024;

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.remaining();
        let Self { carriage, seal, .. } = &mut *self;
        let read = ready!(match seal {
            Some(seal) => seal.poll_read(carriage, cx, buffer),
            None => carriage.poll_read(cx, buffer),
        });
        if read.is_ok() && before > 0 && buffer.remaining() == before {
            self.peer_finished();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { carriage, seal, .. } = &mut *self;
        match seal {
            Some(seal) => seal.poll_write(carriage, cx, bytes),
            None => carriage.poll_write(cx, bytes),
        }
    }

    /// Ready at once: what was written leaves as soon as it may.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { carriage, seal, .. } = &mut *self;
        match seal {
            Some(seal) => seal.poll_shutdown(carriage, cx),
            None => carriage.poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("id", &self.id).finish_non_exhaustive()
    }
}
