//! The socket below a WebSocket, or below a link of the cluster: its halves, and whether there is something to read.

use std::{
    io,
    task::{Context, Poll},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// What a WebSocket can ride on.
pub trait Socket: Send + 'static {
    /// The half that is read.
    type Read: Readable;
    /// The half that is written.
    type Write: AsyncWrite + Unpin + Send + 'static;

    /// Splits the socket into its halves.
    fn split(self) -> (Self::Read, Self::Write);
}

/// The half of a socket that is read.
pub trait Readable: AsyncRead + Unpin + Send + 'static {
    /// Pending while the socket knows that there is nothing to read: memory is asked for only afterwards.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether a read may give less than has come: TLS gives a record, 16 KiB at most.
    fn gives_pieces(&self) -> bool;
}

impl Socket for TcpStream {
    type Read = OwnedReadHalf;
    type Write = OwnedWriteHalf;

    fn split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        prepare(&self);
        self.into_split()
    }
}

/// TLS over such a socket, one of the proxy's own.
#[cfg(feature = "tls")]
impl Socket for tokio_rustls::server::TlsStream<TcpStream> {
    type Read = ReadHalf<Self>;
    type Write = WriteHalf<Self>;

    fn split(self) -> (ReadHalf<Self>, WriteHalf<Self>) {
        prepare(self.get_ref().0);
        tokio::io::split(self)
    }
}

/// TLS between two nodes of a cluster, whichever dialed.
#[cfg(feature = "cluster")]
impl Socket for tokio_rustls::TlsStream<TcpStream> {
    type Read = ReadHalf<Self>;
    type Write = WriteHalf<Self>;

    fn split(self) -> (ReadHalf<Self>, WriteHalf<Self>) {
        prepare(self.get_ref().0);
        tokio::io::split(self)
    }
}

/// Sends at once, and keeps little unsent.
fn prepare(socket: &TcpStream) {
    // Also under another program's HTTP server. An error means that the peer is gone: the first read will say so.
    let _ = socket.set_nodelay(true);
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(socket).set_tcp_notsent_lowat(NOT_SENT_MAX) {
        // Streams then share the kernel's buffer less fairly; nothing else changes.
        tracing::debug!(%error, "the kernel keeps its own bound of unsent bytes");
    }
}

impl Readable for OwnedReadHalf {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_ref().poll_read_ready(cx)
    }

    fn gives_pieces(&self) -> bool {
        false
    }
}

/// Any other socket, another program's TLS for one: only reading tells whether there is something.
pub struct Any<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Send + 'static> Socket for Any<S> {
    type Read = ReadHalf<S>;
    type Write = WriteHalf<S>;

    fn split(self) -> (ReadHalf<S>, WriteHalf<S>) {
        tokio::io::split(self.0)
    }
}

impl<S: AsyncRead + Send + 'static> Readable for ReadHalf<S> {
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn gives_pieces(&self) -> bool {
        true
    }
}

/// What the kernel may hold unsent: more, and it would undo the fairness between streams that we queue with care.
#[cfg(target_os = "linux")]
const NOT_SENT_MAX: u32 = 128 * 1024;

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_sessions_socket_sends_at_once_and_keeps_little_unsent_whoever_accepted_it() {
        use super::*;

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
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
