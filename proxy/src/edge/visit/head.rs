//! The heads of a request and of its answer, as they go on: without what belongs to one connection, and with the proxy's own word about the visitor.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request, response};

use super::{cookies, whom::Site};
use crate::config::Authority;

/// Who comes, by what the proxy itself knows.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// `None` where a trusted proxy in front names nobody.
    pub(super) address: Option<IpAddr>,
    pub(super) is_secure: bool,
    /// As it stood in the request.
    pub(super) host: HeaderValue,
}

impl Visitor {
    fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }
}

/// Makes the head of a request that of one to the server.
pub(super) fn inward(mut head: request::Parts, site: &Site, visitor: &Visitor, upgrades: bool) -> Option<request::Parts> {
    head.uri = site.target(&head.uri).parse().ok()?;
    head.version = http::Version::HTTP_11;
    let headers = &mut head.headers;
    drop_hop_by_hop(headers);
    for name in FORWARDED {
        headers.remove(name);
    }
    // What the proxy itself has said by now.
    headers.remove(header::EXPECT);
    if site.prefix.is_some() {
        // They are the host's, and no single server's.
        headers.remove(header::COOKIE);
    }
    join_cookies(headers);
    headers.insert(header::HOST, visitor.host.clone());
    forwarded(headers, site, visitor);
    let connection = if upgrades { "upgrade" } else { "close" };
    headers.insert(header::CONNECTION, HeaderValue::from_static(connection));
    if upgrades {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    Some(head)
}

/// Makes the head of a server's answer that of one to the visitor.
pub(super) fn outward(head: &mut response::Parts, site: &Site, visitor: &Visitor, upgrades: bool) {
    head.version = http::Version::HTTP_11;
    drop_hop_by_hop(&mut head.headers);
    // They would speak for the proxy's own port.
    head.headers.remove(header::ALT_SVC);
    match &site.prefix {
        None => cookies::keep_to_host(&mut head.headers),
        Some(prefix) => {
            sandbox(&mut head.headers);
            for name in [header::LOCATION, header::CONTENT_LOCATION] {
                let said = head.headers.get(&name).and_then(|place| str::from_utf8(place.as_bytes()).ok());
                if let Some(Ok(place)) = said.map(|said| HeaderValue::from_bytes(below(said, prefix, visitor).as_bytes())) {
                    head.headers.insert(name, place);
                }
            }
        }
    }
    if upgrades {
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
}

/// Whether a request asks for a WebSocket (RFC 6455 section 4.2.1); other upgrades are passed over.
pub(super) fn asks_for_websocket(head: &request::Parts) -> bool {
    let has = |name: HeaderName, token: &str| tokens(&head.headers, &name).any(|found| found.eq_ignore_ascii_case(token));
    head.method == Method::GET
        && head.version == http::Version::HTTP_11
        && has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket")
}

/// Takes out what is about one connection only (RFC 9110 section 7.6.1), by name and as `Connection` says.
fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &header::CONNECTION).filter_map(|token| token.parse().ok()).collect();
    // A visitor must not take out what the proxy's own word needs.
    for name in named.iter().filter(|name| !KEPT.contains(name)).chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// HTTP/2 may send one field for each cookie; HTTP/1.1 has one for all (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let all: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Says who comes, by which host and scheme: as RFC 7239 has it, and as everybody reads it.
fn forwarded(headers: &mut HeaderMap, site: &Site, visitor: &Visitor) {
    let proto = visitor.scheme();
    let address = visitor.address.map(|address| address.to_canonical());
    let node = match address {
        Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
        Some(address) => address.to_string(),
        None => "unknown".to_owned(),
    };
    let host = visitor.host.to_str().unwrap_or_default();
    let mut say = |name: HeaderName, value: String| {
        // Addresses, and hosts that were parsed: all of that can stand in a header.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    say(header::FORWARDED, format!("for={node};host=\"{host}\";proto={proto}"));
    say(X_FORWARDED_PROTO, proto.to_owned());
    say(X_FORWARDED_HOST, host.to_owned());
    if let Some(address) = address {
        say(X_FORWARDED_FOR, address.to_string());
    }
    if let Some(prefix) = &site.prefix {
        say(X_FORWARDED_PREFIX, prefix.clone());
    }
}

/// Takes from a page what it would have of the origin that it shares with all others.
fn sandbox(headers: &mut HeaderMap) {
    for name in SHARED {
        headers.remove(name);
    }
    headers.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// A place as a server names it, where the visitor finds it: below the path that the server has here and may know nothing of. What is elsewhere stays as it is.
fn below(place: &str, prefix: &str, visitor: &Visitor) -> String {
    let path = match own(place, visitor) {
        // One that goes by `X-Forwarded-Prefix` has said it.
        Some(path) if path.strip_prefix(prefix).is_none_or(|rest| !rest.starts_with('/')) => path,
        _ => return place.to_owned(),
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{prefix}{slash}{path}")
}

/// The path of a place at the host that was asked, whether the place says that host or begins with the path.
fn own<'a>(place: &'a str, visitor: &Visitor) -> Option<&'a str> {
    let scheme = visitor.scheme();
    let rest = match place.split_once("//") {
        Some((said, rest)) if said.is_empty() || said.strip_suffix(':').is_some_and(|said| said.eq_ignore_ascii_case(scheme)) => rest,
        _ => return Some(place).filter(|place| place.starts_with('/')),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let usual = if visitor.is_secure { 443 } else { 80 };
    let whole = |Authority { host, port }: Authority| (host, port.unwrap_or(usual));
    let (said, asked) = (host.parse().ok().map(whole)?, visitor.host.to_str().ok()?.parse().ok().map(whole)?);
    (said == asked).then_some(path)
}

/// The comma-separated words of a header that may stand there several times.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What is the proxy's own word, and a visitor's never.
const FORWARDED: [HeaderName; 8] = [
    header::FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PREFIX,
    X_FORWARDED_PROTO,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
];

const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// What no `Connection` can take out: how long a message is, and whom it is for.
const KEPT: [HeaderName; 2] = [header::CONTENT_LENGTH, header::HOST];

/// What an answer says about the whole origin.
const SHARED: [HeaderName; 9] = [
    header::SET_COOKIE,
    HeaderName::from_static("service-worker-allowed"),
    HeaderName::from_static("clear-site-data"),
    header::STRICT_TRANSPORT_SECURITY,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("reporting-endpoints"),
    HeaderName::from_static("accept-ch"),
];

/// Without `allow-same-origin`: an origin of its own that nobody else has, not even the same page the next time.
const SANDBOX: &str = "sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads";

#[cfg(test)]
mod tests;
