//! A peer that writes and reads its frames by hand, for what no library would send.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::within;

pub const DATA: u8 = 0;
pub const WINDOW_UPDATE: u8 = 1;
pub const PING: u8 = 2;
pub const GO_AWAY: u8 = 3;
pub const SYN: u16 = 1;
pub const ACK: u16 = 2;
pub const FIN: u16 = 4;
pub const RST: u16 = 8;

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u16,
    pub stream: u32,
    pub length: u32,
    pub payload: Vec<u8>,
}

/// The twelve bytes of a header, and a payload behind it.
pub fn frame(kind: u8, flags: u16, stream: u32, length: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, kind];
    bytes.extend_from_slice(&flags.to_be_bytes());
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A connection to the proxy on which a test says exactly what it wants.
pub struct Raw {
    io: DuplexStream,
}

impl Raw {
    pub fn over(io: DuplexStream) -> Self {
        Self { io }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        // The proxy may have cut us off by now, which the test looks at by reading.
        let _ = self.io.write_all(bytes).await;
    }

    /// Sends a DATA frame.
    pub async fn data(&mut self, flags: u16, stream: u32, payload: &[u8]) {
        self.send(&frame(DATA, flags, stream, payload.len() as u32, payload)).await;
    }

    /// Opens a stream with this JSON as its open.
    pub async fn open(&mut self, stream: u32, json: &str) {
        let mut payload = (json.len() as u16).to_be_bytes().to_vec();
        payload.extend_from_slice(json.as_bytes());
        self.data(SYN, stream, &payload).await;
    }

    /// The next frame, or `None` when the proxy closed.
    pub async fn next(&mut self) -> Option<Frame> {
        within(async {
            let mut header = [0; 12];
            self.io.read_exact(&mut header).await.ok()?;
            let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
            let length = word(8);
            let mut payload = vec![0; if header[1] == DATA { length as usize } else { 0 }];
            self.io.read_exact(&mut payload).await.ok()?;
            Some(Frame { kind: header[1], flags: u16::from_be_bytes([header[2], header[3]]), stream: word(4), length, payload })
        })
        .await
    }

    /// The next frame that this is true of; those before it are dropped.
    pub async fn next_where(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.next().await.expect("the proxy keeps the connection");
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// The reply on a stream, as JSON.
    pub async fn reply(&mut self, stream: u32) -> serde_json::Value {
        let mut body = Vec::new();
        while body.len() < 2 || body.len() < 2 + usize::from(u16::from_be_bytes([body[0], body[1]])) {
            body.extend(self.next_where(|frame| frame.kind == DATA && frame.stream == stream).await.payload);
        }
        serde_json::from_slice(&body[2..]).expect("a reply is JSON")
    }

    /// Takes so many bytes, whatever they are; false when the proxy closed.
    pub async fn sip(&mut self, bytes: usize) -> bool {
        within(self.io.read_exact(&mut vec![0; bytes])).await.is_ok()
    }

    /// Every frame until the proxy closes.
    pub async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }
}
