//! Requests over HTTP/2, legal and not (RFC 9113), to a server that speaks HTTP/1.1: what reaches it, and what the peer is told.

use tokio::{io::AsyncReadExt, time::timeout};

use crate::{
    frames::{
        ACK, Answer, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, Wire, block, frame,
    },
    site::{PATIENCE, Secure, secure},
};

type Fields<'a> = Vec<(&'a str, &'a str)>;

/// Codes of RFC 9113 section 7.
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A request to the server, with these behind what each has.
fn to_site<'a>(method: &'a str, more: &[(&'a str, &'a str)]) -> Fields<'a> {
    let mut fields = vec![(":method", method), (":scheme", "https"), (":authority", "a.localhost"), (":path", "/x?y")];
    fields.extend_from_slice(more);
    fields
}

/// The same without one of them.
fn without<'a>(name: &str) -> Fields<'a> {
    to_site("GET", &[]).into_iter().filter(|(found, _)| *found != name).collect()
}

/// The same with another value for one of them.
fn with<'a>(name: &str, value: &'a str) -> Fields<'a> {
    to_site("GET", &[]).into_iter().map(|(found, said)| (found, if found == name { value } else { said })).collect()
}

/// What the server was asked, as it says in its answer.
async fn asked(secure: &Secure, fields: &[(&str, &str)]) -> String {
    let mut wire = Wire::dial(secure).await;
    wire.ask(1, fields).await;
    let answer = wire.answer(1).await;
    assert!(answer.whole && answer.body.contains("HTTP/1.1"), "{fields:?}: {answer:?}");
    answer.body
}

/// Nothing of it reached the server.
fn is_kept_back(what: &str, answer: &Answer) {
    assert!(!answer.body.contains("forwarded"), "{what} reached the server: {answer:?}");
}

#[tokio::test]
async fn threat_34_malformed_requests_of_http_2_never_reach_a_server() {
    let secure = secure().await;
    let many = vec![("a", "b"); 3];
    for (what, fields) in [
        ("a connection of its own", to_site("GET", &[("connection", "keep-alive")])),
        ("another", to_site("GET", &[("proxy-connection", "keep-alive")])),
        ("keep-alive", to_site("GET", &[("keep-alive", "5")])),
        ("a coding of HTTP/1.1", to_site("POST", &[("transfer-encoding", "chunked")])),
        ("an upgrade", to_site("GET", &[("connection", "upgrade"), ("upgrade", "websocket")])),
        ("te that is not of trailers", to_site("GET", &[("te", "gzip")])),
        ("a name in upper case", to_site("GET", &[("Abc", "d")])),
        ("no name", to_site("GET", &[("", "d")])),
        ("a name with a colon", to_site("GET", &[("a:b", "c")])),
        ("a line end in a value", to_site("GET", &[("a", "b\r\nevil: 1")])),
        ("a zero byte in a value", to_site("GET", &[("a", "b\0c")])),
        ("no method", without(":method")),
        ("no scheme", without(":scheme")),
        ("no path", without(":path")),
        ("an empty path", with(":path", "")),
        ("a path that is none", with(":path", "x")),
        ("a space in the path", with(":path", "/x HTTP/1.1\r\nhost: b.localhost\r\n\r\nGET /")),
        ("a method that is none", with(":method", "G T")),
        ("a host that is none", with(":authority", "a.localhost@evil")),
        ("two paths", to_site("GET", &[(":path", "/z")])),
        ("two hosts", to_site("GET", &[("host", "b.localhost")])),
        ("a word of the protocol's behind the others", [many, without("")].concat()),
        ("one that there is none of", to_site("GET", &[(":foo", "bar")])),
        ("one of answers", to_site("GET", &[(":status", "200")])),
        ("two lengths", to_site("POST", &[("content-length", "1"), ("content-length", "2")])),
        ("a length that is none", to_site("POST", &[("content-length", "+1")])),
        ("a length without a body", to_site("POST", &[("content-length", "5")])),
        ("a tunnel", vec![(":method", "CONNECT"), (":authority", "a.localhost:22")]),
        ("a WebSocket that was not offered", to_site("CONNECT", &[(":protocol", "websocket")])),
    ] {
        let mut wire = Wire::dial(&secure).await;
        wire.ask(1, &fields).await;
        let answer = wire.answer(1).await;
        is_kept_back(what, &answer);
        assert!(answer.began || answer.reset.is_some() || answer.away.is_some(), "{what} is answered: {answer:?}");
        if answer.away.is_none() {
            // Only that request was wrong.
            wire.ask(3, &to_site("GET", &[])).await;
            assert!(wire.answer(3).await.whole, "the connection goes on behind {what}");
        }
    }
}

