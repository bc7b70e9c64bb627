//! Who is reached, by whom, and how many at once.

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::site::{Site, body, next, status};

#[tokio::test]
async fn a_server_that_is_open_to_visitors_is_asked_and_told_who_comes() {
    let site = Site::start(|_| {}).await;
    let place = site.mirror("a").await;
    assert_eq!(place.url(&format!("ws://{}/mux", site.address)), format!("http://a.localhost:{}/", site.address.port()));
    let asked = site.ask("POST /x?y HTTP/1.1\r\nHost: A.localhost:80\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi").await;
    let asked = body(&asked);
    assert!(asked.starts_with("POST /x?y HTTP/1.1\r\n") && asked.ends_with("\r\n\r\nhi"), "{asked}");
    for line in ["host: A.localhost:80", "connection: close", "content-length: 2", "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http"]
    {
        assert!(asked.contains(&format!("{line}\r\n")), "{line}: {asked}");
    }
}

#[tokio::test]
async fn threat_14_at_a_names_host_nothing_of_the_proxys_is_there() {
    let site = Site::start(|_| {}).await;
    site.mirror("a").await;
    for path in ["/mux", "/readyz", "/healthz", "/", "/browser-stream-server.js", "/examples/echo/", "/admin", "/metrics", "/~a/"] {
        let answer = site.ask(&format!("GET {path} HTTP/1.1\r\nhost: a.localhost\r\nconnection: close\r\n\r\n")).await;
        assert!(body(&answer).starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{path}: {answer}");
        let nobodys = site.ask(&format!("GET {path} HTTP/1.1\r\nhost: b.localhost\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(status(&nobodys), 404, "{path}");
    }
    for nobody in ["a.b.localhost", "a_b.localhost", "-.localhost"] {
        assert_eq!(status(&site.get(nobody).await), 404, "{nobody}");
    }
    assert_eq!(status(&site.get("a.evil.example").await), 421);
    assert_eq!(status(&site.get("localhost").await), 200, "the proxy's own");
}

#[tokio::test]
async fn threat_34_a_server_that_is_not_open_to_visitors_is_as_if_it_were_not_there() {
    let site = Site::start(|_| {}).await;
    let _listener = site.listen_closed("closed").await;
    let without_date = |answer: String| answer.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\n");
    let (closed, missing) = (site.get("closed.localhost").await, site.get("missing.localhost").await);
    assert_eq!(status(&closed), 404);
    assert_eq!(without_date(closed), without_date(missing));
}

#[tokio::test]
async fn below_a_path_a_server_is_asked_without_it_where_that_is_wanted() {
    let site = Site::start(|config| config.http_path = true).await;
    site.mirror("A b").await;
    let ask = async |path: &str, more: &str| {
        site.ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n")).await
    };
    // A sandboxed page has no origin, and may ask all the same.
    let answer = ask("/~A%20b/x?y", "origin: null\r\ncookie: a=1\r\n").await;
    assert!(body(&answer).starts_with("GET /x?y HTTP/1.1\r\n") && !body(&answer).contains("cookie"), "{answer}");
    assert!(body(&answer).contains("x-forwarded-prefix: /~A%20b\r\n"), "{answer}");
    assert!(answer.contains("content-security-policy: sandbox "), "{answer}");
    let redirected = async |place: &str| {
        let mut listener = site.listen("c").await;
        let asking = ask("/~c/x", "");
        let answering = async {
            let (mut stream, _) = next(&mut listener).await;
            stream.write_all(format!("HTTP/1.1 302 Found\r\nlocation: {place}\r\n\r\n").as_bytes()).await.expect("sent");
            stream.finish();
            stream
        };
        let answer = tokio::join!(asking, answering).0;
        listener.end().await.expect("given up");
        answer.lines().find_map(|line| line.strip_prefix("location: ")).expect("a place").to_owned()
    };
    // What the server takes for its own address is its visitor's, below the path.
    for (place, told) in [("/y", "/~c/y"), ("http://localhost/y?z", "/~c/y?z"), ("https://localhost/y", "https://localhost/y")] {
        assert_eq!(redirected(place).await, told);
    }
    let elsewhere = site.ask("GET /~A%20b/ HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n").await;
    assert_eq!(status(&elsewhere), 421);
    assert_eq!(status(&ask("/~nobody/", "").await), 404);
    let off = Site::start(|_| {}).await;
    off.mirror("a").await;
    assert_eq!(status(&off.ask("GET /~a/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await), 404);
}

#[tokio::test]
async fn a_hundred_visitors_at_once_are_answered_each_over_a_stream_of_its_own() {
    let site = Site::start(|_| {}).await;
    let mut listener = site.listen("a").await;
    let asking = join_all((0..100).map(|_| site.get("a.localhost")));
    let answering = async {
        let mut streams = Vec::new();
        for _ in 0..100 {
            streams.push(next(&mut listener).await.0);
        }
        for (number, stream) in streams.iter_mut().enumerate() {
            let text = number.to_string();
            stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()).as_bytes()).await.expect("sent");
            stream.finish();
        }
    };
    let (answers, ()) = tokio::join!(asking, answering);
    let mut numbers: Vec<usize> = answers.iter().map(|answer| body(answer).parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn threat_34_one_visitor_too_many_is_told_so_and_a_place_is_free_again() {
    let site = Site::start(|config| {
        (config.limits.http_requests_max, config.limits.http_requests_per_name_max, config.limits.http_requests_per_address_max) =
            (3, 2, 8);
    })
    .await;
    let (mut a, mut b) = (site.listen("a").await, site.listen("b").await);
    let (mut first, mut second, mut third) = (site.connect().await, site.connect().await, site.connect().await);
    for (socket, host) in [(&mut first, "a"), (&mut second, "a"), (&mut third, "b")] {
        socket.write_all(format!("GET / HTTP/1.1\r\nhost: {host}.localhost\r\n\r\n").as_bytes()).await.expect("sent");
    }
    let mut held = [next(&mut a).await.0, next(&mut a).await.0, next(&mut b).await.0];
    for (host, reason) in [("a.localhost", "http_requests_per_name"), ("b.localhost", "http_requests")] {
        let answer = site.get(host).await;
        assert_eq!(status(&answer), 503, "{answer}");
        assert!(answer.contains("retry-after: "), "{answer}");
        assert_eq!(site.refusals(reason), 1);
    }
    held[0].write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("sent");
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 204");
    let asking = site.get_with_room("b.localhost");
    let answering = async {
        let (mut stream, _) = next(&mut b).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("sent");
        stream.finish();
        // Dropped sooner, it would be reset.
        stream
    };
    assert_eq!(status(&tokio::join!(asking, answering).0), 200);
}
