//! What one end of a stream is joined to: a local handle, or the end of another stream.

use std::{fmt, num::NonZeroU32, sync::Arc};

use browser_stream_mux::{Cell, End as Ended, Moved, StreamId};
use bytes::BytesMut;
#[cfg(feature = "admin")]
use uuid::Uuid;

use super::{Answer, Session, clock::Clock, effect::Origin, gather::Spot, ledger::Ledger};

/// The two facets of a stream that the proxy holds, and what wants to know of its end.
#[derive(Default)]
pub(crate) struct End {
    /// Where bytes go that the peer sends.
    pub sink: Sink,
    /// Who puts bytes into the peer's queue.
    pub source: Source,
    /// The peer finished: what it sent is whole, and nothing that comes later may take it away.
    pub peer_finished: bool,
    /// The reply that the proxy has passed on has not left: no reset goes before it.
    pub reply_waits: bool,
    /// It does not keep a session that is to go: what is said on it is about the peer, or both ends carry it on over their next connections.
    pub aside: bool,
    /// One more than the bytes that came from the peer since it opened the stream; `None` once its open is answered.
    pub waiting: Option<NonZeroU32>,
    /// Bytes that lie in the local handle's cell, as far as the session knows: those that came and were not credited.
    pub unread: u32,
    /// Where short payloads of the peer's are put together.
    pub spot: Spot,
    /// When the open direction last moved, on a stream of which the other has finished, by the process's clock ([`Clock`]).
    pub moved_at: Option<NonZeroU32>,
    /// When it began, by that clock.
    #[cfg_attr(not(feature = "admin"), expect(dead_code))]
    pub begun: u32,
    /// Told how the stream ended; dropped with it. Where nobody wants to know, what is known: its [`Path`].
    pub watch: Option<Arc<dyn Watch>>,
}

/// Where bytes go that the peer sends.
#[derive(Default)]
pub(crate) enum Sink {
    /// Nobody wants them: dropped, and never credited.
    #[default]
    Nobody,
    /// The peer has just opened the stream; what has come lies with the effects of the helping that it came in, at this place.
    Fresh(u32),
    /// They are the reply to an open of ours, as much of it as has come; what comes behind it goes where the source is.
    Reply(Option<Box<BytesMut>>),
    /// A local stream reads them.
    Local(Arc<Cell>),
    /// Nobody wants the bytes, but somebody waits for the end.
    Drain(Arc<Cell>),
    /// They go out at the end of another stream.
    Splice(Far),
}

/// Who puts bytes into the peer's queue.
#[derive(Default)]
pub(crate) enum Source {
    /// Nobody.
    #[default]
    Nobody,
    /// A local stream writes them.
    Local(Arc<Cell>),
    /// They come from another stream, as the ledger allows.
    Splice(Ledger),
}

/// The path that a stream was opened with which goes to no server: for whoever runs the proxy. It stands where others [`Watch`], and wants to know nothing.
pub(super) struct Path(#[cfg_attr(not(feature = "admin"), expect(dead_code))] pub Box<str>);

impl Watch for Path {
    #[cfg(feature = "admin")]
    fn path(&self) -> Option<&str> {
        Some(&self.0)
    }
}

/// Where a client's stream goes, for whoever runs the proxy.
#[cfg(feature = "admin")]
pub(crate) struct Destination {
    /// The prefix that its server's name is below.
    pub prefix: String,
    pub name: String,
    /// The path that it was opened with.
    pub path: String,
    /// The client's session, where another node has that.
    pub session: Option<Uuid>,
}

/// The end of a stream of some session.
#[derive(Clone)]
pub(crate) struct Far {
    pub session: Arc<Session>,
    pub id: StreamId,
}

impl Far {
    /// What tells it from others.
    pub fn origin(&self) -> Origin {
        (Arc::as_ptr(&self.session).addr(), self.id)
    }
}

impl fmt::Debug for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {} of session {}", self.id, self.session.id())
    }
}

/// Wants to know how a spliced stream ends. Its drop says that both ends are gone.
pub(crate) trait Watch: Send + Sync + 'static {
    /// The stream ended before both directions had finished. Called without any lock held; the first call counts.
    fn ended(&self, _: Ended) {}

    /// The open that it was asked for is answered, or will not be. Called without any lock held, once.
    fn answered(&self, _: Answer<'_>) {}

    /// So much went over the server's end, which is over. Called under a session's lock: it only counts.
    fn moved(&self, _: Moved) {}

    /// The server that the stream goes to.
    #[cfg(feature = "admin")]
    fn destination(&self) -> Option<Destination> {
        None
    }

    /// The path that it was opened with, where it goes to none.
    #[cfg(feature = "admin")]
    fn path(&self) -> Option<&str> {
        None
    }
}

impl End {
    /// An end with a local handle on both facets.
    pub fn local(cell: &Arc<Cell>) -> Self {
        Self { sink: Sink::Local(cell.clone()), source: Source::Local(cell.clone()), ..Self::default() }
    }

    /// An end for a stream that the peer has just opened.
    pub fn fresh(place: u32, begun: u32) -> Self {
        Self { sink: Sink::Fresh(place), waiting: Some(NonZeroU32::MIN), begun, ..Self::default() }
    }

    /// The open direction of a half-closed stream moves.
    pub fn moves(&mut self, clock: &Clock) {
        if let Some(moved_at) = &mut self.moved_at {
            *moved_at = clock.next();
        }
    }

    /// The local handle that decides what becomes of this stream, if one is left.
    pub fn cell(&self) -> Option<&Arc<Cell>> {
        match (&self.sink, &self.source) {
            (Sink::Local(cell) | Sink::Drain(cell), _) | (_, Source::Local(cell)) => Some(cell),
            _ => None,
        }
    }

    /// The other end of a splice.
    pub fn far(&self) -> Option<&Far> {
        match (&self.sink, &self.source) {
            (Sink::Splice(far), _) => Some(far),
            (_, Source::Splice(ledger)) => Some(&ledger.source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_takes_little_memory() {
        let bytes = size_of::<End>();
        assert!(bytes <= 88, "{bytes} bytes, and there are two to each stream");
    }
}
