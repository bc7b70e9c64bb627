//! The thin shell: one connection over anything that reads and writes, driven by one future.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Cell, Code, Config, Connection, Dead, End, Event, Host, OpenError, Outbound, Role, SessionError, Stream, StreamId, Violation,
};

/// A handle on one session; clones are the same session. When the last is dropped nothing can be opened or accepted any more,
/// and the session ends with its last stream.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    _handle: Arc<Handle>,
}

struct Handle(Arc<Shared>);

struct Shared {
    core: Mutex<Core>,
    /// The writer has something to look at.
    write: Notify,
    /// A deadline moved closer.
    timer: Notify,
    accept: Notify,
}

struct Core {
    connection: Connection<Option<Arc<Cell>>>,
    accepted: VecDeque<(StreamId, Arc<Cell>)>,
    handles_gone: bool,
    closing: bool,
    over: bool,
    /// What the peer's GO_AWAY said.
    peer_code: u32,
}

/// Live streams that a peer may have opened; the next one is refused `limit`.
const STREAMS_MAX: usize = 1024;
/// What is put together for one write.
const WRITE_MAX: usize = 256 * 1024;
/// What is asked of one read.
const READ_MAX: usize = 64 * 1024;
/// How long a peer may take to notice that the session was ended.
const FAREWELL_MAX: Duration = Duration::from_secs(1);
/// Slices for one vectored write; systems allow 1,024, more than this gains nothing.
const SLICES_MAX: usize = 64;

impl Session {
    /// A session over `io`, and the future that drives it: spawn it. It resolves when the session is over; dropping it loses every stream.
    pub fn new<IO>(io: IO, role: Role, config: Config) -> (Self, impl Future<Output = Result<(), SessionError>> + use<IO>)
    where
        IO: AsyncRead + AsyncWrite,
    {
        let core = Core {
            connection: Connection::new(role, config, now()),
            accepted: VecDeque::new(),
            handles_gone: false,
            closing: false,
            over: false,
            peer_code: 0,
        };
        let shared = Arc::new(Shared {
            core: Mutex::new(core),
            write: Notify::new(),
            timer: Notify::new(),
            accept: Notify::new(),
        });
        let handle = Arc::new(Handle(Arc::clone(&shared)));
        (Self { shared: Arc::clone(&shared), _handle: handle }, run(shared, io))
    }

    /// Opens a stream; data may be written at once.
    pub fn open(&self) -> Result<Stream, OpenError> {
        let cell = Cell::new();
        let id = self.shared.core.lock().connection.open(Some(Arc::clone(&cell)))?;
        self.shared.write.notify_one();
        Ok(self.stream(id, cell))
    }

    /// The next stream that the peer opened; `None` when the session is over. Cancel-safe.
    pub async fn accept(&self) -> Option<Stream> {
        loop {
            let mut notified = pin!(self.shared.accept.notified());
            notified.as_mut().enable();
            {
                let mut core = self.shared.core.lock();
                if let Some((id, cell)) = core.accepted.pop_front() {
                    return Some(self.stream(id, cell));
                }
                if core.over {
                    return None;
                }
            }
            notified.await;
        }
    }

    /// Asks the peer for a sign of life.
    pub fn ping(&self) {
        self.shared.core.lock().connection.ping(now());
        self.shared.write.notify_one();
        self.shared.timer.notify_one();
    }

    /// Ends the session: what credit allows still leaves, then GO_AWAY(0); streams that live on are lost.
    pub fn close(&self) {
        self.shared.core.lock().closing = true;
        self.shared.write.notify_one();
    }

    fn stream(&self, id: StreamId, cell: Arc<Cell>) -> Stream {
        Stream::new(id, cell, Arc::clone(&self.shared) as Arc<dyn Host>)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut core = self.0.core.lock();
        core.handles_gone = true;
        for (id, _) in std::mem::take(&mut core.accepted) {
            core.connection.reset(id, Code::Gone.number());
        }
        core.settle();
        drop(core);
        self.0.write.notify_one();
    }
}

