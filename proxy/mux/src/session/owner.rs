//! Owns the connection of one session, for its handles, its streams and the future that drives it.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{Cell, Code, Config, Connection, End, Event, Host, Outbound, Role, StreamId, View, Violation, session::drive::now};

pub(super) struct Owner {
    pub(super) core: Mutex<Core>,
    /// The writer has something to look at.
    pub(super) write: Notify,
    /// A deadline moved closer.
    pub(super) timer: Notify,
    pub(super) accept: Notify,
}

pub(super) struct Core {
    pub(super) connection: Connection<Option<Arc<Cell>>>,
    pub(super) accepted: VecDeque<(StreamId, Arc<Cell>)>,
    handles_gone: bool,
    /// The session ends with its last stream, although it is held.
    pub(super) retiring: bool,
    pub(super) closing: bool,
    pub(super) over: bool,
    /// What the peer's GO_AWAY said.
    pub(super) peer_code: u32,
}

/// Streams that a peer may have open, or waiting to be accepted; the next one is refused `limit`. As many as in the browser library: a server's
/// 10,000 clients must fit.
const STREAMS_MAX: usize = 16 * 1024;
/// What is put together for one write.
const WRITE_MAX: usize = 256 * 1024;

impl Host for Owner {
    fn send(&self, id: StreamId, bytes: Bytes) {
        self.act(|connection| connection.send(id, bytes));
    }

    fn send_all(&self, id: StreamId, chunks: &mut dyn Iterator<Item = Bytes>) {
        self.act(|connection| chunks.fold(false, |_, bytes| connection.send(id, bytes)));
    }

    fn finish(&self, id: StreamId) {
        self.act(|connection| connection.finish(id));
    }

    fn reset(&self, id: StreamId, code: u32) {
        self.act(|connection| connection.reset(id, code));
    }

    fn reset_behind(&self, id: StreamId, code: u32) {
        self.act(|connection| connection.reset_behind(id, code));
    }

    fn set_priority(&self, id: StreamId, priority: u8) {
        self.core.lock().connection.set_priority(id, priority);
    }

    fn consumed(&self, id: StreamId, bytes: u32) {
        self.act(|connection| {
            connection.consumed(id, bytes);
            true
        });
    }
}

impl Owner {
    pub(super) fn new(role: Role, config: Config) -> Self {
        let core = Core {
            connection: Connection::new(role, config, now()),
            accepted: VecDeque::new(),
            handles_gone: false,
            retiring: false,
            closing: false,
            over: false,
            peer_code: 0,
        };
        Self { core: Mutex::new(core), write: Notify::new(), timer: Notify::new(), accept: Notify::new() }
    }

    /// The last handle is gone: what nobody accepted is refused.
    pub(super) fn leave(&self) {
        let mut core = self.core.lock();
        core.handles_gone = true;
        for (id, _) in std::mem::take(&mut core.accepted) {
            core.connection.reset(id, Code::Gone.number());
        }
        core.settle();
        drop(core);
        self.write.notify_one();
    }

    fn act(&self, action: impl FnOnce(&mut Connection<Option<Arc<Cell>>>) -> bool) {
        let mut core = self.core.lock();
        action(&mut core.connection);
        core.settle();
        let write = core.has_work();
        drop(core);
        if write {
            self.write.notify_one();
        }
    }

    /// Feeds what was read to the streams. The cells are fed after the lock is released; there is one reader, so their order holds.
    pub(super) fn feed(&self, mut input: Bytes) -> Result<(), Violation> {
        let mut feeds = Vec::new();
        let mut core = self.core.lock();
        let accepted_before = core.accepted.len();
        let result = loop {
            match core.connection.receive(&mut input, now()) {
                Ok(Some(event)) => {
                    if event == Event::Pong {
                        self.timer.notify_one();
                    }
                    feeds.extend(core.event(event));
                }
                Ok(None) => break Ok(()),
                Err(violation) => break Err(violation),
            }
        };
        core.settle();
        let write = core.has_work();
        let accepted = core.accepted.len() > accepted_before;
        drop(core);
        for (cell, feed) in feeds {
            feed.into_cell(&cell);
        }
        if accepted {
            self.accept.notify_waiters();
        }
        if write {
            self.write.notify_one();
        }
        result
    }

