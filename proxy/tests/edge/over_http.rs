//! Sessions over HTTP, from outside.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::served::{HANDSHAKE, PATIENCE, Served, rest, served, status, until};

/// A ping of the mux, and its answer.
pub const PING: [u8; 12] = [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
pub const PONG: [u8; 12] = [0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7];

/// The records of a response so far.
#[derive(Default)]
pub struct Records(Vec<u8>);

impl Records {
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn all(&self) -> Vec<(u8, Vec<u8>)> {
        let (mut records, mut bytes) = (Vec::new(), &self.0[..]);
        while let [kind, a, b, c, rest @ ..] = bytes {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let Some((body, behind)) = rest.split_at_checked(length) else { break };
            records.push((*kind, body.to_vec()));
            bytes = behind;
        }
        records
    }

    fn of(&self, kind: u8) -> Option<String> {
        self.all().into_iter().find(|(found, _)| *found == kind).map(|(_, body)| String::from_utf8(body).expect("text"))
    }

    /// The connection's secret, once it is there.
    pub fn hello(&self) -> Option<String> {
        let hello: serde_json::Value = serde_json::from_str(&self.of(1)?).expect("JSON");
        Some(hello["connection"].as_str().expect("text").to_owned())
    }

    /// Of the mux.
    pub fn bytes(&self) -> Vec<u8> {
        self.all().into_iter().filter(|(kind, _)| *kind == 0).flat_map(|(_, body)| body).collect()
    }
}

/// A connection over HTTP/1.1: its response as it comes, its secret, and what stands before the body.
struct Down {
    socket: TcpStream,
    head: String,
    raw: Vec<u8>,
}

impl Down {
    async fn of(served: &Served, headers: &str) -> Self {
        let mut socket = TcpStream::connect(served.address).await.expect("a connection");
        let request = format!("POST /mux HTTP/1.1\r\nhost: localhost\r\nbss-carrier: down\r\n{headers}content-length: 0\r\n\r\n");
        socket.write_all(request.as_bytes()).await.expect("sent");
        let bytes = until(&mut socket, |bytes| bytes.windows(4).any(|window| window == b"\r\n\r\n")).await;
        let at = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8(bytes[..at].to_vec()).expect("text");
        Self { socket, head, raw: bytes[at..].to_vec() }
    }

    /// What of the chunks is there (RFC 9112 section 7.1), and whether the last one is.
    fn records(&self) -> (Records, bool) {
        let (mut records, mut bytes) = (Records::default(), &self.raw[..]);
        while let Some(at) = bytes.windows(2).position(|window| window == b"\r\n") {
            let length = usize::from_str_radix(std::str::from_utf8(&bytes[..at]).expect("text"), 16).expect("a length");
            if length == 0 {
                return (records, true);
            }
            let Some(chunk) = bytes.get(at + 2..at + 2 + length) else { break };
            records.push(chunk);
            bytes = bytes.get(at + 4 + length..).unwrap_or_default();
        }
        (records, false)
    }

    /// Reads until that holds.
    async fn until(&mut self, holds: impl Fn(&Records, bool) -> bool) -> Records {
        loop {
            let (records, ended) = self.records();
            if holds(&records, ended) {
                return records;
            }
            let read = timeout(PATIENCE, self.socket.read_buf(&mut self.raw)).await.expect("in time").expect("no error");
            assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&self.raw));
        }
    }

    async fn secret(&mut self) -> String {
        self.until(|records, _| records.hello().is_some()).await.hello().expect("it came")
    }
}

impl Served {
    /// Sends one body; the whole answer.
    async fn up(&self, connection: &str, number: &str, body: &[u8]) -> String {
        let headers = format!("bss-connection: {connection}\r\nbss-number: {number}\r\ncontent-length: {}\r\n", body.len());
        self.up_with(&headers, body).await
    }

