//! Why a stream was not opened: in the client's words, too.

pub use browser_stream_protocol::{APPLICATION_CODE_MIN, OpenError, RefusalCode};
