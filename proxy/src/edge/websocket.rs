//! The WebSocket that a session rides on: tungstenite's codec on the upgraded socket, behind the transport seam.
//!
//! Both halves share one codec under a lock that is held for the length of a poll, never across an await. We own the socket below the
//! codec because a cut needs it: after a violation the codec reads no more, and closing over unread bytes would make TCP drop the close frame.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures::{Sink, Stream};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use crate::session::transport::{Reader, Transport, TransportError, Writer};

/// An established WebSocket on the socket `S`, as its server.
pub(super) struct WebSocket<S>(WebSocketStream<Counted<S>>);

/// The half that takes the peer's messages.
pub(super) struct Receiver<S> {
    codec: Arc<Mutex<WebSocketStream<Counted<S>>>>,
    /// An error was told: what the peer still sends is taken off the socket and dropped.
    failed: bool,
}

/// The half that sends messages to the peer.
pub(super) struct Sender<S>(Arc<Mutex<WebSocketStream<Counted<S>>>>);

/// What a WebSocket can ride on.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Socket for S {}

impl<S: Socket> WebSocket<S> {
    /// A WebSocket on a socket whose handshake is done.
    pub(super) async fn new(socket: S) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        Self(WebSocketStream::from_raw_socket(Counted { socket, taken: Arc::default() }, Role::Server, Some(config)).await)
    }
}

impl<S: Socket> Transport for WebSocket<S> {
    type Reader = Receiver<S>;
    type Writer = Sender<S>;

    fn split(self) -> (Receiver<S>, Sender<S>) {
        let codec = Arc::new(Mutex::new(self.0));
        (Receiver { codec: codec.clone(), failed: false }, Sender(codec))
    }
}

impl<S: Socket> Reader for Receiver<S> {
    async fn read(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            if self.failed {
                poll_fn(|cx| poll_discard(self.codec.lock().get_mut(), cx)).await;
                return Ok(None);
            }
            let error = match poll_fn(|cx| Pin::new(&mut *self.codec.lock()).poll_next(cx)).await {
                Some(Ok(Message::Binary(bytes))) if !bytes.is_empty() => return Ok(Some(bytes)),
                Some(Ok(Message::Text(_))) => TransportError::Text,
                // The codec answers pings and closes by itself, when it is polled next.
                Some(Ok(_)) => continue,
                // Cut off without a goodbye: to a session that is the same end.
                None | Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => return Ok(None),
                Some(Err(error)) => told(error),
            };
            self.failed = true;
            return Err(error);
        }
    }
}

impl<S: Socket> Writer for Sender<S> {
    async fn write(&mut self, buffers: &mut Vec<Bytes>) -> Result<(), TransportError> {
        // Answers to pings that the peer has not taken yet must not fill the room of the message.
        self.flush().await.map_err(told)?;
        Pin::new(&mut *self.0.lock()).start_send(Message::Binary(joined(buffers))).map_err(told)?;
        self.flush().await.map_err(told)
    }

    fn progress(&self) -> Arc<AtomicU64> {
        self.0.lock().get_ref().taken.clone()
    }

    async fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        // Errors mean that the peer is gone, or has closed before us: there is nobody to tell.
        if Pin::new(&mut *self.0.lock()).start_send(Message::Close(Some(frame))).is_ok() {
            let _ = self.flush().await;
        }
        let _ = poll_fn(|cx| Pin::new(self.0.lock().get_mut()).poll_shutdown(cx)).await;
    }
}

impl<S: Socket> Sender<S> {
    async fn flush(&self) -> Result<(), Error> {
        poll_fn(|cx| Pin::new(&mut *self.0.lock()).poll_flush(cx)).await
    }
}

/// A socket that counts what it was able to send.
pub(super) struct Counted<S> {
    socket: S,
    taken: Arc<AtomicU64>,
}

impl<S: Socket> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl<S: Socket> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes))?;
        self.taken.fetch_add(sent as u64, Ordering::Relaxed);
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// One message out of many buffers, which are left empty.
fn joined(buffers: &mut Vec<Bytes>) -> Bytes {
    if buffers.len() == 1 {
        return buffers.pop().unwrap_or_default();
    }
    let mut message = BytesMut::with_capacity(buffers.iter().map(Bytes::len).sum());
    buffers.drain(..).for_each(|buffer| message.extend_from_slice(&buffer));
    message.freeze()
}

/// Takes bytes off the socket and drops them until it ends.
fn poll_discard<S: Socket>(socket: &mut S, cx: &mut Context<'_>) -> Poll<()> {
    let mut scratch = [0; 4096];
    loop {
        let mut taken = ReadBuf::new(&mut scratch);
        match ready!(Pin::new(&mut *socket).poll_read(cx, &mut taken)) {
            Ok(()) if !taken.filled().is_empty() => {}
            _ => return Poll::Ready(()),
        }
    }
}

