//! The proxy that a live trace stands in front of.

use std::{io, net::IpAddr, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::Uri;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::shell::{Failure, peer::url};

/// Where it is, and how it is reached.
pub struct Upstream {
    url: String,
    host: String,
    port: u16,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    says: Option<String>,
}

/// A connection to it.
pub enum Connected {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// Anything that carries bytes both ways.
pub trait Carry: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Carry for T {}

impl Upstream {
    /// The proxy at this URL. Over TLS it is believed as `tls` says, or as browsers would.
    pub fn new(given: &str, tls: Option<Arc<ClientConfig>>) -> Result<Self, Failure> {
        let url = url(given);
        let bad = || Failure::argument(&format!("{given:?} is no URL of a proxy: it is like ws://127.0.0.1:8080/mux or wss://host/mux"));
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let is_secure = match uri.scheme_str() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let tls = if is_secure {
            let name = ServerName::try_from(host.clone()).map_err(|_| bad())?;
            Some((tls.map_or_else(trusting_mozilla, Ok)?, name))
        } else {
            None
        };
        // A proxy on this machine is asked by any of its names; another knows its own alone.
        let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        let says = (!is_here).then(|| authority.as_str().rsplit('@').next().unwrap_or_default().to_owned());
        Ok(Self { url, host, port, tls, says })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What takes the place of the host that a peer asks for.
    pub fn says(&self) -> Option<&str> {
        self.says.as_deref()
    }

    /// The path that peers ask for.
    pub fn path(&self) -> String {
        self.url.parse().map_or_else(|_| "/mux".to_owned(), |uri: Uri| uri.path().to_owned())
    }

    pub async fn connect(&self) -> io::Result<Connected> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Connected::Plain(tcp)),
            Some((config, name)) => {
                let secure = TlsConnector::from(config.clone()).connect(name.clone(), tcp).await?;
                Ok(Connected::Secure(Box::new(secure)))
            }
        }
    }
}

impl Connected {
    /// The connection below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Secure(secure) => secure.get_ref().0,
        }
    }

    pub fn carry(&mut self) -> &mut dyn Carry {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Secure(secure) => secure,
        }
    }
}

/// The certificates that browsers trust, and ring's cryptography whatever else the program has.
fn trusting_mozilla() -> Result<Arc<ClientConfig>, Failure> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Failure::local("TLS", &io::Error::other(error)))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// Puts another host into the head of the first request of a connection, and holds that back until it is whole.
pub struct Host<'a> {
    says: Option<&'a str>,
    held: BytesMut,
}

impl<'a> Host<'a> {
    /// Without a host everything passes as it is.
    pub fn new(says: Option<&'a str>) -> Self {
        Self { says, held: BytesMut::new() }
    }

    /// What passes on now of what came.
    pub fn pass(&mut self, bytes: Bytes) -> Bytes {
        let Some(says) = self.says else { return bytes };
        self.held.extend_from_slice(&bytes);
        let Some((length, _)) = super::upgrade::end(&self.held) else {
            if self.held.len() <= super::upgrade::HEAD_MAX {
                return Bytes::new();
            }
            self.says = None;
            return self.held.split().freeze();
        };
        self.says = None;
        let held = self.held.split().freeze();
        let Ok(head) = std::str::from_utf8(&held[..length]) else { return held };
        let named = |line: &str| line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case("host"));
        let lines = head.split("\r\n").map(|line| if named(line) { format!("Host: {says}") } else { line.to_owned() });
        let mut passed = lines.collect::<Vec<_>>().join("\r\n").into_bytes();
        passed.extend_from_slice(&held[length..]);
        passed.into()
    }

    /// What is held back when the peer says no more.
    pub fn rest(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_elsewhere_is_asked_by_its_own_name_and_one_here_as_the_peer_asks() {
        for (given, says) in [
            ("ws://127.0.0.1:8080/mux", None),
            ("localhost:8080", None),
            ("http://[::1]:8080", None),
            ("ws://box.example/mux", Some("box.example")),
            ("ws://box.example:8080/mux", Some("box.example:8080")),
        ] {
            assert_eq!(Upstream::new(given, None).map_err(|failure| failure.to_string()).expect("a URL").says(), says, "{given}");
        }
        assert!(Upstream::new("ftp://h/", None).is_err() && Upstream::new("ws://", None).is_err());
    }

    #[test]
    fn only_the_host_of_the_first_request_is_another() {
        let request = b"GET /mux HTTP/1.1\r\nhOst: 127.0.0.1:9000\r\nA: host: b\r\n\r\n\x82\x80host: c\r\n\r\n";
        let wanted = b"GET /mux HTTP/1.1\r\nHost: box.example\r\nA: host: b\r\n\r\n\x82\x80host: c\r\n\r\n";
        for size in [1, 7, request.len()] {
            let (mut host, mut passed) = (Host::new(Some("box.example")), Vec::new());
            for piece in request.chunks(size) {
                passed.extend_from_slice(&host.pass(Bytes::copy_from_slice(piece)));
            }
            passed.extend_from_slice(&host.rest());
            assert_eq!(passed, wanted);
        }
        assert_eq!(Host::new(None).pass(Bytes::from_static(request)), &request[..]);
    }
}
