//! The answer to a stream that we opened.

use browser_stream_mux::{Code, FrameError, Stream, StreamError};
use browser_stream_protocol::{OpenError, RefusalCode};
use serde::de::DeserializeOwned;

use crate::wire::{BODY_MAX, reply};

/// Why a stream that we opened was not accepted.
#[derive(Debug)]
pub(crate) enum Unanswered {
    Refused(OpenError),
    /// The session ended before the answer.
    Lost,
}

/// Reads the reply on a stream that we opened. Cancel-safe.
pub(crate) async fn answer<T: DeserializeOwned>(stream: &mut Stream) -> Result<T, Unanswered> {
    let internal = |why| Err(Unanswered::Refused(OpenError::new(Code::Internal, why)));
    match stream.read_frame(BODY_MAX).await {
        Ok(Some(body)) => reply(&body).map_err(Unanswered::Refused),
        Ok(None) | Err(FrameError::Finished) => internal("the stream ended without an answer"),
        Err(FrameError::TooLong(_)) => internal("the answer is too long"),
        Err(FrameError::Stream(StreamError::Reset(number))) => {
            let code = match RefusalCode::from_number(number) {
                RefusalCode::Known(Code::Tampered | Code::KeyChanged) => Code::Internal.into(),
                code => code,
            };
            Err(Unanswered::Refused(OpenError { code, message: "the stream was reset before it was answered".into() }))
        }
        Err(FrameError::Stream(StreamError::Lost | StreamError::Finished)) => Err(Unanswered::Lost),
    }
}
