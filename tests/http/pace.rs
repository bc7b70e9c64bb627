//! At whose pace bodies go: that of the slower side, whichever it is.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use crate::site::{PATIENCE, Site, next};

/// Far more than everything on the way holds.
const TOTAL: usize = 64 * 1024 * 1024;
/// Of which no more is taken for so long, that waits.
const STILL: Duration = Duration::from_millis(300);

/// Writes so much, or until no more is taken; how much that was.
async fn push(to: &mut (impl AsyncWrite + Unpin), total: usize) -> usize {
    let part = vec![7; 64 * 1024];
    let mut sent = 0;
    while sent < total {
        let left = &part[..part.len().min(total - sent)];
        match timeout(STILL, to.write(left)).await {
            Ok(taken) => sent += taken.expect("no error"),
            Err(_) => return sent,
        }
    }
    sent
}

/// Writes so much, however long that takes in all.
async fn push_all(to: &mut (impl AsyncWrite + Unpin), total: usize) {
    let part = vec![7; 64 * 1024];
    let mut sent = 0;
    while sent < total {
        let left = &part[..part.len().min(total - sent)];
        sent += timeout(PATIENCE, to.write(left)).await.expect("it goes on").expect("no error");
    }
}

/// Reads so much behind a head.
async fn pull(from: &mut (impl AsyncRead + Unpin), total: usize) {
    let (mut part, mut got) = (vec![0; 64 * 1024], 0);
    while got < total {
        let read = timeout(PATIENCE, from.read(&mut part)).await.expect("more in time").expect("no error");
        assert!(read > 0 && part[..read].iter().all(|byte| *byte == 7), "{got}");
        got += read;
    }
    assert_eq!(got, total);
}

#[tokio::test]
async fn threat_06_a_visitor_that_does_not_read_holds_its_server_up_and_has_all_once_it_does() {
    let site = Site::start(|_| {}).await;
    let mut listener = site.listen("a").await;
    let mut socket = site.connect().await;
    socket.write_all(b"GET / HTTP/1.1\r\nhost: a.localhost\r\n\r\n").await.expect("sent");
    let (mut stream, _) = next(&mut listener).await;
    stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {TOTAL}\r\n\r\n").as_bytes()).await.expect("sent");
    let sent = push(&mut stream, TOTAL).await;
    assert!(sent < TOTAL / 2, "{sent}");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("a head"));
    }
    tokio::join!(push_all(&mut stream, TOTAL - sent), pull(&mut socket, TOTAL));
}

#[tokio::test]
async fn threat_06_a_server_that_does_not_read_holds_its_visitor_up_and_has_all_once_it_does() {
    let site = Site::start(|_| {}).await;
    let mut listener = site.listen("a").await;
    let mut socket = site.connect().await;
    socket.write_all(format!("POST / HTTP/1.1\r\nhost: a.localhost\r\ncontent-length: {TOTAL}\r\n\r\n").as_bytes()).await.expect("sent");
    let (mut stream, head) = next(&mut listener).await;
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    let sent = push(&mut socket, TOTAL).await;
    assert!(sent < TOTAL / 2, "{sent}");
    tokio::join!(push_all(&mut socket, TOTAL - sent), pull(&mut stream, TOTAL));
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("sent");
    let mut answer = [0; 12];
    timeout(PATIENCE, socket.read_exact(&mut answer)).await.expect("an answer in time").expect("no error");
    assert_eq!(&answer, b"HTTP/1.1 204");
}
