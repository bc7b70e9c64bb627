//! Why a mux failed.

use browser_stream_mux::{Code, SessionError, Violation};

/// Why a mux over a stream ended, if neither end closed it.
///
/// ```
/// use browser_stream_client::{MuxDemux, MuxError, Role};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (here, there) = tokio::io::duplex(1024);
/// let (one, _incoming) = MuxDemux::over(here, Role::Client);
/// let (_other, _incoming) = MuxDemux::over(there, Role::Server);
/// one.abort();
/// assert_eq!(one.closed().await, Err(MuxError::Aborted));
/// assert_eq!(MuxError::Aborted.code().as_str(), "cancelled");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MuxError {
    /// Both ends have the same [`Role`](crate::Role): one is to be the client, the other the server.
    #[error("both ends say that they are the same: one is Role::Client, the other Role::Server")]
    SameRole,
    /// The other end does not speak our protocol.
    #[error("the other end broke the protocol: {0}")]
    Protocol(Violation),
    /// The other end says that we broke the protocol.
    #[error("the other end could not follow us; perhaps both ends have the same role")]
    Rejected,
    /// What carried the mux broke.
    #[error("what carries the mux failed: {0}")]
    Lost(String),
    /// It was aborted here.
    #[error("the mux was aborted")]
    Aborted,
}

impl MuxError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::SameRole | Self::Rejected => Code::BadRequest,
            Self::Protocol(_) => Code::Internal,
            Self::Lost(_) => Code::Lost,
            Self::Aborted => Code::Cancelled,
        }
    }
}

impl From<SessionError> for MuxError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Violation(Violation::Parity) => Self::SameRole,
            SessionError::Violation(violation) => Self::Protocol(violation),
            SessionError::GoneAway(_) => Self::Rejected,
            SessionError::Dead(_) | SessionError::Io(_) => Self::Lost(error.to_string()),
        }
    }
}
