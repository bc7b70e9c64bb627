//! The thin shell: one connection over anything that reads and writes, driven by one future.

mod drive;
mod owner;

use std::{pin::pin, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Cell, Config, Host, OpenError, Role, SessionError, Stream, StreamId};
use drive::{now, run};
use owner::Owner;

/// A handle on one session; clones are the same session. When the last is dropped nothing can be opened or accepted any more,
/// and the session ends with its last stream.
///
/// ```
/// use browser_stream_mux::{Config, Role, Session};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (here, there) = tokio::io::duplex(1024);
/// let (opener, driver) = Session::new(here, Role::Opener, Config::default());
/// tokio::spawn(driver);
/// let (acceptor, driver) = Session::new(there, Role::Acceptor, Config::default());
/// tokio::spawn(driver);
///
/// let mut stream = opener.open().map_err(std::io::Error::other)?;
/// stream.write_all(b"ping").await?;
/// stream.finish();
/// let mut text = String::new();
/// acceptor.accept().await.ok_or(std::io::ErrorKind::BrokenPipe)?.read_to_string(&mut text).await?;
/// assert_eq!(text, "ping");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Session {
    owner: Arc<Owner>,
    _handle: Arc<Handle>,
}

struct Handle(Arc<Owner>);

impl Session {
    /// A session over `io`, and the future that drives it: spawn it. It resolves when the session is over; dropping it loses every stream.
    pub fn new<IO>(io: IO, role: Role, config: Config) -> (Self, impl Future<Output = Result<(), SessionError>> + use<IO>)
    where
        IO: AsyncRead + AsyncWrite,
    {
        let owner = Arc::new(Owner::new(role, config));
        let handle = Arc::new(Handle(Arc::clone(&owner)));
        (Self { owner: Arc::clone(&owner), _handle: handle }, run(owner, io))
    }

    /// Opens a stream; data may be written at once.
    pub fn open(&self) -> Result<Stream, OpenError> {
        let cell = Cell::new();
        let id = self.owner.core.lock().connection.open(Some(Arc::clone(&cell)))?;
        self.owner.write.notify_one();
        Ok(self.stream(id, cell))
    }

    /// The next stream that the peer opened; `None` when the session is over. Cancel-safe.
    pub async fn accept(&self) -> Option<Stream> {
        loop {
            let mut notified = pin!(self.owner.accept.notified());
            notified.as_mut().enable();
            {
                let mut core = self.owner.core.lock();
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
        self.owner.core.lock().connection.ping(now());
        self.owner.write.notify_one();
        self.owner.timer.notify_one();
    }

    /// Ends the session: what credit allows still leaves, then GO_AWAY(0); streams that live on are lost.
    pub fn close(&self) {
        self.owner.core.lock().close();
        self.owner.write.notify_one();
    }

    /// Ends the session when no stream lives any more, as if nobody held it; the peer may open streams until then.
    pub fn retire(&self) {
        self.owner.core.lock().retiring = true;
        self.owner.write.notify_one();
    }

    /// The peer says why it fails a stream: see [`Cell::failed`]. Nothing happens where the stream is over.
    pub fn failed(&self, id: StreamId, code: u32, why: &str) {
        let cell = self.owner.core.lock().connection.value(id).and_then(Clone::clone);
        if let Some(cell) = cell {
            cell.failed(code, why);
        }
    }

    /// Resets a stream that was abandoned here before.
    pub fn reset(&self, id: StreamId, code: u32) {
        Host::reset(&*self.owner, id, code);
    }

    fn stream(&self, id: StreamId, cell: Arc<Cell>) -> Stream {
        Stream::new(id, cell, Arc::clone(&self.owner) as Arc<dyn Host>)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.leave();
    }
}
