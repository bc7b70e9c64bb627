//! The thin shell: one connection over anything that reads and writes, driven by one future.

mod drive;
mod shared;

use std::{pin::pin, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Cell, Config, Host, OpenError, Role, SessionError, Stream, StreamId};
use drive::{now, run};
use shared::Shared;

/// A handle on one session; clones are the same session. When the last is dropped nothing can be opened or accepted any more,
/// and the session ends with its last stream.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    _handle: Arc<Handle>,
}

struct Handle(Arc<Shared>);

impl Session {
    /// A session over `io`, and the future that drives it: spawn it. It resolves when the session is over; dropping it loses every stream.
    pub fn new<IO>(io: IO, role: Role, config: Config) -> (Self, impl Future<Output = Result<(), SessionError>> + use<IO>)
    where
        IO: AsyncRead + AsyncWrite,
    {
        let shared = Arc::new(Shared::new(role, config));
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
        self.0.leave();
    }
}
