//! Why a value could not be sent or read.

use std::{borrow::Cow, io};

use browser_stream_mux::{Code, StreamError};
use browser_stream_protocol::RefusalCode;

use super::codec::Cause;

/// What is wrong: with a value, or with the stream below.
///
/// ```
/// use browser_stream_client::values::{Json, ValueError, Values};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ValueError> {
/// let (here, there) = tokio::io::duplex(1024);
/// let (mut one, mut other) = (Values::new(here, Json), Values::new(there, Json).max(10));
/// one.send("a text that is too long").await?;
/// match other.next::<String>().await {
///     Err(ValueError::TooLarge { bytes, max }) => assert_eq!((bytes, max), (25, 10)),
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// An encoded value has more bytes than may be.
    #[error("value_too_large: a value of {bytes} bytes, {max} at most: raise `max` at both ends, or send it in parts")]
    TooLarge {
        /// What it has.
        bytes: u64,
        /// What it may have.
        max: u32,
    },
    /// The codec cannot take it, or the stream ended within it.
    #[error("bad_value: {0}")]
    Bad(#[source] Cause),
    /// The stream failed.
    #[error(transparent)]
    Stream(#[from] io::Error),
}

impl ValueError {
    /// The stable code: `value_too_large`, `bad_value`, or as the stream ended (`lost`, `cancelled`, an application's number).
    pub fn code(&self) -> Cow<'static, str> {
        match self {
            Self::TooLarge { .. } => "value_too_large".into(),
            Self::Bad(_) => "bad_value".into(),
            Self::Stream(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<StreamError>()) {
                Some(StreamError::Reset(number)) => RefusalCode::from_number(*number).to_string().into(),
                Some(StreamError::Lost) => Code::Lost.as_str().into(),
                _ => Code::Internal.as_str().into(),
            },
        }
    }
}
