//! A server by hand that accepts clients, gives them credit and then takes nothing; and the client by hand whose bytes pile up.

use browser_stream_server::Limits;
use harness::*;

/// The streams of the client are 1, 3, 5 …, and at the server 2, 4, 6 … (its claim is on 1).
pub struct Pile {
    pub proxy: Proxy,
    pub server: Raw,
    pub client: Raw,
}

/// What the proxy may have taken out of its queues for the socket of a server that takes nothing: one message.
pub const UNDER_WAY: usize = 256 * 1024;

/// What lies between the proxy and the server.
const PIPE: usize = 4096;

/// The first window of every stream.
pub const WINDOW: u32 = 256 * 1024;

impl Pile {
    /// So many spliced streams; the server has granted nothing beyond their first windows.
    pub async fn new(limits: Limits, streams: u32) -> Self {
        let proxy = Proxy::with(limits, |router| router);
        let (mut server, client) = (proxy.raw_with(PIPE), proxy.raw());
        server.open(1, r#"{"path":"/browser-server/listen/NAME"}"#).await;
        server.reply(1).await;
        let mut pile = Self { proxy, server, client };
        for number in 1..=streams {
            pile.connect(number).await;
        }
        pile
    }

    /// One more stream: the client's `2 * number - 1`.
    async fn connect(&mut self, number: u32) {
        let (near, far) = (2 * number - 1, 2 * number);
        self.client.open(near, r#"{"path":"/browser-server/connect/NAME"}"#).await;
        self.server.next_where(|frame| frame.stream == far && frame.flags & SYN != 0).await;
        self.server.data(0, far, b"\x00\x02{}").await;
        assert!(self.client.reply(near).await["id"].is_string());
    }

    /// The server gives the stream with this number credit; what of it reaches the client.
    pub async fn grant(&mut self, number: u32, bytes: u32) -> u32 {
        self.server.send(&frame(WINDOW_UPDATE, 0, 2 * number, bytes, b"")).await;
        self.granted(2 * number - 1).await
    }

    /// The credit that has reached the client on this stream when its next ping is answered.
    pub async fn granted(&mut self, stream: u32) -> u32 {
        until_quiet().await;
        self.client.send(&frame(PING, SYN, 0, 77, b"")).await;
        let mut granted = 0;
        loop {
            match self.client.next().await.expect("the proxy keeps the connection") {
                Frame { kind: PING, flags: ACK, .. } => return granted,
                Frame { kind: WINDOW_UPDATE, flags: 0, stream: of, length, .. } if of == stream => granted += length,
                _ => {}
            }
        }
    }

    /// The client sends so many bytes on the stream with this number, in frames of this length.
    pub async fn fill(&mut self, number: u32, bytes: usize, step: usize) {
        let payload = vec![number as u8; step];
        for _ in 0..bytes / step {
            self.client.data(0, 2 * number - 1, &payload).await;
        }
        until_quiet().await;
    }

    /// Bytes queued for the server.
    pub fn queued(&self) -> usize {
        self.proxy.sessions.list().iter().map(|session| session.queued()).max().unwrap_or(0)
    }

    /// The server takes what is there: bytes of the stream with this number until there are so many, or how it was reset.
    pub async fn take(&mut self, number: u32, bytes: usize) -> Result<(), u32> {
        let mut taken = 0;
        while taken < bytes {
            let frame = self.server.next().await.expect("the proxy keeps the connection");
            if frame.stream != 2 * number {
                continue;
            }
            if frame.flags & RST != 0 {
                return Err(frame.length);
            }
            assert!(frame.payload.iter().all(|&byte| byte == number as u8), "bytes of another stream");
            taken += frame.payload.len();
        }
        assert_eq!(taken, bytes);
        Ok(())
    }
}

/// Lets everybody act until all wait: with a paused clock that is when it moves.
pub async fn until_quiet() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}
