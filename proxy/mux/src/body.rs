//! What is sent over a stream as a whole: bytes, what a reader gives, or what comes piece by piece.

use std::{error::Error, fmt, io, pin::Pin};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::StreamError;

/// Something to send: made from bytes or text, by [`Body::reader`] or by [`Body::stream`].
///
/// ```
/// use browser_stream_mux::Body;
/// use futures::stream;
///
/// let bytes = Body::from("hello");
/// let whole_file = Body::reader(tokio::io::empty());
/// let pieces = Body::stream(stream::iter([Ok::<_, std::io::Error>("one"), Ok("two")]));
/// # drop((bytes, whole_file, pieces));
/// ```
pub struct Body {
    source: Source,
    /// What is left of a piece that was too long.
    rest: Bytes,
    total: Option<u64>,
    sent: u64,
    on_progress: Option<Box<dyn FnMut(Progress) + Send>>,
}

enum Source {
    Nothing,
    Reader(Pin<Box<dyn AsyncRead + Send>>),
    Stream(Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>),
}

/// How far a sending is.
///
/// ```
/// use browser_stream_mux::{Body, Progress};
///
/// let body = Body::from("hello").on_progress(|Progress { sent, total }| println!("{sent} of {total:?} bytes"));
/// assert_eq!(body.progress(), Progress { sent: 0, total: Some(5) });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that the stream has taken; at most 256 KiB and a piece of them have not left.
    pub sent: u64,
    /// Bytes in all, where that is known.
    pub total: Option<u64>,
}

/// Why a body was not sent as a whole.
///
/// ```
/// use browser_stream_mux::{BodyError, Code, StreamError};
///
/// fn advice(error: &BodyError) -> String {
///     match error {
///         BodyError::Source(error) => format!("look at the file: {error}"),
///         BodyError::Stream(StreamError::Reset(code)) if *code == Code::Cancelled.number() => "nobody wants it any more".to_owned(),
///         BodyError::Stream(error) => format!("send it again: {error}"),
///     }
/// }
///
/// assert_eq!(advice(&StreamError::Reset(15).into()), "nobody wants it any more");
/// ```
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It could not be read. The other side got `internal`.
    #[error("what was to be sent could not be read: {0}")]
    Source(#[source] io::Error),
    /// The stream ended first.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

impl Body {
    /// All that a reader gives, such as a file.
    pub fn reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::new(Source::Reader(Box::pin(reader)), Bytes::new(), None)
    }

    /// Pieces as they come. An error is that of the sending, as a [`BodyError::Source`].
    pub fn stream<B, E>(pieces: impl Stream<Item = Result<B, E>> + Send + 'static) -> Self
    where
        B: Into<Bytes> + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let pieces = pieces.map_ok(Into::into).map_err(io::Error::other);
        Self::new(Source::Stream(Box::pin(pieces)), Bytes::new(), None)
    }

    /// Says how many bytes there will be, where it does not know itself. It is only told, never checked.
    pub fn with_total(mut self, total: u64) -> Self {
        self.total = Some(total);
        self
    }

    /// Calls this after each piece of at most 64 KiB.
    pub fn on_progress(mut self, call: impl FnMut(Progress) + Send + 'static) -> Self {
        self.on_progress = Some(Box::new(call));
        self
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress { sent: self.sent, total: self.total }
    }

    /// Writes all of it to a stream, which it finishes; the number of bytes. If it cannot be read it fails the stream. Dropped, it has written a part.
    ///
    /// # Errors
    /// [`BodyError::Stream`] as soon as `stopped` resolves, also while the body gives nothing, or with that of `write`.
    pub async fn pour<S>(
        mut self,
        stream: &mut S,
        stopped: impl AsyncFn(&S) -> StreamError,
        write: impl AsyncFn(&mut S, Bytes) -> Result<(), StreamError>,
        finish: impl FnOnce(&mut S),
        fail: impl FnOnce(&mut S),
    ) -> Result<u64, BodyError> {
        loop {
            let piece = tokio::select! {
                biased;
                end = stopped(stream) => return Err(end.into()),
                piece = self.piece() => piece,
            };
            match piece {
                Ok(Some(piece)) => {
                    let bytes = piece.len();
                    write(stream, piece).await?;
                    self.took(bytes);
                }
                Ok(None) => {
                    finish(stream);
                    return Ok(self.sent);
                }
                Err(error) => {
                    fail(stream);
                    return Err(BodyError::Source(error));
                }
            }
        }
    }

    /// The stream took so many bytes.
    fn took(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        let progress = self.progress();
        if let Some(call) = &mut self.on_progress {
            call(progress);
        }
    }

    fn new(source: Source, rest: Bytes, total: Option<u64>) -> Self {
        Self { source, rest, total, sent: 0, on_progress: None }
    }

    /// The next piece, 1 to 65,536 bytes; nothing at the end. Cancel-safe.
    async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        while self.rest.is_empty() {
            self.rest = match &mut self.source {
                Source::Nothing => return Ok(None),
                Source::Reader(reader) => {
                    let mut piece = BytesMut::with_capacity(PIECE_MAX);
                    if reader.read_buf(&mut piece).await? == 0 {
                        return Ok(None);
                    }
                    piece.freeze()
                }
                Source::Stream(pieces) => match pieces.next().await {
                    Some(piece) => piece?,
                    None => return Ok(None),
                },
            };
        }
        Ok(Some(self.rest.split_to(self.rest.len().min(PIECE_MAX))))
    }
}

/// Longer pieces are cut.
const PIECE_MAX: usize = 64 * 1024;

impl<B: Into<Bytes>> From<B> for Body {
    fn from(bytes: B) -> Self {
        let bytes = bytes.into();
        let total = bytes.len() as u64;
        Self::new(Source::Nothing, bytes, Some(total))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("progress", &self.progress()).finish_non_exhaustive()
    }
}
