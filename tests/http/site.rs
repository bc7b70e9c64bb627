//! A proxy on a port of its own, a server under a name, and raw bytes to and from both.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use browser_stream_client::{Connection, HttpPlace, Listener, Stream, StreamServer as Server};
use browser_stream_server::{Config, Proxy, StreamRouter, StreamServerProxy, tls::Identity};
use futures::StreamExt;
use harness::{Control, Memory, Peer};
use serde_json::json;
use tempfile::{TempDir, tempdir};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// A proxy that serves, and stops with the test's runtime.
pub struct Site {
    pub proxy: Proxy,
    pub address: SocketAddr,
}

impl Site {
    pub async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        Self::serve(config, Proxy::new).await
    }

    async fn serve(config: Config, make: impl FnOnce(Config, StreamRouter) -> Proxy) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let names = StreamServerProxy::with_limits("/browser-server", std::sync::Arc::new(config.limits.clone()));
        let proxy = make(config, StreamRouter::new().mount(names));
        tokio::spawn({
            let proxy = proxy.clone();
            async move { proxy.serve(listener).await }
        });
        Self { proxy, address }
    }

    /// A peer in memory, for where no socket of ours would be let in.
    fn peer(&self) -> Peer {
        let (near, far) = tokio::io::duplex(1 << 20);
        let sessions = self.proxy.sessions().clone();
        tokio::spawn(async move { sessions.run(Memory(far), None).await });
        Peer::over(near)
    }

    async fn server(&self) -> Server {
        Server::dial(format!("ws://{}/mux", self.address)).await.expect("a connection")
    }

    /// A server that visitors are let in to, and by hand does what it likes.
    pub async fn listen(&self, name: &str) -> Listener {
        self.server().await.listen(name).http().await.expect("the name")
    }

    /// One that only peers reach.
    pub async fn listen_closed(&self, name: &str) -> Listener {
        self.server().await.listen(name).await.expect("the name")
    }

    /// A server that answers each request with its head and body, as they came; where it is.
    pub async fn mirror(&self, name: &str) -> HttpPlace {
        let mut listener = self.listen(name).await;
        let place = listener.http().expect("a place").clone();
        tokio::spawn(async move {
            while let Some(Ok(connection)) = listener.next().await {
                tokio::spawn(mirror(connection));
            }
        });
        place
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// The whole answer to these bytes, on a connection of their own, which the proxy must close.
    pub async fn ask(&self, request: &str) -> String {
        let mut socket = self.connect().await;
        // It may close before it took all.
        let _ = socket.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = timeout(PATIENCE, socket.read_to_end(&mut bytes)).await.expect("the proxy closes");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The answer to a GET of `/` at that host.
    pub async fn get(&self, host: &str) -> String {
        self.ask(&format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await
    }

    /// The same, once there is room: a place is free again a moment after the answer that it was for.
    pub async fn get_with_room(&self, host: &str) -> String {
        let asking = async {
            loop {
                let answer = self.get(host).await;
                if status(&answer) != 503 {
                    return answer;
                }
            }
        };
        timeout(PATIENCE, asking).await.expect("a place in time")
    }

    pub fn refusals(&self, name: &str) -> u64 {
        self.proxy.refusals().find(|&(found, _)| found == name).expect("a reason").1
    }
}

/// The next request: its stream, and its head with what came behind it by then.
pub async fn next(listener: &mut Listener) -> (Stream, String) {
    let connection = timeout(PATIENCE, listener.next()).await.expect("a visitor in time").expect("a visitor").expect("no error");
    let mut stream = connection.accept();
    let head = head(&mut stream).await;
    (stream, head)
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = timeout(PATIENCE, stream.read_buf(&mut bytes)).await.expect("a head in time").expect("no error");
        assert_ne!(read, 0, "a head is whole: {:?}", String::from_utf8_lossy(&bytes));
    }
    String::from_utf8(bytes).expect("text")
}

/// A proxy that speaks TLS, and so HTTP/2; the server `a` answers with what it is asked, `b` by hand.
pub struct Secure {
    pub site: Site,
    pub by_hand: Peer,
    pub certificate: PathBuf,
    _claim: Control,
    _folder: TempDir,
}

pub async fn secure() -> Secure {
    let folder = tempdir().expect("a folder");
    let identity = Identity::self_signed(folder.path(), &[]).expect("an identity");
    let certificate = identity.certificate().expect("a file").to_owned();
    let site = Site::serve(Config::default(), |config, router| Proxy::with_tls(config, router, identity)).await;
    let (mut mirror, by_hand) = (site.peer(), site.peer());
    let claims = [mirror.claim_with("a", json!({ "http": true })).await, by_hand.claim_with("b", json!({ "http": true })).await];
    let [a, b] = claims.map(|claim| claim.expect("the name"));
    tokio::spawn(async move {
        let _claim = a;
        loop {
            let (_, stream) = mirror.accept().await;
            tokio::spawn(answer(stream));
        }
    });
    Secure { site, by_hand, certificate, _claim: b, _folder: folder }
}

async fn mirror(connection: Connection) {
    answer(connection.accept()).await;
}

/// Answers with what it is asked.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut said = head(&mut stream).await;
    let length = said.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse::<usize>().ok());
    let whole = |said: &str| {
        let body = said.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        if said.contains("transfer-encoding: chunked") { body.ends_with("0\r\n\r\n") } else { body.len() >= length.unwrap_or(0) }
    };
    while !whole(&said) {
        let mut more = Vec::new();
        if stream.read_buf(&mut more).await.unwrap_or(0) == 0 {
            return;
        }
        said += &String::from_utf8_lossy(&more);
    }
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{said}", said.len());
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        // Its visitor may have gone. Dropped sooner, it would be reset.
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

/// What the server was asked, in an answer of `mirror`'s.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status in {answer:?}"))
}

pub const PATIENCE: Duration = Duration::from_secs(20);