impl Host for Shared {
    fn send(&self, id: StreamId, bytes: Bytes) {
        self.act(|connection| connection.send(id, bytes));
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

    fn consumed(&self, id: StreamId, bytes: u32) {
        self.act(|connection| {
            connection.consumed(id, bytes);
            true
        });
    }
}

impl Shared {
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
    fn feed(&self, mut input: Bytes) -> Result<(), Violation> {
        let mut feeds = Vec::new();
        let mut core = self.core.lock();
        let accepted_before = core.accepted.len();
        let result = loop {
            match core.connection.receive(&mut input, now()) {
                Ok(Some(event)) => feeds.extend(core.event(event)),
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
    fn fill(&self, out: &mut Outbound) -> Next {
        let mut core = self.core.lock();
        let mut filled = core.connection.transmit(WRITE_MAX, out);
        let closing = core.closing || (core.handles_gone && core.connection.is_empty());
        if closing && !filled {
            if core.over {
                return Next::Close;
            }
            core.over = true;
            core.connection.go_away(0);
            filled = core.connection.transmit(WRITE_MAX, out);
        }
        let sent: Vec<_> = out
            .sent
            .drain(..)
            .filter_map(|(id, bytes)| Some((core.connection.value(id)?.clone()?, bytes)))
            .collect();
        core.settle();
        drop(core);
        for (cell, bytes) in sent {
            cell.sent(bytes as usize);
        }
        if filled { Next::Write } else { Next::Wait }
    }

    /// Nothing is written after what is queued now, but for a GO_AWAY that waits already.
    fn close_after_violation(&self) {
        let mut core = self.core.lock();
        (core.closing, core.over) = (true, true);
        drop(core);
        self.write.notify_one();
    }

    /// The session is over: every stream that lives is lost.
    fn lose(&self) {
        let mut core = self.core.lock();
        core.over = true;
        let cells: Vec<_> = core.connection.drain().filter_map(|(_, cell, _)| cell).collect();
        drop(core);
        for cell in cells {
            cell.ended(End::Lost);
        }
        self.accept.notify_waiters();
    }
}

impl Core {
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
        } else if self.connection.opened_by_peer() > STREAMS_MAX {
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
        self.connection.wants_transmit() || (self.handles_gone && self.connection.is_empty())
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

enum Next {
    Write,
    Wait,
    Close,
}

/// Loses every stream when the driving future is dropped or done.
struct Losing(Arc<Shared>);

impl Drop for Losing {
    fn drop(&mut self) {
        self.0.lose();
    }
}

async fn run<IO: AsyncRead + AsyncWrite>(shared: Arc<Shared>, io: IO) -> Result<(), SessionError> {
    let losing = Losing(Arc::clone(&shared));
    let (mut reader, mut writer) = tokio::io::split(io);
    let result = {
        let mut write = pin!(write(&shared, &mut writer));
        let result = tokio::select! {
            result = read(&shared, &mut reader) => result,
            result = &mut write => result.map_err(SessionError::from).map(|()| Ending::Ours),
            dead = watch(&shared) => Err(dead.into()),
        };
        if matches!(result, Err(SessionError::Violation(_))) {
            shared.close_after_violation();
            // Whether the peer hears of it is its own affair.
            let _ = timeout(FAREWELL_MAX, write).await;
        }
        result
    };
    drop(losing);
    if matches!(result, Ok(Ending::Ours) | Err(SessionError::Violation(_))) {
        let _ = timeout(FAREWELL_MAX, discard(&mut reader)).await;
    }
    result.map(|_| ())
}

enum Ending {
    Ours,
    Peers,
}

async fn read(shared: &Shared, reader: &mut (impl AsyncRead + Unpin)) -> Result<Ending, SessionError> {
    let mut buffer = BytesMut::new();
    loop {
        if buffer.capacity() < READ_MAX / 8 {
            buffer.reserve(READ_MAX);
        }
        if reader.read_buf(&mut buffer).await? == 0 {
            let code = shared.core.lock().peer_code;
            return if code == 0 { Ok(Ending::Peers) } else { Err(SessionError::GoneAway(code)) };
        }
        shared.feed(buffer.split().freeze())?;
    }
}

async fn write(shared: &Shared, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let mut out = Outbound::new();
    loop {
        match shared.fill(&mut out) {
            Next::Write => write_all(writer, &mut out.buffers).await?,
            Next::Wait => {
                writer.flush().await?;
                shared.write.notified().await;
            }
            Next::Close => return writer.shutdown().await,
        }
    }
}

async fn write_all(writer: &mut (impl AsyncWrite + Unpin), buffers: &mut Vec<Bytes>) -> io::Result<()> {
    let mut first = 0;
    while let Some(waiting) = buffers.get(first..).filter(|waiting| !waiting.is_empty()) {
        let slices: Vec<_> = waiting.iter().take(SLICES_MAX).map(|buffer| IoSlice::new(buffer)).collect();
        let mut written = writer.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(buffer) = buffers.get_mut(first).filter(|_| written > 0) {
            let part = written.min(buffer.len());
            buffer.advance(part);
            written -= part;
            first += usize::from(buffer.is_empty());
        }
    }
    buffers.clear();
    Ok(())
}

/// Waits out the deadlines; resolves when the peer is dead.
async fn watch(shared: &Shared) -> Dead {
    loop {
        let deadline = shared.core.lock().connection.deadline();
        let timer = shared.timer.notified();
        match deadline {
            Some(at) => tokio::select! {
                () = sleep_until(Instant::from_std(at)) => {}
                () = timer => {}
            },
            None => timer.await,
        }
        let ticked = shared.core.lock().connection.tick(now());
        if let Err(dead) = ticked {
            return dead;
        }
        shared.write.notify_one();
    }
}

async fn discard(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut scratch = [0; 1024];
    while reader.read(&mut scratch).await? > 0 {}
    Ok(())
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
