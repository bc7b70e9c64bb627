//! Under which hosts servers are reached by HTTP.

use std::{fmt, str::FromStr};

use browser_stream_protocol::{LABEL_BYTES_MAX, is_label};

use super::origin::Host;

/// A wildcard host, as in `*.tabs.example.org`: the host of each name that stands in the place of the `*`.
///
/// Made by parsing. Case makes no difference; a port, a path and another place for the `*` are errors.
///
/// ```
/// use browser_stream_server::config::{HttpHost, HttpHostError};
///
/// let host: HttpHost = "*.Tabs.example.org".parse().unwrap();
/// assert_eq!(host.to_string(), "*.tabs.example.org");
/// assert_eq!("tabs.example.org".parse::<HttpHost>(), Err(HttpHostError));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHost {
    /// What stands behind each name, with the dot in front.
    suffix: String,
}

/// A text that is not a wildcard host. See [`HttpHost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a wildcard host: write it as *.tabs.example.org, without a scheme and a port")]
pub struct HttpHostError;

impl HttpHost {
    /// That of this machine: `*.localhost`, which browsers take for it without asking anybody.
    pub(crate) fn of_this_machine() -> Self {
        Self { suffix: ".localhost".to_owned() }
    }

    /// What stands in the place of the `*`, dots included, where this is such a host.
    pub(crate) fn before<'a>(&self, host: &'a Host) -> Option<&'a str> {
        let Host::Name(host) = host else { return None };
        host.strip_suffix(&self.suffix).filter(|before| !before.is_empty())
    }

    /// Whether pages of names may set cookies for this host: it is a part of theirs. For `localhost` browsers take none.
    pub(super) fn is_below(&self, host: &Host) -> bool {
        let Host::Name(host) = host else { return false };
        host != "localhost" && self.suffix.strip_suffix(host.as_str()).is_some_and(|front| front.ends_with('.'))
    }

    /// What stands behind a name in its host, with the dot in front.
    pub(crate) fn suffix(&self) -> &str {
        &self.suffix
    }
}

impl FromStr for HttpHost {
    type Err = HttpHostError;

    fn from_str(text: &str) -> Result<Self, HttpHostError> {
        let domain = text.strip_prefix("*.").ok_or(HttpHostError)?.to_ascii_lowercase();
        // A host of numbers alone is an address, and has nothing below it.
        let is_address = domain.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        let fits = domain.len() <= DOMAIN_BYTES_MAX && domain.split('.').all(is_label) && !is_address;
        if fits { Ok(Self { suffix: format!(".{domain}") }) } else { Err(HttpHostError) }
    }
}

impl fmt::Display for HttpHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "*{}", self.suffix)
    }
}

/// What leaves room for a name and its dot (RFC 1035 section 2.3.4).
const DOMAIN_BYTES_MAX: usize = 253 - LABEL_BYTES_MAX - 1;

#[cfg(test)]
mod tests {
    use super::{super::Authority, *};

    fn host(text: &str) -> Host {
        text.parse::<Authority>().expect("a host").host
    }

    #[test]
    fn a_name_is_what_stands_in_the_place_of_the_star() {
        let tabs: HttpHost = "*.Tabs.Example.org".parse().expect("a wildcard host");
        assert_eq!(tabs.to_string(), "*.tabs.example.org");
        for (asked, name) in [
            ("a.tabs.example.org", "a"),
            ("A.TABS.example.org:8080", "a"),
            ("a.b.tabs.example.org", "a.b"),
            ("xn--bcher-kva.tabs.example.org", "xn--bcher-kva"),
        ] {
            assert_eq!(tabs.before(&host(asked)), Some(name), "{asked}");
        }
        for other in [
            "tabs.example.org",
            ".tabs.example.org",
            "a.example.org",
            "atabs.example.org",
            "a.tabs.example.org.",
            "a.tabs.example.org.evil",
            "127.0.0.1",
        ] {
            assert_eq!(tabs.before(&host(other)), None, "{other}");
        }
    }

    #[test]
    fn a_host_is_below_another_where_cookies_of_its_pages_reach_that() {
        let tabs: HttpHost = "*.tabs.example.org".parse().expect("a wildcard host");
        for above in ["example.org", "tabs.example.org", "Example.org:8080"] {
            assert!(tabs.is_below(&host(above)), "{above}");
        }
        for beside in ["bss.example.org", "a.tabs.example.org", "ample.org", "127.0.0.1"] {
            assert!(!tabs.is_below(&host(beside)), "{beside}");
        }
        assert!(!HttpHost::of_this_machine().is_below(&host("localhost")));
    }

    #[test]
    fn what_is_no_wildcard_host_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "tabs.example.org",
            "a.*.org",
            "*.*.org",
            "*.a..b",
            "*.tabs.example.org:80",
            "https://*.a.org",
            "*.a/b",
            "*.1.2.3.4",
            "*.日本",
        ] {
            assert_eq!(text.parse::<HttpHost>(), Err(HttpHostError), "{text}");
        }
        assert_eq!(HttpHost::of_this_machine().to_string(), "*.localhost");
    }
}
