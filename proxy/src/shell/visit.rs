//! A visitor's request on its way to a service, and the answer on its way back: passed on as they are, and seen as they pass.

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use browser_stream_client::{Connection, Stream};
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

use super::{
    escape::escaped,
    pipe::{Broken, Pipe, is_cancelled},
    tcp,
};

/// Who comes by HTTP, by the proxy's word.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Visitor {
    remote: Option<IpAddr>,
}

impl Visitor {
    /// The one whom the proxy sends, if it is one: a client that says the same has a peer.
    pub fn of(client: &Connection) -> Option<Self> {
        #[derive(Deserialize)]
        struct Meta {
            http: Visitor,
        }
        if client.peer().is_some() { None } else { client.meta::<Meta>().map(|meta| meta.http) }
    }
}

/// What became of a request.
pub struct Visited {
    /// A line of a log: who asked what, and how it was answered.
    pub line: String,
    /// What broke that an owner should know of.
    pub broken: Option<Broken>,
}

/// Carries one request to the service and its answer back, under that host if one is given.
pub async fn carry(visitor: Visitor, stream: Stream, mut socket: TcpStream, host: Option<&str>) -> Visited {
    // A socket that is gone by now says so when it is used.
    let _ = socket.set_nodelay(true);
    let begun = Instant::now();
    let (mut asked, mut answered) = (Asked::new(host), Answered::default());
    let carried = {
        let (input, output) = socket.split();
        let (input, output) = (Answering { from: input, answered: &mut answered }, Asking { to: output, asked: &mut asked });
        let mut pipe = Pipe::new(stream, input, Some(output));
        pipe.may_be_left = true;
        // A service may answer before it has read all, and read no more.
        pipe.drops_what_is_not_taken = true;
        pipe.run(None).await
    };
    if carried.is_err() {
        tcp::reset(&socket);
    }
    // That a visitor goes is nothing that broke.
    let (has_left, broken) = match carried {
        Ok(_) => (false, None),
        Err(Broken::Stream(error)) if is_cancelled(error) => (true, None),
        Err(broken) => (false, Some(broken)),
    };
    let who = visitor.remote.map_or_else(|| "-".to_owned(), |address| address.to_string());
    let end = match (has_left, &broken) {
        (true, _) => ", the visitor left",
        (_, Some(_)) => ", broke off",
        _ => "",
    };
    Visited { line: format!("{who} {}{end}", line(&asked, &answered, begun.elapsed())), broken }
}

fn line(asked: &Asked, answered: &Answered, time: Duration) -> String {
    let asked = if asked.line.is_empty() { "-" } else { &asked.line };
    let status = answered.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    format!("{asked} {status}, {} bytes in {} ms", answered.bytes, time.as_millis())
}

/// What a visitor asks.
#[derive(Debug, Default)]
struct Asked {
    /// Method and target.
    line: String,
    host: Option<String>,
    /// Of the head, until it is whole.
    head: Vec<u8>,
    is_through: bool,
    /// Of the head, not taken yet.
    left: Vec<u8>,
}

impl Asked {
    fn new(host: Option<&str>) -> Self {
        Self { host: host.map(str::to_owned), ..Self::default() }
    }

    /// Takes a part of the head and what is behind it.
    fn come(&mut self, bytes: &[u8]) {
        let from = self.head.len().saturating_sub(END.len());
        self.head.extend_from_slice(bytes);
        let end = find(self.head.get(from..).unwrap_or_default(), END).map(|at| from + at + END.len());
        if end.is_some() || self.head.len() > HEAD_BYTES_MAX {
            self.pass(end.unwrap_or_default());
        }
    }

    /// Has the service get what there is, the first so many bytes of which are a head.
    fn pass(&mut self, head: usize) {
        let came = std::mem::take(&mut self.head);
        let (head, rest) = came.split_at(head);
        let first = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        self.line = escaped(String::from_utf8_lossy(first).trim_end_matches(" HTTP/1.1"));
        match &self.host {
            Some(host) => self.left = under(host, head),
            None => self.left = head.to_vec(),
        }
        self.left.extend_from_slice(rest);
        self.is_through = true;
    }
}

/// The head with another host.
fn under(host: &str, head: &[u8]) -> Vec<u8> {
    let mut changed = Vec::with_capacity(head.len() + host.len());
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let is_host = line.get(..HOST.len()).is_some_and(|name| name.eq_ignore_ascii_case(HOST));
        if is_host {
            changed.extend_from_slice(format!("host: {host}\r\n").as_bytes());
        } else {
            changed.extend_from_slice(line);
        }
    }
    changed
}

/// What a service answers.
#[derive(Debug, Default)]
struct Answered {
    status: Option<u16>,
    /// Behind the head, as they are sent: with what tells chunks apart.
    bytes: u64,
    /// Of a head, until it is whole.
    head: Vec<u8>,
    is_through: bool,
}

