//! What a program holds of a resumable stream, and shares with the task that drives it.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use browser_stream_mux::{Code, PRIORITY, StreamError};
use browser_stream_protocol::{APPLICATION_CODE_MIN, OpenError, RefusalCode};
use bytes::{Buf, Bytes};
use futures::task::AtomicWaker;
use parking_lot::{Mutex, MutexGuard};
use tokio::{io::ReadBuf, sync::Notify, time::Instant};

use crate::resume::{Endpoint, Outcome, Reason, State};

/// A stream's endpoint, and who waits for it.
pub(super) struct Shell {
    core: Mutex<Core>,
    /// The task that drives it.
    pub(super) driver: AtomicWaker,
    stopped: Notify,
}

/// Under the shell's lock, which is held for moments only.
pub(super) struct Core {
    pub(super) endpoint: Endpoint,
    /// The rest of a chunk that the program reads.
    reading: Bytes,
    /// The rest of a chunk that the program wrote, until the endpoint has room for it.
    unsent: Bytes,
    is_finished: bool,
    /// The program let go of the stream.
    is_dropped: bool,
    is_told: bool,
    /// For the carriers, each of which is told when it is not what it has.
    pub(super) priority: u8,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Shell {
    pub(super) fn new(endpoint: Endpoint) -> Arc<Self> {
        let core = Core {
            endpoint,
            reading: Bytes::new(),
            unsent: Bytes::new(),
            is_finished: false,
            is_dropped: false,
            is_told: false,
            priority: PRIORITY,
            reader: None,
            writer: None,
        };
        Arc::new(Self { core: Mutex::new(core), driver: AtomicWaker::new(), stopped: Notify::new() })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock()
    }

    /// Tells the program what came of what was done.
    pub(super) fn tell(&self) {
        let mut core = self.core.lock();
        let end = core.end();
        let reads = end.is_some() || core.endpoint.is_readable() || core.endpoint.is_read();
        let writes = end.is_some() || core.room() > 0 || core.is_sent();
        let wakers = [core.reader.take_if(|_| reads), core.writer.take_if(|_| writes)];
        let stops = end.is_some() && !std::mem::replace(&mut core.is_told, end.is_some());
        drop(core);
        wakers.into_iter().flatten().for_each(Waker::wake);
        if stops {
            self.stopped.notify_waiters();
        }
    }

    /// Does something with the endpoint, and has the driver look if that leaves something to be done.
    fn act<R>(&self, action: impl FnOnce(&mut Core) -> R) -> R {
        let mut core = self.core.lock();
        let result = action(&mut core);
        let wants = core.endpoint.current().is_some_and(|carrier| core.endpoint.wants_transmit(carrier));
        drop(core);
        if wants {
            self.driver.wake();
        }
        result
    }
}

impl Core {
    /// Moves on what the program wrote, finished and let go of, as far as there is room.
    pub(super) fn settle(&mut self, now: std::time::Instant) {
        if !self.unsent.is_empty() {
            self.endpoint.write(&mut self.unsent);
        }
        if self.is_finished && self.unsent.is_empty() {
            self.endpoint.finish();
        }
        // Whoever let go of it hears no answer. What was finished arrives first.
        let is_unheard = self.is_dropped && matches!(self.endpoint.state(), State::Opening | State::Live);
        if is_unheard && (!self.is_finished || self.endpoint.is_written()) {
            self.endpoint.reset(Reason::new("cancelled", ""), now);
        }
    }

    /// How the stream ended, unless that was clean.
    fn end(&self) -> Option<StreamError> {
        match self.endpoint.outcome()? {
            Outcome::Clean => None,
            Outcome::Lost { .. } => Some(StreamError::Lost),
            Outcome::Reset { reason, here: false } => Some(StreamError::Reset(error_of_peer(reason).number())),
            Outcome::Reset { reason, here: true } | Outcome::Refused(reason) => Some(StreamError::Reset(error(reason).number())),
        }
    }

    /// The peer has all that was written, and our finish.
    fn is_sent(&self) -> bool {
        self.is_finished && self.unsent.is_empty() && self.endpoint.is_written()
    }

