//! `bss listen --to --http`: what visitors get of a service, and what is said of them.

use harness::Port;
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::program::{Program, Proxy, within};

/// A service as most are: it answers with the host that it is asked for, says how long that is, and leaves it to who asked to close.
struct Service {
    at: String,
    /// How each connection ended.
    ends: mpsc::UnboundedReceiver<std::io::Result<usize>>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address").to_string();
        let (told, ends) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let told = told.clone();
                tokio::spawn(async move { told.send(Self::answer(socket).await) });
            }
        });
        Self { at, ends }
    }

    async fn answer(mut socket: TcpStream) -> std::io::Result<usize> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(socket.read_buf(&mut head).await?, 0, "a head is whole");
        }
        let head = String::from_utf8(head).expect("text");
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
        let body = if head.starts_with("HEAD ") { "" } else { host };
        // More is said than is sent of what is for nobody.
        let length = if head.starts_with("GET /cut ") { host.len() + 1 } else { host.len() };
        socket.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes()).await?;
        socket.read(&mut [0]).await
    }
}

/// Asks a name, and reads so much of the answer as this takes for the whole.
async fn ask(proxy: &Proxy, line: &str, name: &str, ends: &str) -> String {
    let mut socket = TcpStream::connect(proxy.address).await.expect("a connection");
    socket.write_all(format!("{line} HTTP/1.1\r\nhost: {name}.localhost\r\n\r\n").as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(ends.as_bytes()) {
        assert_ne!(within(socket.read_buf(&mut answer)).await.expect("no error"), 0, "{}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).expect("text")
}

async fn ended(program: Program) -> String {
    program.signal(Signal::TERM);
    let ended = program.ended().await;
    assert_eq!(ended.code, Some(143));
    ended.stderr
}

#[tokio::test]
async fn nothing_is_said_of_answers_that_are_whole_and_of_visitors_that_leave_and_the_address_is_printed() {
    let (proxy, mut service) = (Proxy::start().await, Service::start().await);
    let mut server = proxy.start_peer(&["listen", "web", "--to", &format!("http://{}/", service.at), "--http"]);
    assert_eq!(server.line().await, format!("http://web.localhost:{}/", proxy.address.port()));
    for _ in 0..5 {
        let got = ask(&proxy, "GET /", "web", "web.localhost").await;
        assert!(got.starts_with("HTTP/1.1 200 OK"), "{got}");
        assert_eq!(within(service.ends.recv()).await.expect("it ends").ok(), Some(0), "the service sees a clean end");
        ask(&proxy, "HEAD /", "web", "\r\n\r\n").await;
        assert_eq!(within(service.ends.recv()).await.expect("it ends").ok(), Some(0));
    }
    // It leaves in the middle.
    ask(&proxy, "GET /cut", "web", "web.localhost").await;
    within(service.ends.recv()).await.expect("it ends").unwrap_or_default();
    assert_eq!(ended(server).await, "");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_bad_gateway_for_visitors_and_busy_for_clients() {
    let proxy = Proxy::start().await;
    let held = Port::hold();
    let nobody = held.address().to_string();
    let mut server = proxy.start_peer(&["listen", "web", "--to", &nobody, "--http"]);
    server.line().await;
    let got = ask(&proxy, "GET /", "web", "\n").await;
    assert!(got.starts_with("HTTP/1.1 502 ") && got.contains("bad_gateway: "), "{got}");
    proxy.run(&["connect", "web"], b"").await.failed(75, "busy: web: the service behind this name does not answer");
    let told = ended(server).await;
    assert_eq!(told.lines().filter(|line| line.starts_with(&format!("bss: web: no connection to {nobody}: "))).count(), 2, "{told}");
}

#[tokio::test]
async fn each_request_is_told_to_who_wants_to_see_and_a_service_is_asked_for_the_host_that_it_knows() {
    let (proxy, mut service) = (Proxy::start().await, Service::start().await);
    let mut server = proxy.listen(&["listen", "web", "--to", &service.at, "--http", "--host-header", "localhost:8000"]).await;
    server.line().await;
    assert!(ask(&proxy, "GET /x?y", "web", "localhost:8000").await.starts_with("HTTP/1.1 200 OK"));
    let said = server.said().await;
    assert!(said.starts_with("bss: web: 127.0.0.1 GET /x?y 200, 14 bytes in ") && said.ends_with(" ms"), "{said}");
    within(service.ends.recv()).await.expect("it ends").expect("no error");
    ask(&proxy, "GET /cut", "web", "localhost:8000").await;
    let said = server.said().await;
    assert!(said.starts_with("bss: web: 127.0.0.1 GET /cut 200, 14 bytes in ") && said.ends_with(" ms, the visitor left"), "{said}");
}

#[tokio::test]
async fn who_has_no_address_is_told_whose_fault_that_is() {
    let open = Proxy::with(&["--open"]).await;
    let mut server = open.start_peer(&["listen", "web", "--to", "9", "--http"]);
    let said = server.said().await;
    assert!(said.starts_with("bss: web: has no address, for the proxy has no host for it") && said.contains("--http-path"), "{said}");
    let by_path = Proxy::with(&["--http-path"]).await;
    let mut server = by_path.start_peer(&["listen", "A_b", "--to", "9", "--http"]);
    assert_eq!(server.line().await, format!("http://{}/~A_b/", by_path.address));
    let said = server.said().await;
    assert!(said.contains("sandboxed") && said.ends_with("such as a-b"), "{said}");
}