impl Answered {
    fn come(&mut self, bytes: &[u8]) {
        if self.is_through {
            self.bytes += bytes.len() as u64;
            return;
        }
        self.head.extend_from_slice(bytes);
        while let Some(end) = find(&self.head, END) {
            let rest = self.head.split_off(end + END.len());
            self.status = status(&std::mem::replace(&mut self.head, rest));
            // Such a word may stand before an answer, and more of them.
            if self.status.is_none_or(|status| status >= 200 || status == 101) {
                return self.pass();
            }
        }
        if self.head.len() > HEAD_BYTES_MAX {
            self.pass();
        }
    }

    fn pass(&mut self) {
        self.bytes = std::mem::take(&mut self.head).len() as u64;
        self.is_through = true;
    }
}

/// That of an answer's head.
fn status(head: &[u8]) -> Option<u16> {
    let head = head.strip_prefix(b"HTTP/1.")?;
    std::str::from_utf8(head.get(2..5)?).ok()?.parse().ok()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Between a head and what is behind it.
const END: &[u8] = b"\r\n\r\n";
const HOST: &[u8] = b"host:";
/// More than the proxy passes; what is longer is no head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Where a request goes.
struct Asking<'a, W> {
    to: W,
    asked: &'a mut Asked,
}

impl<W: AsyncWrite + Unpin> Asking<'_, W> {
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.asked.left.is_empty() {
            let taken = ready!(Pin::new(&mut self.to).poll_write(cx, &self.asked.left))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.asked.left.drain(..taken);
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Asking<'_, W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.asked.is_through {
            self.asked.come(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_left(cx))?;
        Pin::new(&mut self.to).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_left(cx))?;
        Pin::new(&mut self.to).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.asked.is_through {
            self.asked.pass(0);
        }
        ready!(self.poll_left(cx))?;
        Pin::new(&mut self.to).poll_shutdown(cx)
    }
}

/// Where an answer comes from.
struct Answering<'a, R> {
    from: R,
    answered: &'a mut Answered,
}

impl<R: AsyncRead + Unpin> AsyncRead for Answering<'_, R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.from).poll_read(cx, buffer))?;
        let came = buffer.filled().get(before..).unwrap_or_default();
        self.answered.come(came);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What a service gets of a request that comes in parts of this length, and what was seen of it.
    async fn asked(host: Option<&str>, part: usize, request: &str) -> (String, String) {
        let (mut asked, mut got) = (Asked::new(host), Vec::new());
        let mut asking = Asking { to: &mut got, asked: &mut asked };
        for part in request.as_bytes().chunks(part) {
            asking.write_all(part).await.expect("taken");
        }
        asking.shutdown().await.expect("taken");
        (String::from_utf8(got).expect("text"), asked.line)
    }

    async fn answered(part: usize, answer: &str) -> (Option<u16>, u64) {
        let mut seen = Answered::default();
        for part in answer.as_bytes().chunks(part) {
            let mut passed = Vec::new();
            Answering { from: part, answered: &mut seen }.read_to_end(&mut passed).await.expect("read");
            assert_eq!(passed, part);
        }
        (seen.status, seen.bytes)
    }

    #[tokio::test]
    async fn a_request_is_passed_as_it_is_however_it_comes_but_for_the_host_that_was_asked_for() {
        let request = "POST /x?y HTTP/1.1\r\naccept: */*\r\nHost: a.tabs.example\r\nx-host: b\r\n\r\nhost: of the body\r\n\r\n";
        for part in [1, 7, 1000] {
            assert_eq!(asked(None, part, request).await, (request.to_owned(), "POST /x?y".to_owned()));
            let (got, line) = asked(Some("localhost"), part, request).await;
            assert_eq!((got, line.as_str()), (request.replace("Host: a.tabs.example", "host: localhost"), "POST /x?y"));
        }
        let cut = "GET / HTTP/1.1\r\nhost: a";
        assert_eq!(asked(Some("b"), 3, cut).await.0, cut, "what is no head");
        let (_, line) = asked(None, 100, "GET /\u{1b}[2J\u{9b} HTTP/1.1\r\n\r\n").await;
        assert_eq!(line, "GET /\\u001b[2J\\u009b", "nothing that a terminal obeys");
    }

    #[tokio::test]
    async fn an_answer_is_seen_however_it_comes() {
        for part in [1, 5, 1000] {
            assert_eq!(answered(part, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await, (Some(200), 5));
            assert_eq!(answered(part, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 No\r\n\r\n").await, (Some(404), 0));
            assert_eq!(answered(part, "HTTP/1.1 101 Switching Protocols\r\n\r\n\x01").await, (Some(101), 1));
            assert_eq!(answered(part, "SSH-2.0\r\n").await, (None, 0));
        }
        let longer = "x".repeat(HEAD_BYTES_MAX + 1);
        assert_eq!(answered(5000, &longer).await, (None, longer.len() as u64));
    }
}