    /// How many bytes may be written now.
    fn room(&self) -> u64 {
        if self.unsent.is_empty() { self.endpoint.writable().min(AHEAD_MAX.saturating_sub(self.endpoint.ahead())) } else { 0 }
    }

    fn poll_room(&mut self, cx: &Context<'_>) -> Poll<Result<usize, StreamError>> {
        if let Some(end) = self.end() {
            return Poll::Ready(Err(end));
        }
        if self.is_finished {
            return Poll::Ready(Err(StreamError::Finished));
        }
        match self.room() {
            0 => {
                self.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            room => Poll::Ready(Ok(usize::try_from(room).unwrap_or(usize::MAX))),
        }
    }

    /// Makes sure that `reading` has something; false when the peer finished.
    fn poll_unread(&mut self, cx: &Context<'_>) -> Poll<Result<bool, StreamError>> {
        if self.reading.is_empty() {
            match self.endpoint.read() {
                Some(chunk) => self.reading = chunk,
                None if self.endpoint.is_read() => return Poll::Ready(Ok(false)),
                None => {
                    self.reader = Some(cx.waker().clone());
                    return self.end().map_or(Poll::Pending, |end| Poll::Ready(Err(end)));
                }
            }
        }
        Poll::Ready(Ok(true))
    }
}

/// A program's end of a resumable stream. Dropped unfinished it is reset `cancelled`.
pub(crate) struct Resumable(Arc<Shell>);

impl Resumable {
    pub(super) fn new(shell: &Arc<Shell>) -> Self {
        Self(Arc::clone(shell))
    }

