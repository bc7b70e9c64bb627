//! Who may come in: requests to a host that is ours, from programs and from pages of origins that are allowed.
//!
//! The host check stops DNS rebinding: a page of `evil.example` whose name was pointed at this machine still sends its own name. The
//! origin check stops every other page: a WebSocket may be opened across origins, and only the server can refuse it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};

use super::http::Connection;
use crate::{
    config::{Authority, Config, Host, Origin, PublicUrl},
    counters::{self, Counters},
};

/// What is let in.
#[derive(Debug)]
pub(super) struct Gate {
    public_url: Option<PublicUrl>,
    allow_origin: Vec<Origin>,
    open: bool,
    tls: Option<OwnTls>,
    counters: Arc<Counters>,
}

/// What it means for the gate that the proxy speaks TLS itself.
#[derive(Debug)]
pub(super) struct OwnTls {
    /// Names of this machine in a certificate of the proxy's own making, in lower case: a name that was pointed here from elsewhere is in none.
    pub(super) names: Arc<[String]>,
}

/// The origin of the page that a request came from, once it was let in: an extension of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page(pub(super) HeaderValue);

/// Why a request was not let in: its code, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No host, several, or none that can be one (RFC 9112 section 3.2).
    BadHost,
    /// Not a host of ours.
    ForbiddenHost(Authority),
    /// Several origins, `null`, or none that can be one.
    BadOrigin,
    /// An origin that is not allowed.
    ForbiddenOrigin(Origin),
}

impl Gate {
    pub(super) fn new(config: &Config, tls: Option<OwnTls>, counters: Arc<Counters>) -> Self {
        Self {
            public_url: config.public_url.clone(),
            allow_origin: config.allow_origin.clone(),
            open: config.open || config.tokens.is_some(),
            tls,
            counters,
        }
    }

    /// One that lets in who asks for this machine, and no page of another origin.
    #[cfg(feature = "metrics")]
    pub(super) fn of_this_machine(counters: Arc<Counters>) -> Self {
        Self { public_url: None, allow_origin: Vec::new(), open: false, tls: None, counters }
    }

    /// One for pages of the port for whoever runs the proxy: by whatever that may be called.
    #[cfg(feature = "metrics")]
    pub(super) fn of_whoever_runs_it(inner: &super::proxy::Inner) -> Self {
        let Config { public_url, open, tokens, admin, .. } = &inner.config;
        let is_beyond = admin.is_some_and(|admin| !admin.ip().to_canonical().is_loopback());
        Self {
            public_url: public_url.clone(),
            allow_origin: Vec::new(),
            open: *open || tokens.is_some(),
            // What stays on this machine speaks no TLS.
            tls: if is_beyond { own_tls(inner) } else { None },
            counters: inner.counters.clone(),
        }
    }

    /// Lets a request in or says why not; `local` is the socket's own address, where it is known.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap, local: Option<SocketAddr>) -> Result<Option<Page>, Refusal> {
        let host = self.check_host(uri, headers, local)?;
        let Some(value) = only(headers, &header::ORIGIN).map_err(|_| Refusal::BadOrigin)? else { return Ok(None) };
        let origin = value.to_str().ok().and_then(|text| Origin::of_header(text).ok()).ok_or(Refusal::BadOrigin)?;
        if self.is_allowed(&origin, &host) { Ok(Some(Page(value.clone()))) } else { Err(Refusal::ForbiddenOrigin(origin)) }
    }

    /// The host of a request, if that is ours.
    pub(super) fn check_host(&self, uri: &Uri, headers: &HeaderMap, local: Option<SocketAddr>) -> Result<Authority, Refusal> {
        let host = host(uri, headers)?;
        if self.is_ours(&host, local) { Ok(host) } else { Err(Refusal::ForbiddenHost(host)) }
    }

    fn is_ours(&self, host: &Authority, local: Option<SocketAddr>) -> bool {
        let public = self.public_url.as_ref().is_some_and(|PublicUrl(url)| url.authority.host == host.host);
        let own = match &host.host {
            Host::Name(name) => name == "localhost" || self.tls.as_ref().is_some_and(|tls| tls.names.contains(name)),
            Host::Address(address) if *address == IpAddr::V4(Ipv4Addr::LOCALHOST) || *address == IpAddr::V6(Ipv6Addr::LOCALHOST) => true,
            // Rebinding needs a name: an address that is really the socket's own was typed by somebody.
            address => self.open && local.is_some_and(|local| Host::from(local.ip()) == *address),
        };
        public || own
    }

    fn is_allowed(&self, origin: &Origin, host: &Authority) -> bool {
        if self.allow_origin.contains(origin) {
            return true;
        }
        match &self.public_url {
            // Whoever can put a page under our name without TLS shall not reach the real one.
            Some(PublicUrl(url)) if url.scheme == "https" && url.is_at(host) => url == origin,
            // Nor the one that speaks TLS itself.
            _ => origin.is_at(host) && (self.tls.is_none() || origin.scheme == "https"),
        }
    }
}

