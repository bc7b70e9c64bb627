//! What can go wrong, one small enum per boundary.

use std::io;

use crate::Code;

/// How a peer broke the protocol. Each ends its session with GO_AWAY(1), and nobody else's.
///
/// See [`Header`](crate::Header).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// A header's version is not 0.
    #[error("unknown yamux version")]
    Version,
    /// A header's type is none of the four.
    #[error("unknown frame type")]
    Type,
    /// DATA or WINDOW_UPDATE on stream 0, which is the session itself.
    #[error("stream frame on stream 0")]
    StreamZero,
    /// The peer opened a stream with an id that is ours to give.
    #[error("stream id of the wrong parity")]
    Parity,
    /// The peer opened a stream whose id is in use.
    #[error("stream id already in use")]
    Reuse,
    /// The peer sent more than it had credit for.
    #[error("receive window exceeded")]
    Window,
    /// The peer gave more credit than 32 bits hold.
    #[error("send credit overflows")]
    CreditOverflow,
    /// The peer sent DATA on a stream that it had finished.
    #[error("data behind its own finish")]
    AfterFin,
}

impl Violation {
    /// Its stable name, as the shared vectors have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Type => "type",
            Self::StreamZero => "stream_zero",
            Self::Parity => "parity",
            Self::Reuse => "reuse",
            Self::Window => "window",
            Self::CreditOverflow => "credit_overflow",
            Self::AfterFin => "after_fin",
        }
    }
}

/// Why no stream can be opened.
///
/// See [`Counts`](crate::Counts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Every id of this session was used: open another session.
    #[error("stream ids are used up, open a new session")]
    Exhausted,
    /// One side said GO_AWAY, or the session has ended.
    #[error("the session takes no more streams")]
    GoneAway,
}

/// Why a session counts as dead.
///
/// See [`Config`](crate::Config).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dead {
    /// Nothing came from the peer for too long.
    #[error("nothing heard from the peer for too long")]
    Silent,
    /// The peer did not answer a ping in time.
    #[error("a ping was not answered")]
    Unanswered,
}

/// Why a stream cannot go on. A clean finish is never one of these.
///
/// ```
/// use std::io;
///
/// use browser_stream_mux::{Code, StreamError};
///
/// let error = StreamError::Reset(Code::Busy.number());
/// assert_eq!(error.to_string(), "stream reset: busy");
/// // Who uses the stream as `AsyncRead + AsyncWrite` finds it in the error.
/// let error = io::Error::from(error);
/// let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
/// assert_eq!(inner, Some(&StreamError::Reset(9)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// One side reset the stream, with this code.
    #[error("stream reset: {}", describe(*.0))]
    Reset(u32),
    /// The session ended under the stream.
    #[error("stream lost: its session ended")]
    Lost,
    /// We finished this direction before.
    #[error("stream already finished for writing")]
    Finished,
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match error {
            StreamError::Reset(_) => io::ErrorKind::ConnectionReset,
            StreamError::Lost => io::ErrorKind::ConnectionAborted,
            StreamError::Finished => io::ErrorKind::BrokenPipe,
        };
        Self::new(kind, error)
    }
}

/// Why no whole frame (an open, a reply or a note) could be read from a stream.
///
/// ```
/// use browser_stream_mux::{Config, FrameError, Role, Session};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (here, there) = tokio::io::duplex(1024);
/// let (opener, driver) = Session::new(here, Role::Opener, Config::default());
/// tokio::spawn(driver);
/// let (acceptor, driver) = Session::new(there, Role::Acceptor, Config::default());
/// tokio::spawn(driver);
///
/// let mut stream = opener.open()?;
/// stream.write_frame(br#"{"path":"/here"}"#);
/// let mut other = acceptor.accept().await.ok_or("the session is over")?;
/// assert_eq!(other.read_frame(10).await, Err(FrameError::TooLong(16)));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The frame says that it is longer than what the reader takes; its length in bytes.
    #[error("frame of {0} bytes is too long")]
    TooLong(usize),
    /// The peer finished before a whole frame came.
    #[error("the peer finished in the middle of a frame or before it")]
    Finished,
    /// The stream itself ended.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// Why a session ended.
///
/// ```
/// use browser_stream_mux::{Config, Role, Session, SessionError};
/// use tokio::io::AsyncWriteExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (here, mut there) = tokio::io::duplex(1024);
/// let (_session, driver) = Session::new(here, Role::Acceptor, Config::default());
/// there.write_all(b"GET / HTTP/1.1\r\n").await?; // no yamux at all
/// let over = driver.await;
/// assert!(matches!(over, Err(SessionError::Violation(_))), "{over:?}");
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The peer broke the protocol.
    #[error("protocol violated: {0}")]
    Violation(#[from] Violation),
    /// The peer went silent.
    #[error(transparent)]
    Dead(#[from] Dead),
    /// The peer ended the session with this GO_AWAY code (1 protocol, 2 internal).
    #[error("the peer went away with code {0}")]
    GoneAway(u32),
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn describe(code: u32) -> String {
    match (code, Code::from_number(code)) {
        (0, _) => Code::Cancelled.to_string(),
        (_, Some(code)) => code.to_string(),
        (number, None) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_says_its_code_and_zero_reads_as_cancelled() {
        assert_eq!(StreamError::Reset(9).to_string(), "stream reset: busy");
        assert_eq!(StreamError::Reset(0).to_string(), "stream reset: cancelled");
        assert_eq!(StreamError::Reset(4001).to_string(), "stream reset: 4001");
    }

    #[test]
    fn an_io_error_keeps_the_stream_error_as_its_source() {
        let error = io::Error::from(StreamError::Reset(4001));
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<StreamError>());
        assert_eq!(inner, Some(&StreamError::Reset(4001)));
    }
}
