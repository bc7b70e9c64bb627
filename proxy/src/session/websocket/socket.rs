//! The socket below a WebSocket: how to read from it without a copy where it says beforehand that there is something.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use crate::buffer::READ_MAX;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// What a WebSocket can ride on.
pub trait Socket: Send + 'static {
    /// The half that is read.
    type Read: Fill;
    /// The half that is written.
    type Write: AsyncWrite + Unpin + Send + 'static;

    /// Splits the socket into its halves.
    fn split(self) -> (Self::Read, Self::Write);
}

/// The half of a socket that is read.
pub trait Fill: Send + 'static {
    /// Reads into the room that `room` gives, which is asked for only when there is something to read: a peer that waits holds no memory.
    /// How many bytes; 0 is the end.
    fn poll_fill<'a>(&mut self, cx: &mut Context<'_>, room: impl FnOnce() -> io::Result<&'a mut [u8]>) -> Poll<io::Result<usize>>;
}

impl Socket for TcpStream {
    type Read = OwnedReadHalf;
    type Write = OwnedWriteHalf;

    fn split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        // Also under another program's HTTP server. An error means that the peer is gone: the first read will say so.
        let _ = self.set_nodelay(true);
        #[cfg(target_os = "linux")]
        if let Err(error) = SockRef::from(&self).set_tcp_notsent_lowat(NOT_SENT_MAX) {
            // Streams then share the kernel's buffer less fairly; nothing else changes.
            tracing::debug!(%error, "the kernel keeps its own bound of unsent bytes");
        }
        self.into_split()
    }
}

impl Fill for OwnedReadHalf {
    fn poll_fill<'a>(&mut self, cx: &mut Context<'_>, room: impl FnOnce() -> io::Result<&'a mut [u8]>) -> Poll<io::Result<usize>> {
        ready!(self.as_ref().poll_read_ready(cx))?;
        let mut read = ReadBuf::new(room()?);
        ready!(Pin::new(self).poll_read(cx, &mut read))?;
        Poll::Ready(Ok(read.filled().len()))
    }
}

/// Any other socket, TLS for one: it is read into memory that all sessions of a thread share, and copied from there.
pub struct Any<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Send + 'static> Socket for Any<S> {
    type Read = Any<ReadHalf<S>>;
    type Write = WriteHalf<S>;

    fn split(self) -> (Any<ReadHalf<S>>, WriteHalf<S>) {
        let (read, write) = tokio::io::split(self.0);
        (Any(read), write)
    }
}

impl<R: AsyncRead + Unpin + Send + 'static> Fill for Any<R> {
    fn poll_fill<'a>(&mut self, cx: &mut Context<'_>, room: impl FnOnce() -> io::Result<&'a mut [u8]>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.0).poll_read(cx, &mut read))?;
            let filled = read.filled();
            // Both are as long as one read.
            if let Some(room) = room()?.get_mut(..filled.len()) {
                room.copy_from_slice(filled);
            }
            Poll::Ready(Ok(filled.len()))
        })
    }
}

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_MAX].into_boxed_slice());
}

/// What the kernel may hold unsent: more, and it would undo the fairness between streams that we queue with care.
#[cfg(target_os = "linux")]
const NOT_SENT_MAX: u32 = 128 * 1024;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_sessions_socket_sends_at_once_and_keeps_little_unsent_whoever_accepted_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let _peer = connected.expect("a connection");
        let socket = accepted.expect("a connection").0;
        assert!(!socket.nodelay().expect("an option"), "as the system makes it");
        let (read, _write) = Socket::split(socket);
        let socket: &TcpStream = read.as_ref();
        assert!(socket.nodelay().expect("an option"));
        assert_eq!(SockRef::from(socket).tcp_notsent_lowat().expect("an option"), NOT_SENT_MAX);
    }
}
