//! The future that drives a session: it reads, writes and watches the clock until the session is over.

use std::{
    io::{self, IoSlice},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Dead, Outbound, SessionError,
    session::owner::{Next, Owner},
};

/// What is asked of one read.
const READ_MAX: usize = 64 * 1024;
/// How long a peer may take to notice that the session was ended.
const FAREWELL_MAX: Duration = Duration::from_secs(1);
/// Slices for one vectored write; systems allow 1,024, more than this gains nothing.
const SLICES_MAX: usize = 64;

/// Loses every stream when the driving future is dropped or done.
struct Losing(Arc<Owner>);

impl Drop for Losing {
    fn drop(&mut self) {
        self.0.lose();
    }
}

pub(super) async fn run<IO: AsyncRead + AsyncWrite>(owner: Arc<Owner>, io: IO) -> Result<(), SessionError> {
    let losing = Losing(Arc::clone(&owner));
    let (mut reader, mut writer) = tokio::io::split(io);
    let result = {
        let mut write = pin!(write(&owner, &mut writer));
        let result = tokio::select! {
            result = read(&owner, &mut reader) => result,
            result = &mut write => result.map_err(SessionError::from).map(|()| Ending::Ours),
            dead = watch(&owner) => Err(dead.into()),
        };
        if matches!(result, Err(SessionError::Violation(_))) {
            owner.close_after_violation();
            // Whether the peer hears of it is its own affair.
            let _ = timeout(FAREWELL_MAX, write).await;
        }
        result
    };
    drop(losing);
    if matches!(result, Ok(Ending::Peers)) {
        // What carries us may be a stream that is to end cleanly, too.
        let _ = timeout(FAREWELL_MAX, writer.shutdown()).await;
    }
    if matches!(result, Ok(Ending::Ours) | Err(SessionError::Violation(_))) {
        let _ = timeout(FAREWELL_MAX, discard(&mut reader)).await;
    }
    result.map(|_| ())
}

enum Ending {
    Ours,
    Peers,
}

async fn read(owner: &Owner, reader: &mut (impl AsyncRead + Unpin)) -> Result<Ending, SessionError> {
    let mut buffer = BytesMut::new();
    loop {
        if buffer.capacity() < READ_MAX / 8 {
            buffer.reserve(READ_MAX);
        }
        if reader.read_buf(&mut buffer).await? == 0 {
            let code = owner.core.lock().peer_code;
            return if code == 0 { Ok(Ending::Peers) } else { Err(SessionError::GoneAway(code)) };
        }
        owner.feed(buffer.split().freeze())?;
    }
}

async fn write(owner: &Owner, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let mut out = Outbound::new();
    loop {
        match owner.fill(&mut out) {
            Next::Write => write_all(writer, &mut out.buffers).await?,
            Next::Wait => {
                writer.flush().await?;
                owner.write.notified().await;
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
async fn watch(owner: &Owner) -> Dead {
    loop {
        let deadline = owner.core.lock().connection.deadline();
        let timer = owner.timer.notified();
        match deadline {
            Some(at) => tokio::select! {
                () = sleep_until(Instant::from_std(at)) => {}
                () = timer => {}
            },
            None => timer.await,
        }
        let ticked = owner.core.lock().connection.tick(now());
        if let Err(dead) = ticked {
            return dead;
        }
        owner.write.notify_one();
    }
}

async fn discard(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut scratch = [0; 1024];
    while reader.read(&mut scratch).await? > 0 {}
    Ok(())
}

pub(super) fn now() -> std::time::Instant {
    Instant::now().into_std()
}
