//! Requests that two readers could take differently: what becomes of each, and that the server is asked one thing or nothing.

use crate::site::{Site, body, status};

/// A request to the site, of these lines behind its host.
fn to_site(line: &str, headers: &str, rest: &str) -> String {
    format!("{line}\r\nhost: a.localhost\r\nconnection: close\r\n{headers}\r\n{rest}")
}

#[tokio::test]
async fn threat_34_what_no_two_readers_take_alike_never_reaches_a_server() {
    let site = Site::start(|_| {}).await;
    site.mirror("a").await;
    for (what, request) in [
        ("two lengths", to_site("POST / HTTP/1.1", "content-length: 1\r\ncontent-length: 2\r\n", "ab")),
        ("a list of lengths", to_site("POST / HTTP/1.1", "content-length: 1, 2\r\n", "ab")),
        ("a signed length", to_site("POST / HTTP/1.1", "content-length: +1\r\n", "a")),
        ("another coding", to_site("POST / HTTP/1.1", "transfer-encoding: gzip\r\n", "0\r\n\r\n")),
        ("a coding behind chunked", to_site("POST / HTTP/1.1", "transfer-encoding: chunked, gzip\r\n", "0\r\n\r\n")),
        ("a space in front of the colon", to_site("POST / HTTP/1.1", "transfer-encoding : chunked\r\n", "0\r\n\r\n")),
        ("a folded line", to_site("GET / HTTP/1.1", "a: b\r\n c: d\r\n", "")),
        ("a header without a name", to_site("GET / HTTP/1.1", ": b\r\n", "")),
        ("a zero byte", to_site("GET / HTTP/1.1", "a: b\0c\r\n", "")),
        ("a method that is none", to_site("G(T / HTTP/1.1", "", "")),
        ("no host", "GET / HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned()),
        ("two hosts", to_site("GET / HTTP/1.1", "host: b.localhost\r\n", "")),
        ("a host that is none", "GET / HTTP/1.1\r\nhost: a.localhost@evil\r\nconnection: close\r\n\r\n".to_owned()),
        ("another host in the line", to_site("GET http://b.localhost/ HTTP/1.1", "", "")),
    ] {
        let answer = site.ask(&request).await;
        assert_eq!(status(&answer), 400, "{what}: {answer}");
        assert!(!answer.contains("forwarded"), "{what} reached the server: {answer}");
    }
}

#[tokio::test]
async fn threat_34_a_length_beside_chunks_is_none() {
    let site = Site::start(|_| {}).await;
    site.mirror("a").await;
    let request = to_site("POST / HTTP/1.1", "content-length: 4\r\ntransfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
    let answer = site.ask(&request).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let asked = body(&answer);
    assert!(!asked.contains("content-length"), "{asked}");
    assert!(asked.ends_with("5\r\nhello\r\n0\r\n\r\n"), "one body, in chunks of the proxy's own making: {asked}");
}

#[tokio::test]
async fn threat_34_chunks_that_are_none_end_the_request() {
    let site = Site::start(|_| {}).await;
    site.mirror("a").await;
    for (what, chunks) in [
        ("no size", "\r\nhello\r\n0\r\n\r\n"),
        ("a size that is no number", "g\r\nhello\r\n0\r\n\r\n"),
        ("a signed size", "-5\r\nhello\r\n0\r\n\r\n"),
        ("a size beyond all", "fffffffffffffffff\r\nhello\r\n"),
        ("a chunk that is longer than it says", "4\r\nhello\r\n0\r\n\r\n"),
        ("a line end without CR", "5\nhello\n0\n\n"),
    ] {
        let answer = site.ask(&to_site("POST / HTTP/1.1", "transfer-encoding: chunked\r\n", chunks)).await;
        assert!(answer.is_empty() || (400..=502).contains(&status(&answer)), "{what}: {answer}");
        assert!(!answer.contains("forwarded"), "{what} reached the server as whole: {answer}");
    }
}

#[tokio::test]
async fn threat_15_giant_and_many_headers_are_431() {
    let site = Site::start(|_| {}).await;
    site.mirror("a").await;
    let large = to_site("GET / HTTP/1.1", &format!("a: {}\r\n", "b".repeat(20_000)), "");
    assert_eq!(status(&site.ask(&large).await), 200, "more than the proxy itself takes");
    for headers in [format!("a: {}\r\n", "b".repeat(40_000)), "a: b\r\n".repeat(200)] {
        assert_eq!(status(&site.ask(&to_site("GET / HTTP/1.1", &headers, "")).await), 431);
    }
}

#[tokio::test]
async fn a_whole_url_in_the_line_is_its_path() {
    let site = Site::start(|_| {}).await;
    site.mirror("a").await;
    let answer = site.ask(&to_site("GET http://a.localhost/x?y HTTP/1.1", "", "")).await;
    assert!(body(&answer).starts_with("GET /x?y HTTP/1.1\r\n"), "{answer}");
}

#[tokio::test]
async fn what_no_server_can_be_asked_is_said() {
    let site = Site::start(|_| {}).await;
    site.mirror("a").await;
    for (line, expected) in [("TRACE / HTTP/1.1", 501), ("GET / HTTP/1.0", 505)] {
        assert_eq!(status(&site.ask(&to_site(line, "", "")).await), expected, "{line}");
    }
    assert_eq!(site.refusals("http_request"), 2);
}