/// Whom a request names: exactly one host, whichever way it says so.
pub(super) fn host(uri: &Uri, headers: &HeaderMap) -> Result<Authority, Refusal> {
    let host = only(headers, &header::HOST).map_err(|_| Refusal::BadHost)?.ok_or(Refusal::BadHost)?;
    let host: Authority = host.to_str().ok().and_then(|text| text.parse().ok()).ok_or(Refusal::BadHost)?;
    // `GET http://evil.example/ HTTP/1.1` names a host of its own, which HTTP puts above the header.
    let contradicts = uri.authority().is_some_and(|named| named.as_str().parse().as_ref() != Ok(&host));
    if contradicts { Err(Refusal::BadHost) } else { Ok(host) }
}

/// The middleware: every route of the proxy's own lies behind it.
pub(super) async fn keep(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let local = request.extensions().get::<Connection>().map(|connection| connection.local);
    match gate.check(request.uri(), request.headers(), local) {
        Ok(page) => {
            if let Some(page) = page {
                request.extensions_mut().insert(page);
            }
            next.run(request).await
        }
        Err(refusal) => {
            gate.counters.count(counters::Refusal::Gate);
            tracing::info!("request refused, {refusal}");
            refusal.into_response()
        }
    }
}

impl fmt::Display for Refusal {
    /// One line: the code, what was wrong and what to do. It says nothing that the asker wrote but hosts and origins that could be read as such.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadHost => f.write_str("bad_host: send exactly one Host header, with the host of this proxy"),
            Self::ForbiddenHost(host) => write!(
                f,
                "forbidden_host: this proxy is not {host}; call it localhost, or start it with --public-url http://{host} (or https://, with TLS in front)"
            ),
            Self::BadOrigin => f.write_str(
                "forbidden_origin: this page has no origin that could be allowed; serve it over http or https, without a sandbox",
            ),
            Self::ForbiddenOrigin(origin) => {
                write!(f, "forbidden_origin: pages of {origin} may not use this proxy; start it with --allow-origin {origin}")
            }
        }
    }
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::BadHost => StatusCode::BAD_REQUEST,
            Self::ForbiddenHost(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::BadOrigin | Self::ForbiddenOrigin(_) => StatusCode::FORBIDDEN,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let headers = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        (status, headers, format!("{self}\n")).into_response()
    }
}

/// The names of a certificate of the proxy's own making, where it speaks TLS itself.
#[cfg(feature = "metrics")]
fn own_tls(inner: &super::proxy::Inner) -> Option<OwnTls> {
    #[cfg(feature = "tls")]
    return inner.identity.as_ref().map(|identity| OwnTls { names: identity.names.clone() });
    #[cfg(not(feature = "tls"))]
    inner.is_secure().then(|| OwnTls { names: Arc::default() })
}

/// A header that may stand there once; an error if it stands there more often.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Twice> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(Twice) } else { Ok(first) }
}

struct Twice;

#[cfg(test)]
mod tests {
    use super::*;

    /// A gate as the command line makes it: `--public-url`, `--allow-origin`, `--open`.
    fn gate(public_url: Option<&str>, allow: &[&str], open: bool) -> Gate {
        let mut config = Config { open, ..Config::default() };
        config.public_url = public_url.map(|url| url.parse().expect("a URL"));
        config.allow_origin = allow.iter().map(|origin| origin.parse().expect("an origin")).collect();
        Gate::new(&config, None, Arc::default())
    }

