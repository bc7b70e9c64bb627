//! How an answer ends: whole, or seen as broken off.

use std::time::Duration;

use browser_stream_client::{Code, RefusalCode, Stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::site::{PATIENCE, Site, next, status};

/// What a visitor gets of an answer that begins with these bytes, and then ends by what `end` does to the server's stream.
async fn answered(begins: &str, end: impl FnOnce(&mut Stream)) -> String {
    answered_at(&Site::start(|_| {}).await, begins, end).await
}

async fn answered_at(site: &Site, begins: &str, end: impl FnOnce(&mut Stream)) -> String {
    let mut listener = site.listen("a").await;
    let asking = site.ask("GET / HTTP/1.1\r\nhost: a.localhost\r\nconnection: close\r\n\r\n");
    let answering = async {
        let (mut stream, _) = next(&mut listener).await;
        stream.write_all(begins.as_bytes()).await.expect("sent");
        end(&mut stream);
        // Its end, whichever it is.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
    };
    tokio::join!(asking, answering).0
}

#[tokio::test]
async fn threat_34_an_answer_that_breaks_off_never_looks_whole() {
    let broken: [fn(&mut Stream); 2] = [|stream| stream.reset(Code::Internal.number()), Stream::finish];
    for end in broken {
        let chunked = answered("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", end).await;
        assert!(!chunked.ends_with("0\r\n\r\n"), "{chunked}");
        let counted = answered("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", end).await;
        assert!(counted.is_empty() || !counted.contains("content-length: 5"), "{counted}");
    }
    let open = "HTTP/1.1 200 OK\r\n\r\nhello";
    let whole = answered(open, Stream::finish).await;
    assert!(whole.ends_with("5\r\nhello\r\n0\r\n\r\n"), "its end is the stream's: {whole}");
    let reset = answered(open, |stream| stream.reset(Code::Internal.number())).await;
    assert!(!reset.ends_with("0\r\n\r\n"), "{reset}");
}

#[tokio::test]
async fn a_server_that_goes_before_it_answers_or_answers_nonsense_is_a_bad_gateway() {
    assert_eq!(status(&answered("", |stream| stream.reset(Code::Gone.number())).await), 502);
    assert_eq!(status(&answered("", Stream::finish).await), 502);
    for nonsense in [
        "SSH-2.0-OpenSSH_9\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let site = Site::start(|_| {}).await;
        let answer = answered_at(&site, nonsense, Stream::finish).await;
        assert_eq!((status(&answer), site.refusals("http_response")), (502, 1), "{nonsense}");
    }
    let large = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(40_000));
    assert_eq!(status(&answered(&large, Stream::finish).await), 502);
}

#[tokio::test]
async fn a_server_that_refuses_visitors_is_told_as_what_it_says() {
    for (code, expected) in [
        (RefusalCode::from(Code::Busy), 503),
        (Code::Forbidden.into(), 403),
        (Code::Gone.into(), 502),
        // A status of its own, where nothing else is said.
        (RefusalCode::Application(502), 502),
        (RefusalCode::Application(410), 410),
        (RefusalCode::Application(4001), 502),
    ] {
        let site = Site::start(|_| {}).await;
        let mut listener = site.listen("a").await;
        let asking = site.get("a.localhost");
        let refusing = async {
            let connection = futures::StreamExt::next(&mut listener).await.expect("a visitor").expect("no error");
            connection.refuse(code, "no");
        };
        let answer = tokio::join!(asking, refusing).0;
        assert_eq!(status(&answer), expected, "{answer}");
        assert_eq!(answer.contains("bad_gateway: "), code == RefusalCode::Application(502), "what is behind it does not answer: {answer}");
    }
}

#[tokio::test]
async fn threat_34_a_server_that_does_not_answer_in_time_is_a_gateway_timeout_and_loses_its_stream() {
    let site = Site::start(|config| config.limits.http_response_timeout = Duration::from_secs(2)).await;
    let mut listener = site.listen("a").await;
    let asking = site.get("a.localhost");
    let waiting = async {
        let (mut stream, _) = next(&mut listener).await;
        timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("an end in time")
    };
    let (answer, end) = tokio::join!(asking, waiting);
    assert_eq!(status(&answer), 504);
    assert!(end.is_err(), "a reset");
    assert_eq!(site.refusals("http_timeout"), 1);
}

#[tokio::test]
async fn threat_34_a_visitor_that_stalls_in_its_body_is_given_up_and_the_server_sees_no_whole_request() {
    let site = Site::start(|config| {
        config.limits.http_response_timeout = Duration::from_secs(2);
        config.limits.http_requests_per_name_max = 1;
    })
    .await;
    let mut listener = site.listen("a").await;
    let asking = site.ask("POST / HTTP/1.1\r\nhost: a.localhost\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhello");
    let waiting = async {
        let (mut stream, head) = next(&mut listener).await;
        let mut body = head.split_once("\r\n\r\n").expect("a head").1.to_owned().into_bytes();
        let end = timeout(PATIENCE, stream.read_to_end(&mut body)).await.expect("an end in time");
        (end.is_err(), String::from_utf8(body).expect("text"))
    };
    let (answer, (is_reset, body)) = tokio::join!(asking, waiting);
    assert_eq!((status(&answer), is_reset, body.as_str()), (504, true, "hello"), "{answer}");
    assert_eq!(site.refusals("http_timeout"), 1);
    let waiting = async {
        let (mut stream, _) = next(&mut listener).await;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("sent");
        stream.finish();
        // Dropped sooner, it would be reset.
        stream
    };
    assert_eq!(status(&tokio::join!(site.get_with_room("a.localhost"), waiting).0), 204, "its place is another's");
}