#[tokio::test]
async fn what_is_odd_and_legal_reaches_the_server_as_one_request_of_http_1_1() {
    let secure = secure().await;
    let told = asked(&secure, &to_site("GET", &[("te", "trailers"), ("cookie", "a=1"), ("cookie", "b=2"), ("host", "a.localhost")])).await;
    assert!(told.starts_with("GET /x?y HTTP/1.1\r\n"), "{told}");
    assert!(told.contains("cookie: a=1; b=2\r\n") && told.matches("\r\nhost: a.localhost\r\n").count() == 1, "{told}");
    assert!(!told.contains("\r\nte: ") && told.contains("x-forwarded-proto: https\r\n"), "{told}");
    let named = asked(&secure, &[&without(":authority")[..], &[("host", "a.localhost")]].concat()).await;
    assert!(named.contains("\r\nhost: a.localhost\r\n"), "{named}");
    // Fields in two frames, between what nobody need know; a padded body in two, and trailers.
    let mut wire = Wire::dial(&secure).await;
    wire.send(0xee, 0, 0, b"no such frame").await;
    wire.send(PRIORITY, 0, 1, &[0, 0, 0, 0, 7]).await;
    let fields = block(&to_site("POST", &[("content-length", "5"), ("trailer", "a")]));
    let (first, second) = fields.split_at(7);
    wire.send(HEADERS, 0, 1, first).await;
    wire.send(CONTINUATION, END_HEADERS, 1, second).await;
    wire.send(DATA, PADDED, 1, &[&[3][..], b"hel", &[0; 3]].concat()).await;
    wire.send(DATA, 0, 1, b"lo").await;
    wire.send(HEADERS, END_STREAM | END_HEADERS, 1, &block(&[("a", "trailer")])).await;
    let answer = wire.answer(1).await;
    assert!(answer.body.ends_with("\r\n\r\nhello") && !answer.body.contains("trailer"), "{answer:?}");
    wire.send(PING, 0, 0, b"12345678").await;
    while let Some((kind, flags, _, payload)) = wire.frame().await {
        if kind == PING {
            return assert_eq!((flags, &payload[..]), (ACK, &b"12345678"[..]));
        }
    }
    panic!("a ping is answered");
}

#[tokio::test]
async fn threat_34_a_body_that_is_not_as_long_as_was_said_never_looks_whole_to_a_server() {
    let mut secure = secure().await;
    for (what, body) in [("shorter", &b"hel"[..]), ("longer", b"hello and more")] {
        let mut wire = Wire::dial(&secure).await;
        wire.send(HEADERS, END_HEADERS, 1, &block(&[&with(":authority", "b.localhost")[..], &[("content-length", "5")]].concat())).await;
        let (_, mut stream) = secure.by_hand.accept().await;
        wire.send(DATA, END_STREAM, 1, body).await;
        let mut heard = Vec::new();
        let ended = stream.read_to_end(&mut heard).await;
        let heard = String::from_utf8_lossy(&heard);
        let body = heard.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(ended.is_err() && body.len() < 5, "{what}: {ended:?} {heard}");
    }
}