    /// What a gate says of a request with these headers to a socket at 192.0.2.7.
    fn says(gate: &Gate, hosts: &[&str], origins: &[&str]) -> Result<Option<Page>, u16> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_bytes(host.as_bytes()).expect("a header"));
        }
        for origin in origins {
            headers.append(header::ORIGIN, HeaderValue::from_bytes(origin.as_bytes()).expect("a header"));
        }
        let local = "192.0.2.7:8080".parse().ok();
        gate.check(&Uri::from_static("/mux"), &headers, local).map_err(|refusal| refusal.into_response().status().as_u16())
    }

    #[test]
    fn threat_14_only_hosts_of_ours_are_answered() {
        let usual = gate(Some("https://bss.example:8443"), &[], false);
        let ours = ["localhost", "LocalHost:8080", "127.0.0.1:1", "[::1]:8080", "[0:0::1]", "bss.example", "BSS.example:9"];
        for host in ours {
            assert_eq!(says(&usual, &[host], &[]), Ok(None), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "bss.example.", "192.0.2.7:8080", "0.0.0.0", "127.0.0.2", "xlocalhost"] {
            assert_eq!(says(&usual, &[host], &[]), Err(421), "{host}");
        }
        for malformed in ["", "localhost:", "localhost:99999", "u@localhost", "localhost/", "[::1", "a b", "日本"] {
            assert_eq!(says(&usual, &[malformed], &[]), Err(400), "{malformed}");
        }
        assert_eq!(says(&usual, &[], &[]), Err(400));
        assert_eq!(says(&usual, &["localhost", "localhost"], &[]), Err(400));
    }

    #[test]
    fn threat_14_an_open_proxy_answers_to_the_address_of_its_socket_and_to_no_name() {
        let open = gate(None, &[], true);
        assert_eq!(says(&open, &["192.0.2.7:8080"], &[]), Ok(None));
        assert_eq!(says(&open, &["[::ffff:192.0.2.7]"], &[]), Ok(None));
        assert!(says(&open, &["192.0.2.7:8080"], &["http://192.0.2.7:8080"]).is_ok());
        for host in ["192.0.2.8:8080", "evil.example", "192.0.2.7.evil.example"] {
            assert_eq!(says(&open, &[host], &[]), Err(421), "{host}");
        }
        let unknown =
            open.check(&Uri::from_static("/"), &[(header::HOST, HeaderValue::from_static("192.0.2.7"))].into_iter().collect(), None);
        assert!(matches!(unknown, Err(Refusal::ForbiddenHost(_))), "{unknown:?}");
    }

    #[test]
    fn threat_14_only_pages_of_this_host_and_of_allowed_origins_come_in() {
        let usual = gate(None, &["https://app.example", "chrome-extension://abcdef"], false);
        let accepted = [
            ("localhost:8080", "http://localhost:8080"),
            ("localhost", "http://localhost"),
            ("localhost:443", "https://localhost"),
            ("LOCALHOST:80", "http://localhost"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("localhost:8080", "https://app.example"),
            ("127.0.0.1:8080", "https://APP.example:443"),
            ("localhost:8080", "chrome-extension://abcdef"),
        ];
        for (host, origin) in accepted {
            let page = Page(HeaderValue::from_static(origin));
            assert_eq!(says(&usual, &[host], &[origin]), Ok(Some(page)), "{host} {origin}");
        }
        let refused = [
            ("localhost:8080", "null"),
            ("localhost:8080", ""),
            ("localhost:8080", "http://localhost:8080/"),
            ("localhost:8080", "http://evil.example"),
            ("localhost:8080", "http://evil.example:8080"),
            ("localhost:8080", "http://localhost"),
            ("localhost:8080", "http://localhost:3000"),
            ("localhost:8080", "http://127.0.0.1:8080"),
            ("localhost", "http://localhost:8080"),
            ("localhost:8080", "ftp://localhost:8080"),
            ("localhost:8080", "http://app.example"),
            ("localhost:8080", "https://app.example:8443"),
            ("localhost:8080", "https://app.example.evil.example"),
            ("localhost:8080", "chrome-extension://abcdeg"),
        ];
        for (host, origin) in refused {
            assert_eq!(says(&usual, &[host], &[origin]), Err(403), "{host} {origin}");
        }
        let twice = ["http://localhost:8080", "http://localhost:8080"];
        assert_eq!(says(&usual, &["localhost:8080"], &twice), Err(403));
        assert_eq!(says(&usual, &["evil.example"], &["http://evil.example"]), Err(421), "a rebound name agrees with itself");
    }

    #[test]
    fn threat_14_a_page_without_tls_is_not_the_public_one() {
        let public = gate(Some("https://bss.example"), &[], false);
        assert!(says(&public, &["bss.example"], &["https://bss.example"]).is_ok());
        assert_eq!(says(&public, &["bss.example"], &["http://bss.example"]), Err(403));
        assert!(says(&public, &["bss.example:8080"], &["http://bss.example:8080"]).is_ok(), "past the TLS front, on purpose");
    }

    #[test]
    fn threat_14_a_proxy_that_speaks_tls_has_the_names_of_its_certificate_and_no_page_without() {
        let names = ["box", "192.0.2.9"].map(str::to_owned);
        let tls = Gate { tls: Some(OwnTls { names: Arc::new(names) }), ..gate(None, &["http://app.example"], true) };
        for host in ["box:8443", "BOX", "localhost:8443", "192.0.2.7:8443"] {
            assert_eq!(says(&tls, &[host], &[]), Ok(None), "{host}");
            assert!(says(&tls, &[host], &[&format!("https://{host}")]).is_ok(), "{host}");
            assert_eq!(says(&tls, &[host], &[&format!("http://{host}")]), Err(403), "{host}");
        }
        for host in ["evil.example", "box.evil.example", "192.0.2.9:8443"] {
            assert_eq!(says(&tls, &[host], &[]), Err(421), "{host}");
        }
        assert!(says(&tls, &["box"], &["http://app.example"]).is_ok(), "it was named");
    }

    #[test]
    fn threat_14_a_host_in_the_request_line_cannot_contradict_the_header() {
        let gate = gate(None, &[], false);
        let headers: HeaderMap = [(header::HOST, HeaderValue::from_static("localhost:8080"))].into_iter().collect();
        assert_eq!(gate.check(&Uri::from_static("http://localhost:8080/mux"), &headers, None), Ok(None));
        assert_eq!(gate.check(&Uri::from_static("http://evil.example/mux"), &headers, None), Err(Refusal::BadHost));
    }
}
