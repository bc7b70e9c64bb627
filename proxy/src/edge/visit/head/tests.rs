use browser_stream_protocol::Name;
use http::{Request, Response};

use super::*;

fn site(prefix: Option<&str>) -> Site {
    Site { name: Name::try_from("a").expect("a name"), prefix: prefix.map(str::to_owned) }
}

fn visitor(address: Option<&str>, is_secure: bool) -> Visitor {
    let address = address.map(|address| address.parse().expect("an address"));
    Visitor { address, is_secure, host: HeaderValue::from_static("a.tabs.example:8443") }
}

/// The lines that a server gets of a request with these.
fn asked(site: &Site, visitor: &Visitor, upgrades: bool, headers: &[(&str, &str)]) -> Vec<String> {
    let request = headers.iter().fold(Request::get("/~a/x?y"), |request, (name, value)| request.header(*name, *value));
    let (head, ()) = request.body(()).expect("a request").into_parts();
    lines(&inward(head, site, visitor, upgrades).expect("a head").headers)
}

fn answered(site: &Site, headers: &[(&str, &str)]) -> Vec<String> {
    let response = headers.iter().fold(Response::builder(), |response, (name, value)| response.header(*name, *value));
    let (mut head, ()) = response.body(()).expect("an answer").into_parts();
    outward(&mut head, site, &visitor(None, true), false);
    lines(&head.headers)
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))).collect();
    lines.sort();
    lines
}

