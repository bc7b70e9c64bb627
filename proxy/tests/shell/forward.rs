//! `bss forward` in front of `bss listen --to`: TCP through a name.

use std::{net::SocketAddr, process::Stdio, sync::Arc, time::Duration};

use harness::{Port, pattern};
use rustix::process::Signal;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
    time::Instant,
};

use crate::program::{Program, Proxy, within};

/// A service behind a name behind a port.
struct Chain {
    proxy: Proxy,
    server: Program,
    client: Program,
    port: SocketAddr,
}

impl Chain {
    async fn to(service: SocketAddr) -> Self {
        let proxy = Proxy::start().await;
        let server = proxy.listen(&["listen", "web", "--to", &service.to_string()]).await;
        let (client, port) = forward(&proxy).await;
        Self { proxy, server, client, port }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.port).await.expect("bss forward listens")
    }
}

async fn forward(proxy: &Proxy) -> (Program, SocketAddr) {
    let mut client = proxy.start_peer(&["forward", "0", "web"]);
    let line = client.line().await;
    let port = line.strip_prefix("web is at ").and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{line}"));
    (client, port)
}

/// A service that does this with each of its connections.
async fn service<F: Future<Output = ()> + Send + 'static>(serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let serve = Arc::new(serve);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket));
        }
    });
    address
}

/// A web server that has one page; it never ends where there is none.
async fn web(page: Vec<u8>) -> SocketAddr {
    let page = Arc::new(page);
    service(move |mut socket| {
        let page = Arc::clone(&page);
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.expect("a request"));
            }
            let length = if page.is_empty() { 1 << 40 } else { page.len() };
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            // Whoever goes in the middle has heard enough.
            let _ = socket.write_all(answer.as_bytes()).await;
            let _ = socket.write_all(&page).await;
            while page.is_empty() && socket.write_all(&[7; 1000]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    })
    .await
}

fn curl(port: SocketAddr) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", &format!("http://{port}/")]);
    curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    curl
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_gets_100_mebibytes_from_a_web_server_behind_a_name() {
    let page = pattern(5, 100 << 20);
    let chain = Chain::to(web(page.clone()).await).await;
    let begun = Instant::now();
    let output = within(curl(chain.port).output()).await.expect("curl is installed");
    let time = begun.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == page, "{} bytes of {}", output.stdout.len(), page.len());
    println!("100 MiB in {time:?}");
}

#[tokio::test]
async fn a_byte_passes_at_once_and_each_side_ends_by_itself() {
    let chain = Chain::to(
        service(|mut socket| async move {
            let (mut reader, mut writer) = socket.split();
            tokio::io::copy(&mut reader, &mut writer).await.expect("a clean end");
            writer.write_all(b"bye").await.expect("still open");
        })
        .await,
    )
    .await;
    let mut socket = chain.connect().await;
    socket.set_nodelay(true).expect("open");
    let mut times = Vec::new();
    for byte in 0..50 {
        let begun = Instant::now();
        socket.write_u8(byte).await.expect("sent");
        assert_eq!(within(socket.read_u8()).await.expect("echoed"), byte);
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!("a byte there and back: {:?}", times[25]);
    socket.shutdown().await.expect("our side ends");
    let mut rest = Vec::new();
    within(socket.read_to_end(&mut rest)).await.expect("a clean end");
    assert_eq!(rest, b"bye", "half-closed, the other side goes on");
}

#[tokio::test]
async fn a_reset_passes_as_a_reset_either_way() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut chain = Chain::to(
        service(move |mut socket| {
            let tell = tell.clone();
            async move {
                loop {
                    match socket.read_u8().await {
                        Ok(b'!') => return SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("open"),
                        Ok(byte) => socket.write_u8(byte).await.expect("open"),
                        Err(error) => return tell.send(error.kind()).expect("the test waits"),
                    }
                }
            }
        })
        .await,
    )
    .await;
    let mut socket = chain.connect().await;
    socket.write_all(b"a").await.expect("sent");
    assert_eq!(within(socket.read_u8()).await.expect("echoed"), b'a');
    socket.write_all(b"!").await.expect("sent");
    let error = within(socket.read_u8()).await.expect_err("no clean end");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(chain.client.said().await.starts_with("bss: cancelled: web: "));

    let mut socket = chain.connect().await;
    socket.write_all(b"b").await.expect("sent");
    assert_eq!(within(socket.read_u8()).await.expect("echoed"), b'b');
    SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("open");
    drop(socket);
    assert_eq!(within(told.recv()).await.expect("told"), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn killing_either_side_is_told_and_no_short_answer_looks_whole() {
    let Chain { proxy, server, mut client, port } = Chain::to(web(Vec::new()).await).await;
    let begun = async || {
        let mut download = curl(port).spawn().expect("curl is installed");
        within(download.stdout.as_mut().expect("piped").read_u8()).await.expect("it has begun");
        download
    };
    let download = begun().await;
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code, Some(143));
    assert!(client.said().await.starts_with("bss: cancelled: web: the far side gave"));
    assert!(!within(download.wait_with_output()).await.expect("it ends").status.success(), "curl knows that it is not whole");

    // The name is free: the next connection is told so, and the one after the server is back works.
    within(byte(port)).await.expect_err("nobody is there");
    assert!(client.said().await.starts_with("bss: not_found: web: "));
    let service = web(Vec::new()).await.to_string();
    let mut server = proxy.listen(&["listen", "web", "--to", &service]).await;
    let download = begun().await;
    client.signal(Signal::INT);
    assert_eq!(client.ended().await.code, Some(130));
    assert!(server.said().await.starts_with("bss: cancelled: web: the far side gave"));
    assert!(!within(download.wait_with_output()).await.expect("it ends").status.success(), "nor now");
}

/// The first byte that comes.
async fn byte(port: SocketAddr) -> std::io::Result<u8> {
    TcpStream::connect(port).await?.read_u8().await
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told_on_both_sides() {
    let held = Port::hold();
    let nobody = held.address();
    let mut chain = Chain::to(nobody).await;
    within(byte(chain.port)).await.expect_err("nobody is there");
    assert!(chain.client.said().await.starts_with("bss: busy: web: the service behind this name does not answer"));
    assert!(chain.server.said().await.starts_with(&format!("bss: web: no connection to {nobody}: ")));
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_failure_of_this_machine() {
    let proxy = Proxy::start().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("bound").to_string();
    proxy.run(&["forward", &taken, "web"], b"").await.failed(74, &format!("cannot listen on {taken}: "));
}
