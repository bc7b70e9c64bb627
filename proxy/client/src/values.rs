//! Streams of values instead of bytes, as a page's `stream.values(codec)`.
//!
//! Each value stands behind its length, a big-endian `u32`: PROTOCOL.md, "Values".
//!
//! See [`Values`].

mod codec;
mod error;
mod json;
mod msgpack;
mod shape;
mod timestamp;
mod value;

use std::io::{self, Cursor};

use bytes::{Buf, BytesMut};
use futures::{Stream, stream};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

pub use codec::Codec;
pub use error::ValueError;
pub use json::Json;
pub use msgpack::MsgPack;
pub use timestamp::Timestamp;
pub use value::Value;

/// Values over a stream of bytes: whatever is `AsyncRead` gives them, whatever is `AsyncWrite` takes them.
///
/// ```no_run
/// use browser_stream_client::{Stream, values::{MsgPack, Timestamp, Values}};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Photo {
///     name: String,
///     taken: Timestamp,   // a Date in a page
///     pixels: bytes::Bytes, // a Uint8Array in a page; a Vec<u8> would be an array of numbers
/// }
///
/// # async fn example(stream: Stream) -> anyhow::Result<()> {
/// let mut values = Values::new(stream, MsgPack);
/// while let Some(photo) = values.next::<Photo>().await? {
///     values.send(&photo).await?;
/// }
/// values.finish().await?;
/// # Ok(()) }
/// ```
///
/// To read and write at the same time, split the stream (`tokio::io::split`) and make one of each half. A type of one's own says what a value must be;
/// [`Value`] takes any.
#[derive(Debug)]
pub struct Values<S, C> {
    stream: S,
    codec: C,
    max: u32,
    /// What came and is no value yet: never more than has come, and one read.
    incoming: BytesMut,
    /// The value that is being sent, and how much of it has left.
    outgoing: Cursor<Vec<u8>>,
}

/// The most bytes that an encoded value has, unless told otherwise.
const MAX: u32 = 1024 * 1024;
/// Bytes of the length.
const HEAD: usize = 4;
/// Room that is made for a read.
const READ: usize = 16 * 1024;
/// What stays allocated after a large value has left.
const KEEP: usize = 64 * 1024;

impl<S, C> Values<S, C> {
    /// Values of at most 1 MiB each. Nothing may have been read or written that the far side's codec does not know of.
    pub fn new(stream: S, codec: C) -> Self {
        Self { stream, codec, max: MAX, incoming: BytesMut::new(), outgoing: Cursor::default() }
    }

    /// Another bound for one encoded value, in bytes, either way.
    pub fn max(self, bytes: u32) -> Self {
        Self { max: bytes, ..self }
    }

    /// The stream, for its ends: to reset it, to ask what it is. Bytes read or written here break the values.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream. What came behind the last value that was read is lost.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin, C: Codec> Values<S, C> {
    /// The next value; `None` when the other side has finished. Cancel-safe.
    ///
    /// # Errors
    /// [`ValueError::TooLarge`] by its length, before its bytes came: nothing more can be read then. [`ValueError::Bad`] for what is no value, or none of type `T`,
    /// after which the next one can be read, and for one that the end of the stream cuts. [`ValueError::Stream`] as the stream failed.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ValueError> {
        loop {
            if let Some(length) = self.length()?
                && self.incoming.len() >= HEAD + length
            {
                self.incoming.advance(HEAD);
                return self.codec.decode(&self.incoming.split_to(length)).map(Some).map_err(ValueError::Bad);
            }
            // Grows by doubling with what has come, not by what was announced.
            self.incoming.reserve(READ);
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return if self.incoming.is_empty() { Ok(None) } else { Err(self.cut()) };
            }
        }
    }

    /// The values that come in, as a `futures::Stream`; it ends behind its first error.
    pub fn into_stream<T: DeserializeOwned>(self) -> impl Stream<Item = Result<T, ValueError>> {
        stream::try_unfold(self, async |mut values| Ok(values.next().await?.map(|value| (value, values))))
    }

    /// What the next value's bytes are, once its length is there.
    fn length(&self) -> Result<Option<usize>, ValueError> {
        let Some(head) = self.incoming.first_chunk::<HEAD>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head);
        if length > self.max { Err(ValueError::TooLarge { bytes: length.into(), max: self.max }) } else { Ok(Some(length as usize)) }
    }

    fn cut(&mut self) -> ValueError {
        let came = self.incoming.len();
        self.incoming.clear();
        ValueError::Bad(format!("the stream ended within a value, after {came} bytes of its length and itself").into())
    }
}

impl<S: AsyncWrite + Unpin, C: Codec> Values<S, C> {
    /// Sends a value: done when the stream took its bytes, which waits for the reader's credit. Cancelled before that, the value is sent with the next one, or by
    /// [`finish`](Self::finish): none is ever cut.
    ///
    /// # Errors
    /// [`ValueError::TooLarge`] and [`ValueError::Bad`] for what cannot be sent, which harms nothing. [`ValueError::Stream`] as the stream failed.
    pub async fn send<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.drain().await?;
        let framed = self.frame(value);
        if framed.is_err() {
            self.outgoing.get_mut().clear();
        }
        framed?;
        self.drain().await
    }

    /// Ends our direction behind the values that were sent; reading goes on. Cancel-safe.
    ///
    /// # Errors
    /// [`ValueError::Stream`] as the stream failed.
    pub async fn finish(&mut self) -> Result<(), ValueError> {
        self.drain().await?;
        Ok(self.stream.shutdown().await?)
    }

    fn frame<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let bytes = self.outgoing.get_mut();
        bytes.extend([0; HEAD]);
        self.codec.encode(value, bytes).map_err(ValueError::Bad)?;
        let length = bytes.len() - HEAD;
        match u32::try_from(length) {
            Ok(length) if length <= self.max => bytes[..HEAD].copy_from_slice(&length.to_be_bytes()),
            _ => return Err(ValueError::TooLarge { bytes: length as u64, max: self.max }),
        }
        Ok(())
    }

    async fn drain(&mut self) -> Result<(), ValueError> {
        while self.outgoing.has_remaining() {
            if self.stream.write_buf(&mut self.outgoing).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
        }
        self.outgoing.set_position(0);
        self.outgoing.get_mut().clear();
        self.outgoing.get_mut().shrink_to(KEEP);
        Ok(self.stream.flush().await?)
    }
}
