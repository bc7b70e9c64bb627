//! The bytes of a WebSocket's messages as one run in each direction.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// The most bytes that we put into one message: what the mux puts together for one write.
const MESSAGE_MAX: usize = 256 * 1024;

/// A WebSocket as `AsyncRead + AsyncWrite`: each write is one binary message, and where messages begin and end is not told to a reader.
///
/// What comes is copied once, into the reader's buffer; what goes is copied into its message and from there, masked, towards the socket.
pub(crate) struct Messages<S> {
    socket: WebSocketStream<S>,
    /// The rest of the message that is being read.
    unread: Bytes,
}

impl<S> Messages<S> {
    pub(crate) fn new(socket: WebSocketStream<S>) -> Self {
        Self { socket, unread: Bytes::new() }
    }
}

/// Messages have no limit: their boundaries mean nothing (PROTOCOL.md, section 1).
pub(crate) fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(None).max_frame_size(None)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Messages<S> {
    /// Text is no part of the protocol: the peer is told, as far as the socket takes it now.
    fn refuse_text(&mut self, cx: &mut Context<'_>) -> io::Error {
        let close = CloseFrame { code: CloseCode::Unsupported, reason: "binary messages only".into() };
        // Whether it arrives is the peer's affair: the connection ends either way.
        if self.socket.start_send_unpin(Message::Close(Some(close))).is_ok() {
            let _ = self.socket.poll_flush_unpin(cx);
        }
        io::Error::new(io::ErrorKind::InvalidData, "the peer sent a text message")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Messages<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.socket.poll_next_unpin(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(self.refuse_text(cx))),
                Some(Ok(Message::Close(_))) => {
                    // The answer to it leaves if there is room for it.
                    let _ = self.socket.poll_flush_unpin(cx);
                    return Poll::Ready(Ok(()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = buffer.remaining().min(self.unread.len());
        buffer.put_slice(&self.unread[..length]);
        self.unread.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Messages<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.socket.poll_ready_unpin(cx)).map_err(broken)?;
        let length = slices.iter().map(|slice| slice.len()).sum::<usize>().min(MESSAGE_MAX);
        let mut message = BytesMut::with_capacity(length);
        for slice in slices {
            let part = slice.len().min(length - message.len());
            message.extend_from_slice(&slice[..part]);
        }
        self.socket.start_send_unpin(Message::Binary(message.freeze())).map_err(broken)?;
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_flush_unpin(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_close_unpin(cx).map_err(broken)
    }
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// Our end, and the other as messages, over a pipe of this many bytes.
    async fn pair(capacity: usize) -> (Messages<DuplexStream>, WebSocketStream<DuplexStream>) {
        let (near, far) = duplex(capacity);
        let near = WebSocketStream::from_raw_socket(near, Role::Client, Some(config())).await;
        (Messages::new(near), WebSocketStream::from_raw_socket(far, Role::Server, None).await)
    }

    #[tokio::test]
    async fn one_write_is_one_binary_message_however_many_slices_it_has() {
        let (mut ours, mut theirs) = pair(1024).await;
        let slices = [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")];
        assert_eq!(ours.write_vectored(&slices).await.unwrap(), 8);
        ours.flush().await.unwrap();
        assert_eq!(theirs.next().await.unwrap().unwrap(), Message::binary("headbody"));
    }

    #[tokio::test]
    async fn a_reader_sees_no_boundaries_and_no_pings() {
        let (mut ours, mut theirs) = pair(1024).await;
        for message in
            [Message::binary("on"), Message::Ping("x".into()), Message::binary(""), Message::binary("e run"), Message::Close(None)]
        {
            theirs.send(message).await.unwrap();
        }
        let mut text = String::new();
        ours.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "one run");
    }

    #[tokio::test]
    async fn a_megabyte_passes_both_ways_at_once_through_a_narrow_pipe() {
        let (ours, theirs) = pair(1000).await;
        let sent: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
        let echo = tokio::spawn(async move {
            let (mut sink, mut stream) = theirs.split();
            while let Some(Ok(message)) = stream.next().await {
                if message.is_binary() {
                    sink.send(message).await.unwrap();
                }
            }
        });
        let (mut reader, mut writer) = tokio::io::split(ours);
        let mut received = vec![0; sent.len()];
        let writing = async {
            writer.write_all(&sent).await.unwrap();
            writer.flush().await.unwrap();
        };
        tokio::join!(writing, async { reader.read_exact(&mut received).await.unwrap() });
        assert!(received == sent);
        drop((reader, writer));
        echo.await.unwrap();
    }

    #[tokio::test]
    async fn text_is_an_error_and_closes_with_1003() {
        let (mut ours, mut theirs) = pair(1024).await;
        theirs.send(Message::text("hello")).await.unwrap();
        assert_eq!(ours.read_u8().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        let Some(Ok(Message::Close(Some(close)))) = theirs.next().await else { panic!("a close with a code") };
        assert_eq!(u16::from(close.code), 1003);
    }

    #[tokio::test]
    async fn a_close_is_the_end_and_is_answered() {
        let (mut ours, mut theirs) = pair(1024).await;
        theirs.close(None).await.unwrap();
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 0);
        assert!(matches!(theirs.next().await, Some(Ok(Message::Close(_)))));
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_an_error_and_no_end() {
        let (mut ours, theirs) = pair(1024).await;
        drop(theirs);
        assert!(ours.read(&mut [0; 8]).await.is_err());
    }
}