    async fn up_with(&self, headers: &str, body: &[u8]) -> String {
        let mut socket = TcpStream::connect(self.address).await.expect("a connection");
        let head = format!("POST /mux HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nbss-carrier: up\r\n{headers}\r\n");
        // It may be answered before all of it was sent.
        let _ = socket.write_all(&[head.as_bytes(), body].concat()).await;
        String::from_utf8_lossy(&rest(&mut socket).await).into_owned()
    }
}

#[tokio::test]
async fn a_session_over_http_takes_bodies_in_order_and_answers_in_its_response() {
    let served = served(|_| {}).await;
    let mut down = Down::of(&served, "bss-protocol: bss.1, other\r\n").await;
    assert!(down.head.starts_with("HTTP/1.1 200"), "{}", down.head);
    for header in ["bss-protocol: bss.1", "cache-control: no-store, no-transform", "x-accel-buffering: no", "vary: origin"] {
        assert!(down.head.contains(header), "{}", down.head);
    }
    let secret = down.secret().await;
    assert!(!down.head.contains(&secret), "it stands in no header, which others may log");
    // The second half of the ping first.
    let (second, first) = tokio::join!(served.up(&secret, "1", &PING[5..]), async {
        served.proxy.sessions().list().pop().expect("a session");
        served.up(&secret, "0", &PING[..5]).await
    });
    assert_eq!((status(&first), status(&second)), (204, 204), "{first}{second}");
    down.until(|records, _| records.bytes().ends_with(&PONG)).await;
    assert_eq!(status(&served.up(&secret, "1", b"again, and not taken again").await), 204);
    assert_eq!((served.proxy.sessions().len(), served.refusals("violation")), (1, 0));
    drop(down);
    until_none(&served).await;
    assert_eq!(status(&served.up(&secret, "2", &PING).await), 410);
}

