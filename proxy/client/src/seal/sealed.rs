//! A sealed stream: what its program reads and writes, over a carriage of records.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use browser_stream_mux::{Code, StreamError};
use bytes::{Buf, Bytes};
use serde::de::DeserializeOwned;
use tokio::io::ReadBuf;

use super::{
    PublicKey, Tampered,
    handshake::Split,
    record::{Inbound, Outbound},
};
use crate::{carriage::Carriage, wire::Meta};

/// What the other end of a sealed stream said and showed in the handshake.
///
/// ```no_run
/// use browser_stream_client::Connection;
///
/// fn who(connection: &Connection) {
///     let Some(sealed) = connection.sealed() else { return println!("it came unsealed") };
///     println!("{:?} from {:?}", sealed.meta::<String>(), sealed.key().map(|key| key.to_string()));
/// }
/// ```
#[derive(Clone)]
pub struct Sealed {
    pub(crate) meta: Option<Meta>,
    pub(crate) key: Option<PublicKey>,
}

impl Sealed {
    /// What the client said under the seal, as a value; `None` if it said nothing, or something of another shape. Somebody who recorded the open may send it again:
    /// where acting twice on it would hurt, wait for the first bytes of the stream.
    pub fn meta<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.meta.as_ref()?.get()).ok()
    }

    /// The other end's key: the server's, which it has proven; at the server the client's, which is proven with the first bytes that come, or `None` where the client
    /// has none.
    pub fn key(&self) -> Option<PublicKey> {
        self.key
    }
}

/// Without what was said: it is for nobody else, and a log is for many.
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What seals one stream.
pub(crate) struct Seal {
    inbound: Inbound,
    outbound: Outbound,
    /// The rest of a record that the program reads.
    reading: Bytes,
    is_finished: bool,
    /// Something came that the peer did not seal.
    is_broken: Arc<AtomicBool>,
    pub(crate) sealed: Sealed,
}

/// What one call of `poll_write` takes at most.
const WRITE_MAX: usize = 64 * 1024;

impl Seal {
    pub(crate) fn of_client(split: &Split, sealed: Sealed) -> Self {
        Self::new(&split.server, &split.client, sealed)
    }

    pub(crate) fn of_server(split: &Split, sealed: Sealed) -> Self {
        Self::new(&split.client, &split.server, sealed)
    }

    fn new(theirs: &[u8; 32], ours: &[u8; 32], sealed: Sealed) -> Self {
        let (inbound, outbound) = (Inbound::new(theirs), Outbound::new(ours));
        Self { inbound, outbound, reading: Bytes::new(), is_finished: false, is_broken: Arc::default(), sealed }
    }

    pub(crate) fn poll_chunk(&mut self, carriage: &mut Carriage, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>> {
        let is_some = ready!(self.poll_unread(carriage, cx))?;
        Poll::Ready(Ok(is_some.then(|| std::mem::take(&mut self.reading))))
    }

    pub(crate) fn poll_read(&mut self, carriage: &mut Carriage, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.remaining();
        while buffer.remaining() > 0 {
            match self.poll_unread(carriage, cx) {
                Poll::Ready(Ok(true)) => {
                    let length = buffer.remaining().min(self.reading.len());
                    buffer.put_slice(&self.reading[..length]);
                    self.reading.advance(length);
                }
                Poll::Ready(Ok(false)) => break,
                _ if buffer.remaining() < before => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write(&mut self, carriage: &mut Carriage, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(carriage, cx))?;
        let taken = &bytes[..bytes.len().min(WRITE_MAX)];
        self.write(carriage, taken);
        Poll::Ready(Ok(taken.len()))
    }

    /// Takes all of the chunk when there is room for some of it.
    pub(crate) fn poll_write_chunk(
        &mut self,
        carriage: &mut Carriage,
        cx: &mut Context<'_>,
        chunk: &Bytes,
    ) -> Poll<Result<(), StreamError>> {
        ready!(self.poll_room(carriage, cx))?;
        self.write(carriage, chunk);
        Poll::Ready(Ok(()))
    }

    /// Takes these bytes, room or not.
    pub(crate) fn write(&mut self, carriage: &mut Carriage, bytes: &[u8]) {
        if !bytes.is_empty() {
            carriage.write_now(self.outbound.seal(bytes));
        }
    }

    /// Ends our direction: the record that says so, and the carriage's own end behind it.
    pub(crate) fn finish(&mut self, carriage: &mut Carriage) {
        if !std::mem::replace(&mut self.is_finished, true) {
            carriage.write_now(self.outbound.end());
            carriage.finish();
        }
    }

    pub(crate) fn poll_shutdown(&mut self, carriage: &mut Carriage, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish(carriage);
        carriage.poll_shutdown(cx).map_err(|error| if self.is_broken.load(Ordering::Relaxed) { TAMPERED.into() } else { error })
    }

    /// An end of the carriage as its program hears of it.
    pub(crate) fn heard(&self, end: StreamError) -> StreamError {
        heard(&self.is_broken, end)
    }

    /// The same for who hears of it without us.
    pub(crate) fn hears(&self) -> impl Fn(StreamError) -> StreamError + Send + use<> {
        let is_broken = Arc::clone(&self.is_broken);
        move |end| heard(&is_broken, end)
    }

    fn poll_room(&self, carriage: &Carriage, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        carriage.poll_room(cx).map_err(|end| self.heard(end))
    }

    /// Makes sure that `reading` has something; false when the peer finished, and had said that it would.
    fn poll_unread(&mut self, carriage: &mut Carriage, cx: &mut Context<'_>) -> Poll<Result<bool, StreamError>> {
        while self.reading.is_empty() {
            if self.is_broken.load(Ordering::Relaxed) {
                return Poll::Ready(Err(TAMPERED));
            }
            match self.inbound.next() {
                Ok(Some(record)) => self.reading = record,
                Err(Tampered) => return Poll::Ready(Err(self.broken(carriage))),
                Ok(None) => match ready!(carriage.poll_chunk(cx)).map_err(|end| self.heard(end))? {
                    Some(chunk) => self.inbound.received(&chunk),
                    None if self.inbound.finished().is_ok() => return Poll::Ready(Ok(false)),
                    None => return Poll::Ready(Err(self.broken(carriage))),
                },
            }
        }
        Poll::Ready(Ok(true))
    }

    fn broken(&self, carriage: &mut Carriage) -> StreamError {
        self.is_broken.store(true, Ordering::Relaxed);
        carriage.reset(Code::BadRequest.number());
        TAMPERED
    }
}

const TAMPERED: StreamError = StreamError::Reset(Code::Tampered as u32);

/// What we found out ourselves comes first; that it was tampered with nobody else can say.
fn heard(is_broken: &AtomicBool, end: StreamError) -> StreamError {
    match end {
        _ if is_broken.load(Ordering::Relaxed) => TAMPERED,
        StreamError::Reset(number) if number == Code::Tampered.number() || number == Code::KeyChanged.number() => {
            StreamError::Reset(Code::Internal.number())
        }
        end => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_under_the_seal_is_not_shown() {
        let meta = serde_json::value::to_raw_value(&"whispered").unwrap();
        let sealed = Sealed { meta: Some(meta), key: Some(PublicKey([1; 32])) };
        let shown = format!("{sealed:?}");
        assert!(!shown.contains("whispered") && shown.contains(&PublicKey([1; 32]).to_string()), "{shown}");
    }
}
