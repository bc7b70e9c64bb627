//! What can go wrong, one small enum per operation.

use browser_stream_mux::{BodyError, Code};
use browser_stream_protocol::{BadName, OpenError, RefusalCode};

use crate::{DialError, answer::Unanswered, peer::Closed};

/// Why a client got no stream.
///
/// ```no_run
/// use browser_stream_client::{Code, ConnectError, StreamClient};
///
/// # async fn example(client: StreamClient) {
/// match client.connect("NAME").await {
///     Ok(stream) => drop(stream),
///     Err(ConnectError::Refused(error)) if error.is(Code::NotFound) => println!("nobody serves it"),
///     Err(ConnectError::Refused(error)) => println!("{}", error.message), // for people: it says what to do
///     Err(ConnectError::Lost) => println!("the connection broke before the answer: try again"),
///     Err(error) => println!("{}: {error}", error.code()),
/// }
/// # }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No server can have that name.
    #[error("no such name: {0}")]
    Name(#[from] BadName),
    /// The proxy or the server said no, or nobody answered in time, or the open could not be sent as it is.
    #[error("refused: {0}")]
    Refused(#[from] OpenError),
    /// The connection to the proxy broke before there was an answer. The server may have taken the stream, and lost it.
    #[error("the connection to the proxy broke before there was an answer")]
    Lost,
    /// The peer has no connection any more and makes none: it was closed, or the proxy refused it for good.
    #[error("the peer is closed{}", cause(.0))]
    Closed(Option<DialError>),
}

/// Why something was not sent to a server as a whole.
///
/// ```no_run
/// use browser_stream_client::{BodyError, SendError, StreamClient};
///
/// # async fn example(client: StreamClient) {
/// match client.send("NAME", "all of it", &"a note").await {
///     Ok(stream) => drop(stream), // to read what the server answers
///     Err(SendError::Connect(error)) => println!("nothing was sent: {error}"),
///     Err(SendError::Body(BodyError::Source(error))) => println!("it could not be read: {error}"),
///     Err(SendError::Body(error)) => println!("not all of it was taken: {error}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No stream came of it.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The stream ended first, or the body could not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// Why a name is not, or no longer, a server's.
///
/// ```no_run
/// use browser_stream_client::{Code, ListenError, StreamServer};
///
/// # async fn example(server: StreamServer) {
/// match server.listen("NAME").await {
///     Ok(listener) => drop(listener),
///     Err(ListenError::Refused(error)) if error.is(Code::NameTaken) => println!("another serves it: choose another name, or stand by"),
///     Err(ListenError::Superseded) => println!("another copy of this program has it now"),
///     Err(error) => println!("{}: {error}", error.code()),
/// }
/// # }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// No server can have that name.
    #[error("no such name: {0}")]
    Name(#[from] BadName),
    /// The proxy did not give the name, or did not give it back, or did not answer in time.
    #[error("refused: {0}")]
    Refused(#[from] OpenError),
    /// Another program used the same lease later: it has the name now.
    #[error("another holder of the lease took the name over")]
    Superseded,
    /// An operator of the proxy took the name away.
    #[error("the proxy took the name back")]
    Released,
    /// The peer has no connection any more and makes none: it was closed, or the proxy refused it for good.
    #[error("the peer is closed{}", cause(.0))]
    Closed(Option<DialError>),
}

impl ConnectError {
    /// The stable code.
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Name(_) => Code::BadRequest.into(),
            Self::Refused(error) => error.code,
            Self::Lost => Code::Lost.into(),
            Self::Closed(error) => closed(error).into(),
        }
    }
}

impl ListenError {
    /// The stable code.
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Name(_) => Code::BadRequest.into(),
            Self::Refused(error) => error.code,
            Self::Superseded => Code::Superseded.into(),
            Self::Released => Code::Gone.into(),
            Self::Closed(error) => closed(error).into(),
        }
    }
}

impl From<Closed> for ConnectError {
    fn from(Closed(error): Closed) -> Self {
        Self::Closed(error)
    }
}

impl From<Unanswered> for ConnectError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Refused(error) => Self::Refused(error),
            Unanswered::Lost => Self::Lost,
        }
    }
}

impl From<Closed> for ListenError {
    fn from(Closed(error): Closed) -> Self {
        Self::Closed(error)
    }
}

fn closed(error: &Option<DialError>) -> Code {
    error.as_ref().map_or(Code::Cancelled, DialError::code)
}

fn cause(error: &Option<DialError>) -> String {
    error.as_ref().map(|error| format!(": {error}")).unwrap_or_default()
}