/// An error of the codec in the words of the transport seam.
fn told(error: Error) -> TransportError {
    match error {
        Error::Capacity(_) => TransportError::TooBig,
        // Not the peer's fault: it closed while we were about to send.
        Error::Protocol(ProtocolError::SendAfterClosing) | Error::ConnectionClosed | Error::AlreadyClosed => {
            TransportError::Io(io::ErrorKind::BrokenPipe.into())
        }
        Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt => TransportError::Protocol(error.to_string()),
        Error::Io(error) => TransportError::Io(error),
        error => TransportError::Io(io::Error::other(error)),
    }
}

/// What the codec reads at once while it waits for a message: each connection holds it all its life.
const READ_BYTES: usize = 8 * 1024;

/// Four of the batches that a session writes: room for one message and for answers to pings.
const WRITE_BYTES_MAX: usize = 1024 * 1024;

/// The codec keeps a message until it is whole, so there must be an end to it.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    type Halves = (Receiver<DuplexStream>, Sender<DuplexStream>);

    /// The two halves of a WebSocket, and the peer's end of a pipe that holds `room` bytes.
    async fn pair(room: usize) -> (Halves, DuplexStream) {
        let (near, far) = duplex(room);
        (WebSocket::new(near).await.split(), far)
    }

    /// A binary frame as a client sends it, masked with zeros; at most 125 bytes.
    fn frame(payload: &[u8]) -> Vec<u8> {
        [&[0x82, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
    }

    #[tokio::test]
    async fn buffers_leave_as_one_message_through_a_narrow_pipe() {
        let ((_reader, mut writer), mut peer) = pair(8).await;
        let mut buffers = vec![Bytes::from(vec![1; 12]), Bytes::from(vec![2; 300]), Bytes::from(vec![3; 12])];
        let expected = [vec![0x82, 126, 1, 68], buffers.concat()].concat();
        let mut said = vec![0; expected.len()];
        let (written, read) = tokio::join!(writer.write(&mut buffers), peer.read_exact(&mut said));
        written.expect("written");
        read.expect("read");
        assert!(buffers.is_empty());
        assert_eq!(said, expected);
    }

    #[tokio::test]
    async fn reading_goes_on_while_a_write_waits() {
        let ((mut reader, mut writer), mut peer) = pair(16).await;
        let mut buffers = vec![Bytes::from(vec![7; 1000])];
        let write = writer.write(&mut buffers);
        tokio::pin!(write);
        assert!(futures::poll!(&mut write).is_pending());
        let message = frame(b"hello");
        let (sent, read) = tokio::join!(peer.write_all(&message), reader.read());
        sent.expect("sent");
        assert_eq!(read.expect("read"), Some(Bytes::from_static(b"hello")));
        let mut said = vec![0; 4 + 1000];
        let (written, read) = tokio::join!(write, peer.read_exact(&mut said));
        written.expect("written");
        read.expect("read");
    }

    #[tokio::test]
    async fn a_read_that_was_given_up_loses_nothing() {
        let ((mut reader, _writer), mut peer) = pair(64).await;
        let message = frame(b"hello");
        for part in message.chunks(1) {
            assert!(futures::poll!(Box::pin(reader.read())).is_pending());
            peer.write_all(part).await.expect("sent");
        }
        assert_eq!(reader.read().await.expect("read"), Some(Bytes::from_static(b"hello")));
    }

    #[tokio::test]
    async fn after_an_error_the_rest_is_read_and_dropped_and_the_peer_learns_why() {
        let ((mut reader, mut writer), mut peer) = pair(64).await;
        peer.write_all(&[0x81, 0x80, 0, 0, 0, 0]).await.expect("sent");
        assert!(matches!(reader.read().await, Err(TransportError::Text)));
        let talkative = async {
            peer.write_all(&vec![9; 10_000]).await.expect("taken");
            let mut said = Vec::new();
            peer.read_to_end(&mut said).await.expect("read");
            peer.shutdown().await.expect("closed");
            said
        };
        let (said, (), read) = tokio::join!(talkative, writer.close(1003, "text"), reader.read());
        assert_eq!(said, [&[0x88, 6, 0x03, 0xeb], &b"text"[..]].concat());
        assert!(matches!(read, Ok(None)));
    }

    #[tokio::test]
    async fn a_peer_that_is_gone_is_an_end_for_the_reader_and_an_error_for_the_writer() {
        let ((mut reader, mut writer), peer) = pair(64).await;
        drop(peer);
        assert!(matches!(reader.read().await, Ok(None)));
        assert!(matches!(writer.write(&mut vec![Bytes::from_static(b"x")]).await, Err(TransportError::Io(_))));
        writer.close(1000, "").await;
    }
}