#[test]
fn what_is_about_one_connection_goes_no_further() {
    let hops = [
        ("connection", "keep-alive, X-Mine, close"),
        ("connection", "Content-Length"),
        ("x-mine", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authorization", "Basic eA=="),
        ("te", "trailers"),
        ("trailer", "x"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("expect", "100-continue"),
        ("content-length", "3"),
        ("accept", "text/html"),
    ];
    let told = asked(&site(None), &visitor(None, false), false, &hops);
    let forwarded = [
        "forwarded: for=unknown;host=\"a.tabs.example:8443\";proto=http",
        "host: a.tabs.example:8443",
        "x-forwarded-host: a.tabs.example:8443",
        "x-forwarded-proto: http",
    ];
    assert_eq!(told, [&["accept: text/html", "connection: close", "content-length: 3"][..], &forwarded].concat());
    let back = answered(
        &site(None),
        &[
            ("connection", "x-a"),
            ("x-a", "1"),
            ("transfer-encoding", "chunked"),
            ("trailer", "x"),
            ("alt-svc", "h3=\":1\""),
            ("etag", "\"1\""),
        ],
    );
    assert_eq!(back, ["etag: \"1\""]);
}

#[test]
fn threat_18_what_is_said_of_a_visitor_is_the_proxys_own_word() {
    let forged = [
        ("forwarded", "for=192.0.2.66"),
        ("x-forwarded-for", "192.0.2.66"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-port", "1"),
        ("x-real-ip", "192.0.2.66"),
        ("connection", "host, x-forwarded-for"),
    ];
    assert_eq!(
        asked(&site(None), &visitor(Some("::ffff:192.0.2.1"), true), false, &forged),
        [
            "connection: close",
            "forwarded: for=192.0.2.1;host=\"a.tabs.example:8443\";proto=https",
            "host: a.tabs.example:8443",
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-host: a.tabs.example:8443",
            "x-forwarded-proto: https",
        ]
    );
    let told = asked(&site(Some("/~a")), &visitor(Some("2001:db8::1"), false), false, &forged);
    assert!(told.contains(&"forwarded: for=\"[2001:db8::1]\";host=\"a.tabs.example:8443\";proto=http".to_owned()), "{told:?}");
    assert!(told.contains(&"x-forwarded-prefix: /~a".to_owned()), "{told:?}");
}

#[test]
fn cookies_are_one_line_and_none_where_the_host_is_not_the_servers_own() {
    let cookies = [("cookie", "a=1"), ("cookie", "b=2")];
    assert!(asked(&site(None), &visitor(None, false), false, &cookies).contains(&"cookie: a=1; b=2".to_owned()));
    let shared = asked(&site(Some("/~a")), &visitor(None, false), false, &cookies);
    assert!(!shared.iter().any(|line| line.starts_with("cookie")), "{shared:?}");
}

#[test]
fn a_page_below_a_path_is_sandboxed_and_says_nothing_of_the_whole_origin() {
    let headers = [
        ("set-cookie", "a=1"),
        ("service-worker-allowed", "/"),
        ("clear-site-data", "\"*\""),
        ("strict-transport-security", "max-age=1"),
        ("www-authenticate", "Basic"),
        ("content-security-policy", "sandbox allow-same-origin allow-scripts"),
        ("location", "/next"),
    ];
    assert_eq!(
        answered(&site(Some("/~a")), &headers),
        [
            "content-security-policy: sandbox allow-same-origin allow-scripts",
            &format!("content-security-policy: {SANDBOX}"),
            "location: /~a/next",
            "x-content-type-options: nosniff",
        ]
    );
    assert!(!SANDBOX.contains("allow-same-origin"));
}

#[test]
fn a_place_that_a_server_names_is_below_its_path_where_it_is_the_servers_own() {
    let told = |place: &str| {
        let lines = answered(&site(Some("/~a")), &[("location", place), ("content-location", place)]);
        let at = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).expect("it stands there").to_owned();
        assert_eq!(at("location: "), at("content-location: "));
        at("location: ")
    };
    for (place, below) in [
        ("/next?x#y", "/~a/next?x#y"),
        ("/", "/~a/"),
        ("/x//y", "/~a/x//y"),
        ("/~ab/", "/~a/~ab/"),
        // What `Response.redirect(new URL("/next", request.url))` says.
        ("https://a.tabs.example:8443/next", "/~a/next"),
        ("HTTPS://A.Tabs.Example:8443", "/~a/"),
        ("https://a.tabs.example:8443?x", "/~a/?x"),
        ("//a.tabs.example:8443/next", "/~a/next"),
    ] {
        assert_eq!(told(place), below, "{place}");
    }
    for as_it_is in [
        "/~a/next",
        "https://a.tabs.example:8443/~a/next",
        "//other.example/x",
        "https://other.example/",
        "http://a.tabs.example:8443/next",
        "https://a.tabs.example/next",
        "https://a.tabs.example:8443@evil.example/",
        "next",
        "?x//y",
        "x//y",
        "",
    ] {
        assert_eq!(told(as_it_is), as_it_is);
    }
    let own = answered(&site(None), &[("location", "/next")]);
    assert_eq!(own, ["location: /next"], "with a host of its own there is nothing in front");
}

#[test]
fn an_upgrade_is_a_websockets_or_none() {
    let ask = |method: Method, version, headers: &[(&str, &str)]| {
        let request =
            headers.iter().fold(Request::builder().method(method).version(version), |request, (name, value)| request.header(*name, *value));
        asks_for_websocket(&request.body(()).expect("a request").into_parts().0)
    };
    let websocket = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
    assert!(ask(Method::GET, http::Version::HTTP_11, &websocket));
    assert!(!ask(Method::POST, http::Version::HTTP_11, &websocket));
    assert!(!ask(Method::GET, http::Version::HTTP_2, &websocket));
    assert!(!ask(Method::GET, http::Version::HTTP_11, &[("connection", "upgrade"), ("upgrade", "h2c")]));
    assert!(!ask(Method::GET, http::Version::HTTP_11, &[("upgrade", "websocket")]));
    let told = asked(&site(None), &visitor(None, false), true, &websocket);
    assert!(told.contains(&"connection: upgrade".to_owned()) && told.contains(&"upgrade: websocket".to_owned()), "{told:?}");
}