    /// Fills `out` with what may leave and tells the writers of those bytes.
    pub(super) fn fill(&self, out: &mut Outbound) -> Next {
        let mut core = self.core.lock();
        let mut sent = Vec::new();
        let mut leaves =
            |_: StreamId, _: View, cell: &mut Option<Arc<Cell>>, bytes: u32| sent.extend(cell.clone().map(|cell| (cell, bytes)));
        let mut filled = core.connection.transmit_with(WRITE_MAX, out, &mut leaves);
        filled |= core.connection.mark(now, out);
        let closing = core.closing || core.is_left();
        if closing && !filled {
            if core.over {
                return Next::Close;
            }
            core.over = true;
            core.connection.go_away(0);
            filled = core.connection.transmit_with(WRITE_MAX, out, &mut leaves);
        }
        core.settle();
        drop(core);
        for (cell, bytes) in sent {
            cell.sent(bytes as usize);
        }
        if filled { Next::Write } else { Next::Wait }
    }

    /// Nothing is written after what is queued now, but for a GO_AWAY that waits already.
    pub(super) fn close_after_violation(&self) {
        let mut core = self.core.lock();
        (core.closing, core.over) = (true, true);
        drop(core);
        self.write.notify_one();
    }

    /// The session is over: every stream that lives is lost.
    pub(super) fn lose(&self) {
        let mut core = self.core.lock();
        core.over = true;
        let cells: Vec<_> = core.connection.drain(None).filter_map(|(_, cell, _)| cell).collect();
        drop(core);
        for cell in cells {
            cell.ended(End::Lost);
        }
        self.accept.notify_waiters();
    }
}

impl Core {
    /// Nothing is opened any more; what credit allows still leaves.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.connection.hasten();
    }

    fn event(&mut self, event: Event) -> Option<(Arc<Cell>, Feed)> {
        let (id, feed) = match event {
            Event::Opened(id) => {
                self.opened(id);
                return None;
            }
            Event::Data(id, bytes) => (id, Feed::Data(bytes)),
            Event::Finished(id) => (id, Feed::Finished),
            Event::Reset(id, code) => (id, Feed::Reset(code)),
            Event::GoAway(code) => {
                self.peer_code = code;
                return None;
            }
            Event::Credit(_) | Event::Pong => return None,
        };
        let cell = self.connection.value(id)?.clone()?;
        Some((cell, feed))
    }

    fn opened(&mut self, id: StreamId) {
        if self.handles_gone {
            self.connection.reset(id, Code::Gone.number());
        } else if self.connection.opened_by_peer().max(self.accepted.len()) > STREAMS_MAX {
            self.connection.reset(id, Code::Limit.number());
        } else if let Some(value) = self.connection.value_mut(id) {
            let cell = Cell::new();
            *value = Some(Arc::clone(&cell));
            self.accepted.push_back((id, cell));
        }
    }

    /// Lets go of the streams that ended; whoever must know of it was told by the event.
    fn settle(&mut self) {
        while self.connection.ended().is_some() {}
    }

    fn has_work(&self) -> bool {
        self.connection.wants_transmit() || self.is_left()
    }

    /// Whether the last stream was the last of all.
    fn is_left(&self) -> bool {
        (self.handles_gone || self.retiring) && self.connection.is_empty()
    }
}

enum Feed {
    Data(Bytes),
    Finished,
    Reset(u32),
}

impl Feed {
    fn into_cell(self, cell: &Cell) {
        match self {
            Self::Data(bytes) => cell.data(bytes),
            Self::Finished => cell.finished(),
            Self::Reset(code) => cell.ended(End::Reset(code)),
        }
    }
}

/// What the writer does next.
pub(super) enum Next {
    Write,
    Wait,
    Close,
}