#[tokio::test]
async fn what_breaks_http_2_itself_ends_the_connection_with_its_code() {
    let secure = secure().await;
    let open = frame(HEADERS, END_HEADERS, 1, &block(&to_site("POST", &[])));
    let ask = frame(HEADERS, END_STREAM | END_HEADERS, 3, &block(&to_site("GET", &[])));
    for (what, said, codes) in [
        ("fields that go on nowhere", frame(CONTINUATION, END_HEADERS, 1, b""), &[PROTOCOL_ERROR][..]),
        ("another frame between fields", [frame(HEADERS, 0, 1, b""), frame(PING, 0, 0, &[0; 8])].concat(), &[PROTOCOL_ERROR]),
        ("an even stream", frame(HEADERS, END_STREAM | END_HEADERS, 2, &block(&to_site("GET", &[]))), &[PROTOCOL_ERROR]),
        ("a stream that was passed over", [ask, open.clone()].concat(), &[PROTOCOL_ERROR, 5]),
        ("fields on no stream", frame(HEADERS, END_STREAM | END_HEADERS, 0, &block(&to_site("GET", &[]))), &[PROTOCOL_ERROR]),
        ("data on a stream that is none", frame(DATA, END_STREAM, 5, b"x"), &[PROTOCOL_ERROR, 5]),
        ("a reset of a stream that is none", frame(RST_STREAM, 0, 5, &[0; 4]), &[PROTOCOL_ERROR]),
        ("an index that means nothing", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff, 0xff, 0x7f]), &[COMPRESSION_ERROR]),
        ("a table beyond all bounds", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0x3f, 0xff, 0xff, 0xff, 0x7f]), &[COMPRESSION_ERROR]),
        ("settings of half a word", frame(SETTINGS, 0, 0, &[0; 5]), &[FRAME_SIZE_ERROR]),
        ("settings of a stream", frame(SETTINGS, 0, 1, &[]), &[PROTOCOL_ERROR]),
        ("a window beyond all", frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0]), &[FLOW_CONTROL_ERROR, PROTOCOL_ERROR]),
        ("a frame size below the least", frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1]), &[PROTOCOL_ERROR]),
        ("a ping of seven bytes", frame(PING, 0, 0, &[0; 7]), &[FRAME_SIZE_ERROR]),
        ("a frame that is longer than may be", frame(DATA, 0, 1, &[0; 16_385]), &[FRAME_SIZE_ERROR]),
        ("credit of nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), &[PROTOCOL_ERROR]),
        ("credit beyond all", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), &[FLOW_CONTROL_ERROR]),
        ("padding longer than the frame", [open, frame(DATA, PADDED, 1, &[9, 0])].concat(), &[PROTOCOL_ERROR]),
        ("a promise of a client's", frame(5, END_HEADERS, 1, &[0, 0, 0, 2]), &[PROTOCOL_ERROR]),
    ] {
        let mut wire = Wire::dial(&secure).await;
        wire.raw(&said).await;
        let mut away = None;
        while let Some((kind, _, _, payload)) = wire.frame().await {
            if kind == GOAWAY {
                away = payload.get(4..8).map(|code| u32::from_be_bytes(code.try_into().expect("four")));
            }
        }
        // Some of these have a code of their own, for which hyper's HTTP/2 says the general one: the end is the same.
        assert!(away.is_some_and(|code| code == PROTOCOL_ERROR || codes.contains(&code)), "{what}: {away:?}");
    }
    let mut wire = Wire::silent(&secure).await;
    wire.raw(b"GET / HTTP/1.1\r\nhost: a.localhost\r\n\r\n").await;
    is_kept_back("another protocol", &wire.answer(1).await);
}

#[tokio::test]
async fn threat_15_too_much_in_a_head_of_http_2_is_refused_and_the_others_on_its_connection_go_on() {
    let secure = secure().await;
    let large = "x".repeat(12_000);
    let told = asked(&secure, &to_site("GET", &[("a", &large)])).await;
    assert!(told.contains(&large), "more than the proxy itself takes in one field");
    let mut wire = Wire::dial(&secure).await;
    // Four fields of 12 KiB: as fields they are too long, and in as many frames.
    let fields = block(&to_site("GET", &[("a", &large), ("b", &large), ("c", &large), ("d", &large)]));
    let mut parts = fields.chunks(16_000).peekable();
    wire.send(HEADERS, END_STREAM, 1, parts.next().expect("one")).await;
    while let Some(part) = parts.next() {
        wire.send(CONTINUATION, if parts.peek().is_none() { END_HEADERS } else { 0 }, 1, part).await;
    }
    let answer = wire.answer(1).await;
    is_kept_back("a giant head", &answer);
    wire.ask(3, &to_site("GET", &[])).await;
    assert!(wire.answer(3).await.whole);
}

#[tokio::test]
async fn threat_09_requests_that_are_taken_back_at_once_end_their_connection_and_no_other() {
    let secure = secure().await;
    let (mut flood, mut other) = (Wire::dial(&secure).await, Wire::dial(&secure).await);
    let mut said = Vec::new();
    for stream in (1..2001).step_by(2) {
        said.extend(frame(HEADERS, END_HEADERS, stream, &block(&to_site("POST", &[]))));
        said.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    flood.raw(&said).await;
    assert_eq!(flood.answer(2001).await.away, Some(ENHANCE_YOUR_CALM));
    let counted = async {
        while secure.site.refusals("http2_flood") == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, counted).await.expect("it is counted");
    other.ask(1, &to_site("GET", &[])).await;
    assert!(other.answer(1).await.whole);
    assert_eq!(secure.site.refusals("http2_flood"), 1);
}