/// Waits until no session is left.
async fn until_none(served: &Served) {
    timeout(PATIENCE, async {
        while !served.proxy.sessions().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it ends in time");
}

#[tokio::test]
async fn a_session_over_http_is_told_why_it_ends() {
    let served = served(|_| {}).await;
    let mut down = Down::of(&served, "").await;
    let secret = down.secret().await;
    assert_eq!(status(&served.up(&secret, "0", &[9; 12]).await), 204, "taken, and judged then");
    let records = down.until(|_, ended| ended).await;
    assert_eq!(records.of(2).as_deref(), Some(r#"{"code":1002,"reason":"protocol violated"}"#));
    let mut down = Down::of(&served, "").await;
    down.secret().await;
    served.proxy.shutdown(Duration::ZERO).await;
    let records = down.until(|_, ended| ended).await;
    assert!(records.of(2).is_some_and(|close| close.contains("1012")));
}

#[tokio::test]
async fn threat_14_nothing_that_a_page_may_send_without_being_asked_does_anything() {
    let served = served(|config| config.allow_origin = vec!["https://app.example".parse().unwrap()]).await;
    // What a form of another page could send, if its origin did not give it away.
    for headers in ["content-type: text/plain\r\n", "content-type: application/x-www-form-urlencoded\r\n"] {
        let answer = served.ask("POST /mux", &format!("host: localhost\r\n{headers}content-length: 0\r\n")).await;
        assert_eq!(status(&answer), 400, "{answer}");
        assert!(answer.contains("bss-carrier"), "{answer}");
    }
    assert!(served.proxy.sessions().is_empty());
    for (origin, code) in [("https://app.example", 204), ("https://evil.example", 403), ("null", 403)] {
        let headers = format!("host: localhost\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n");
        let answer = served.ask("OPTIONS /mux", &headers).await;
        assert_eq!(status(&answer), code, "{answer}");
        assert_eq!(answer.contains("access-control-allow-"), code == 204, "{answer}");
        let headers = format!("host: localhost\r\norigin: {origin}\r\nbss-carrier: list\r\ncontent-length: 0\r\n");
        let answer = served.ask("POST /mux", &headers).await;
        assert_eq!(answer.contains(&format!("access-control-allow-origin: {origin}")), code == 204, "{answer}");
        assert_eq!(answer.contains(r#"{"carriers":["websocket","http""#), code == 204, "{answer}");
    }
    let answer = served.ask("OPTIONS /mux", "host: localhost\r\n").await;
    assert!(status(&answer) == 204 && !answer.contains("access-control-allow-"), "{answer}");
}

#[tokio::test]
async fn threat_33_without_its_secret_nobody_sends_for_a_connection() {
    let served = served(|_| {}).await;
    let mut down = Down::of(&served, "").await;
    let secret = down.secret().await;
    let other = "5e0c7a52-0c4d-4d0e-9a0b-0123456789ab";
    for connection in [other, "", "x", &secret[1..]] {
        assert_eq!(status(&served.up(connection, "0", &PING).await), 410, "{connection}");
    }
    assert_eq!(status(&served.up_with("bss-number: 0\r\ncontent-length: 0\r\n", b"").await), 410);
    let twice = format!("bss-connection: {secret}\r\nbss-connection: {secret}\r\nbss-number: 0\r\ncontent-length: 0\r\n");
    assert_eq!(status(&served.up_with(&twice, b"").await), 410);
    assert_eq!(served.refusals("http_up"), 6);
    assert_eq!(status(&served.up(&secret, "0", &PING).await), 204);
}

#[tokio::test]
async fn threat_13_bodies_out_of_turn_too_long_or_cut_short_change_nothing() {
    let served = served(|config| {
        config.limits.http_up_bytes_max = 100_000;
        config.limits.establish_timeout = Duration::from_secs(2);
    })
    .await;
    let mut down = Down::of(&served, "").await;
    let secret = down.secret().await;
    for number in ["", "-1", "+1", "0x0", " 0 1", "4", "18446744073709551616", "99999999999999999999999"] {
        assert_eq!(status(&served.up(&secret, number, &PING).await), 400, "{number}");
    }
    assert_eq!(status(&served.up(&secret, "0", &vec![0; 100_001]).await), 413);
    let chunked = format!("bss-connection: {secret}\r\nbss-number: 0\r\ntransfer-encoding: chunked\r\n");
    let long = [&b"186a1\r\n"[..], &[0; 100_001], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(status(&served.up_with(&chunked, &long).await), 413);
    let short = format!("bss-connection: {secret}\r\nbss-number: 0\r\ncontent-length: 13\r\n");
    assert_eq!(status(&served.up_with(&short, &PING).await), 408);
    assert_eq!(served.refusals("http_up"), 11);
    assert_eq!(status(&served.up(&secret, "0", &PING).await), 204, "none of them was taken");
    down.until(|records, _| records.bytes().ends_with(&PONG)).await;
}

#[tokio::test]
async fn threat_15_a_flood_of_slow_bodies_is_held_to_its_number_and_to_their_time() {
    let served = served(|config| config.limits.establish_timeout = Duration::from_secs(2)).await;
    let mut down = Down::of(&served, "").await;
    let secret = down.secret().await;
    let slow = format!("bss-connection: {secret}\r\nbss-number: 0\r\ncontent-length: 12\r\n");
    let flood = futures::future::join_all((0..12).map(|_| served.up_with(&slow, b"x"))).await;
    let count = |code| flood.iter().filter(|answer| status(answer) == code).count();
    assert_eq!((count(408), count(429)), (4, 8), "{flood:?}");
    assert_eq!(status(&served.up(&secret, "0", &PING).await), 204, "there is room again");
}

#[tokio::test]
async fn who_may_not_begin_a_session_over_http_is_told_as_with_a_websocket() {
    let served = served(|config| config.limits.sessions_per_address_max = 1).await;
    assert!(Down::of(&served, "bss-protocol: bss.9\r\n").await.head.starts_with("HTTP/1.1 400"));
    let mut first = Down::of(&served, "").await;
    first.secret().await;
    assert!(Down::of(&served, "").await.head.starts_with("HTTP/1.1 429"));
    let answer = served.ask("GET /mux", &format!("host: localhost\r\n{HANDSHAKE}")).await;
    assert_eq!(status(&answer), 429, "one address has one count: {answer}");
    drop(first);
    until_none(&served).await;
    let (_socket, head) = served.handshake("").await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
}
