//! Who is meant: the host of a request, the origin of a page, and how the two are compared.

use std::{fmt, net::IpAddr, str::FromStr};

/// A host as browsers write it in `Host` and `Origin`: a name in lower case, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Name(String),
    Address(IpAddr),
}

/// A host with the port that may follow it: the value of a `Host` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) host: Host,
    pub(crate) port: Option<u16>,
}

/// The origin of a page: scheme, host and port, as in `https://example.com` (RFC 6454).
///
/// Made by parsing; `null`, paths and wildcards are errors. Case and default ports make no difference, nor does a slash at the end, because browsers copy it
/// along.
///
/// See [`Config`](super::Config).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub(crate) scheme: String,
    pub(crate) authority: Authority,
}

/// A text that is not an origin.
///
/// See [`Config`](super::Config).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an origin: write it as https://example.com or http://localhost:3000, without a path")]
pub struct OriginError;

/// A text that is not a host with an optional port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AuthorityError;

impl Origin {
    /// The port that the page was loaded from, said or by its scheme; `None` for a scheme that has none.
    pub(crate) fn port(&self) -> Option<u16> {
        self.authority.port.or_else(|| default_port(&self.scheme))
    }

    /// Whether a page of this origin was loaded from the very address that `host` names.
    ///
    /// Only web schemes count. A `Host` without a port means the scheme's own, because behind a TLS front only the origin knows the scheme.
    pub(crate) fn is_at(&self, host: &Authority) -> bool {
        let Some(default) = default_port(&self.scheme) else { return false };
        self.authority.host == host.host && self.port() == Some(host.port.unwrap_or(default))
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        Self::of_header(text.strip_suffix('/').unwrap_or(text))
    }
}

impl Origin {
    /// The value of an `Origin` header, in which no browser puts a slash at the end.
    pub(crate) fn of_header(text: &str) -> Result<Self, OriginError> {
        let (scheme, authority) = text.split_once("://").ok_or(OriginError)?;
        let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        if !scheme_fits {
            return Err(OriginError);
        }
        let scheme = scheme.to_ascii_lowercase();
        let mut authority: Authority = authority.parse().map_err(|AuthorityError| OriginError)?;
        if authority.port == default_port(&scheme) {
            authority.port = None;
        }
        Ok(Self { scheme, authority })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Where the proxy is reached from outside, as in `https://bss.example.com`: an origin of the web.
///
/// Made by parsing, as an [`Origin`].
///
/// See [`Config`](super::Config).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(pub(crate) Origin);

/// A text that is not a public URL.
///
/// See [`Config`](super::Config).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a public URL: write it as https://bss.example.com, with http or https and without a path")]
pub struct PublicUrlError;

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let origin: Origin = text.parse().map_err(|OriginError| PublicUrlError)?;
        if default_port(&origin.scheme).is_some() { Ok(Self(origin)) } else { Err(PublicUrlError) }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Authority {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Self, AuthorityError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or(AuthorityError)?;
                let address: std::net::Ipv6Addr = address.parse().map_err(|_| AuthorityError)?;
                let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(AuthorityError)?) };
                (Host::from(IpAddr::V6(address)), port)
            }
            None => {
                let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
                (named(host)?, port)
            }
        };
        Ok(Self { host, port: port.map(number).transpose()? })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => f.write_str(name)?,
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl From<IpAddr> for Host {
    /// A socket bound to `[::]` calls its IPv4 peers `::ffff:a.b.c.d`; a page calls them `a.b.c.d`.
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

fn named(host: &str) -> Result<Host, AuthorityError> {
    if let Ok(address) = host.parse::<std::net::Ipv4Addr>() {
        return Ok(Host::from(IpAddr::V4(address)));
    }
    let fits = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if fits { Ok(Host::Name(host.to_ascii_lowercase())) } else { Err(AuthorityError) }
}

/// `u16::from_str` would take `+80` too.
fn number(port: &str) -> Result<u16, AuthorityError> {
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AuthorityError);
    }
    port.parse().map_err(|_| AuthorityError)
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_without_regard_to_case_and_default_port() {
        let origin: Origin = "HTTPS://Example.COM:443".parse().expect("an origin");
        assert_eq!(origin, "https://example.com".parse().expect("an origin"));
        assert_eq!(origin.to_string(), "https://example.com");
        assert_ne!(origin, "http://example.com".parse().expect("an origin"));
        assert_ne!(origin, "https://example.com:8443".parse().expect("an origin"));
    }

    #[test]
    fn a_slash_at_the_end_is_what_browsers_copy_along_and_no_header_has() {
        assert_eq!("http://localhost:5173/".parse::<Origin>().map(|origin| origin.to_string()).as_deref(), Ok("http://localhost:5173"));
        assert_eq!(Origin::of_header("http://localhost:5173/"), Err(OriginError));
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for text in ["", "null", "*", "https://", "https://*", "example.com", "https://a//", "https://a/b", "https://u@a", "https://a:"] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError), "{text}");
        }
        for text in ["https://a:+80", "https://a:65536", "https://[::1", "https://[::1]80", "1x://a", "https://日本", "https://a b"] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError), "{text}");
        }
    }

    #[test]
    fn an_extension_has_an_origin_but_is_never_at_a_host() {
        let origin: Origin = "chrome-extension://abcdef".parse().expect("an origin");
        assert!(!origin.is_at(&"abcdef".parse().expect("a host")));
    }

    #[test]
    fn a_public_url_may_end_with_a_slash_and_is_of_the_web() {
        let url: PublicUrl = "https://bss.example/".parse().expect("a URL");
        assert_eq!(url.to_string(), "https://bss.example");
        for text in ["bss.example", "https://bss.example/mux", "ftp://bss.example", "https://bss.example//"] {
            assert_eq!(text.parse::<PublicUrl>(), Err(PublicUrlError), "{text}");
        }
    }

    #[test]
    fn addresses_are_one_whichever_way_they_are_written() {
        let short: Authority = "[::1]:8080".parse().expect("a host");
        assert_eq!(short, "[0:0:0:0:0:0:0:1]:8080".parse().expect("a host"));
        assert_eq!(short.to_string(), "[::1]:8080");
        assert_eq!("[::ffff:10.0.0.1]".parse::<Authority>(), "10.0.0.1".parse::<Authority>());
    }
}