#[tokio::test]
async fn threat_34_an_answer_in_which_nothing_moves_is_cut_and_so_is_a_websocket() {
    let site = Site::start(|config| {
        config.limits.http_idle_timeout = Duration::from_secs(2);
        config.limits.http_websocket_idle_timeout = Duration::from_secs(2);
    })
    .await;
    let mut listener = site.listen("a").await;
    let asking = site.ask("GET / HTTP/1.1\r\nhost: a.localhost\r\n\r\n");
    let answering = async {
        let (mut stream, _) = next(&mut listener).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").await.expect("sent");
        timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("an end in time")
    };
    let (answer, end) = tokio::join!(asking, answering);
    assert!(answer.contains("hello") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    assert!(end.is_err(), "a reset");
    let (mut socket, mut stream) = upgraded(&site, &mut listener).await;
    assert!(timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("an end in time").is_err());
    assert_eq!(timeout(PATIENCE, socket.read_to_end(&mut Vec::new())).await.expect("an end in time").unwrap_or(0), 0);
    assert_eq!(site.refusals("http_timeout"), 2);
}

/// Both ends of a WebSocket, as far as the proxy cares.
async fn upgraded(site: &Site, listener: &mut browser_stream_client::Listener) -> (TcpStream, Stream) {
    let mut socket = site.connect().await;
    let request = "GET /ws HTTP/1.1\r\nhost: a.localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(request.as_bytes()).await.expect("sent");
    let (mut stream, head) = next(listener).await;
    for line in ["connection: upgrade", "upgrade: websocket", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="] {
        assert!(head.contains(&format!("{line}\r\n")), "{head}");
    }
    stream
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        assert_ne!(timeout(PATIENCE, socket.read_buf(&mut answer)).await.expect("an answer in time").expect("no error"), 0);
    }
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.contains("sec-websocket-accept: x\r\n"), "{answer}");
    (socket, stream)
}

#[tokio::test]
async fn behind_an_upgrade_bytes_go_both_ways_and_each_end_is_the_others() {
    let site = Site::start(|_| {}).await;
    let mut listener = site.listen("a").await;
    let (mut socket, mut stream) = upgraded(&site, &mut listener).await;
    let mut heard = [0; 4];
    for (ask, answer) in [(b"ping", b"pong"), (b"more", b"done")] {
        socket.write_all(ask).await.expect("sent");
        stream.read_exact(&mut heard).await.expect("it arrives");
        assert_eq!(&heard, ask);
        stream.write_all(answer).await.expect("sent");
        socket.read_exact(&mut heard).await.expect("it arrives");
        assert_eq!(&heard, answer);
    }
    stream.finish();
    assert_eq!(timeout(PATIENCE, socket.read(&mut heard)).await.expect("an end in time").expect("no error"), 0);
    drop(socket);
    assert_eq!(timeout(PATIENCE, stream.read(&mut heard)).await.expect("an end in time").unwrap_or(0), 0);
}

#[tokio::test]
async fn what_goes_wrong_for_a_visitor_ends_the_servers_stream() {
    let site = Site::start(|_| {}).await;
    let mut listener = site.listen("a").await;
    let mut socket = site.connect().await;
    socket.write_all(b"POST / HTTP/1.1\r\nhost: a.localhost\r\ncontent-length: 10\r\n\r\nhello").await.expect("sent");
    let (mut stream, _) = next(&mut listener).await;
    drop(socket);
    assert!(
        timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("an end in time").is_err(),
        "a reset, for the body was not whole"
    );
}

#[tokio::test]
async fn who_waits_to_be_asked_for_its_body_is_asked_once_the_server_is_there() {
    let site = Site::start(|_| {}).await;
    site.mirror("a").await;
    let mut socket = site.connect().await;
    socket.write_all(b"POST / HTTP/1.1\r\nhost: a.localhost\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n").await.expect("sent");
    let mut heard = [0; 25];
    timeout(PATIENCE, socket.read_exact(&mut heard)).await.expect("an answer in time").expect("no error");
    assert_eq!(&heard, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"hi").await.expect("sent");
    let mut answer = [0; 12];
    timeout(PATIENCE, socket.read_exact(&mut answer)).await.expect("an answer in time").expect("no error");
    assert_eq!(&answer, b"HTTP/1.1 200");
    let nobody =
        site.ask("POST / HTTP/1.1\r\nhost: b.localhost\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: 2\r\n\r\n").await;
    assert_eq!(status(&nobody), 404, "{nobody}");
}