    pub(crate) fn poll_chunk(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>> {
        self.0.act(|core| {
            core.poll_unread(cx).map_ok(|is_some| {
                let chunk = std::mem::take(&mut core.reading);
                core.endpoint.consumed(chunk.len() as u64);
                is_some.then_some(chunk)
            })
        })
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.remaining();
        self.0.act(|core| {
            while buffer.remaining() > 0 {
                match core.poll_unread(cx) {
                    Poll::Ready(Ok(true)) => {
                        let length = buffer.remaining().min(core.reading.len());
                        buffer.put_slice(&core.reading[..length]);
                        core.reading.advance(length);
                        core.endpoint.consumed(length as u64);
                    }
                    Poll::Ready(Ok(false)) => break,
                    _ if buffer.remaining() < before => break,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Ready when it takes more: so many bytes at once.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<usize, StreamError>> {
        self.0.lock().poll_room(cx)
    }

    /// Takes all of the chunk, behind what waits for room.
    pub(crate) fn write_now(&self, chunk: Bytes) {
        self.0.act(|core| {
            if core.is_finished || core.end().is_some() {
                return;
            }
            core.unsent = if core.unsent.is_empty() { chunk } else { [&core.unsent[..], &chunk].concat().into() };
            core.endpoint.write(&mut core.unsent);
        });
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.act(|core| {
            core.poll_room(cx).map_err(io::Error::from).map_ok(|room| {
                let taken = bytes.get(..room.min(WRITE_MAX)).unwrap_or(bytes);
                core.endpoint.write(&mut Bytes::copy_from_slice(taken))
            })
        })
    }

    pub(crate) fn poll_shutdown(&self) -> Poll<io::Result<()>> {
        let end = self.0.lock().end();
        if end.is_none() {
            self.finish();
        }
        Poll::Ready(end.map_or(Ok(()), |end| Err(end.into())))
    }

    pub(crate) fn finish(&self) {
        self.0.act(|core| {
            core.is_finished = true;
            core.settle(now());
        });
    }

    pub(crate) fn reset(&self, code: u32) {
        self.fail(code, "");
    }

    pub(crate) fn fail(&self, code: u32, message: &str) {
        let mut core = self.0.lock();
        core.reading = Bytes::new();
        core.unsent = Bytes::new();
        core.endpoint.reset(Reason::new(&RefusalCode::from_number(code).to_string(), message), now());
        drop(core);
        self.0.tell();
        self.0.driver.wake();
    }

    /// What the peer said when it reset the stream.
    pub(crate) fn message(&self) -> Option<String> {
        match self.0.lock().endpoint.outcome()? {
            Outcome::Reset { reason, here: false } if !reason.message().is_empty() => Some(reason.message().to_owned()),
            _ => None,
        }
    }

    pub(crate) fn set_priority(&self, priority: u8) {
        self.0.lock().priority = priority;
        self.0.driver.wake();
    }

    pub(crate) fn resent(&self) -> u64 {
        self.0.lock().endpoint.resent()
    }

    pub(crate) fn moves(&self) -> u64 {
        self.0.lock().endpoint.moves()
    }

    pub(crate) fn is_carried(&self) -> bool {
        self.0.lock().endpoint.current().is_some()
    }

    /// Ready when the peer has all that was written, and our finish.
    pub(crate) fn poll_sent(&self, cx: &Context<'_>) -> Poll<Result<(), StreamError>> {
        let mut core = self.0.lock();
        if core.is_sent() {
            return Poll::Ready(Ok(()));
        }
        core.writer = Some(cx.waker().clone());
        core.end().map_or(Poll::Pending, |end| Poll::Ready(Err(end)))
    }

    pub(crate) fn stopped(&self) -> impl Future<Output = StreamError> + Send + use<> {
        let shell = Arc::clone(&self.0);
        async move {
            loop {
                let mut notified = std::pin::pin!(shell.stopped.notified());
                notified.as_mut().enable();
                if let Some(end) = shell.lock().end() {
                    return end;
                }
                notified.await;
            }
        }
    }
}

impl Drop for Resumable {
    fn drop(&mut self) {
        let mut core = self.0.lock();
        core.is_dropped = true;
        core.settle(now());
        drop(core);
        self.0.driver.wake();
    }
}

/// A reason as the rest of the crate says it: the protocol's codes, or an application's in decimal digits.
pub(super) fn error(reason: &Reason) -> OpenError {
    let code = reason.code();
    let is_decimal = code.bytes().all(|byte| byte.is_ascii_digit());
    let own = || code.parse().ok().filter(|number| is_decimal && *number >= APPLICATION_CODE_MIN).map(RefusalCode::Application);
    let known = code.parse::<Code>().ok().map(RefusalCode::Known);
    let code = known.or_else(own).unwrap_or(RefusalCode::Known(Code::Internal));
    OpenError { code, message: reason.message().to_owned() }
}

/// The same of a peer's RESET: what only the proxy or we ourselves can know, such as `lost` or `unauthorized`, a peer cannot say.
fn error_of_peer(reason: &Reason) -> OpenError {
    let mut error = error(reason);
    if let RefusalCode::Known(code) = error.code
        && !matches!(code, Code::Cancelled | Code::Gone | Code::Busy | Code::Limit | Code::BadRequest)
    {
        error.code = RefusalCode::Known(Code::Internal);
    }
    error
}

pub(super) fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Bytes that are written ahead of what goes out while a carrier lives: more would only leave the processor's cache before they are sent.
const AHEAD_MAX: u64 = 256 * 1024;
/// What one call of `poll_write` copies at most.
const WRITE_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(code: &str) -> String {
        error_of_peer(&Reason::new(code, "why")).code.to_string()
    }

    #[test]
    fn threat_13_a_peer_resets_with_a_code_of_its_own_and_cannot_forge_another() {
        for code in ["cancelled", "gone", "busy", "limit", "bad_request", "internal", "256", "4001", "4294967295"] {
            assert_eq!(heard(code), code);
        }
        for known in Code::ALL {
            let said = ["cancelled", "gone", "busy", "limit", "bad_request"].contains(&known.as_str());
            assert_eq!(heard(known.as_str()), if said { known.as_str() } else { "internal" });
        }
        for forged in
            ["", "0", "255", "4294967296", "+4001", "-4001", " 4001", "4001 ", "0xfa1", "4001.0", "4e3", "\u{664}001", "Busy", "nonsense"]
        {
            assert_eq!(heard(forged), "internal", "{forged:?}");
        }
    }

    #[test]
    fn a_program_that_reset_a_stream_hears_its_own_code() {
        for code in [Code::Lost, Code::Superseded, Code::Unauthorized] {
            assert_eq!(error(&Reason::new(code.as_str(), "")).code, code.into());
        }
    }
}
