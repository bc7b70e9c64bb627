//! Whom a request by HTTP is for: a server by its host, or by its path, or the proxy itself.

use browser_stream_protocol::{Name, is_label};
use http::Uri;

use crate::config::{Host, HttpHost};

/// Where servers are found.
#[derive(Debug)]
pub(super) struct Sites {
    pub(super) hosts: Vec<HttpHost>,
    pub(super) by_path: bool,
}

/// A server's place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) name: Name,
    /// What the path of a request has in front of the server's own: nothing where the server has a host of its own, and an origin.
    pub(super) prefix: Option<String>,
}

/// Whom a request is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// A server, or nobody: a host or a path of theirs that can be no name's.
    Site(Option<Site>),
    /// The path of a server without the slash at its end.
    Slashless,
    /// The proxy.
    Proxy,
}

impl Sites {
    /// Whom a request to this host is for. Of a host that is a name's nothing else is there; of the proxy's own, whichever that is, the paths that begin with `/~`.
    pub(super) fn whom(&self, host: &Host, uri: &Uri) -> Whom {
        let mut labels = self.hosts.iter().filter_map(|tabs| tabs.before(host)).peekable();
        if labels.peek().is_some() {
            // A label is always a name.
            let label = labels.find(|label| is_label(label)).and_then(|label| Name::try_from(label).ok());
            return Whom::Site(label.map(|name| Site { name, prefix: None }));
        }
        match uri.path().strip_prefix("/~").filter(|_| self.by_path) {
            Some(rest) => match rest.split_once('/') {
                Some((segment, _)) => {
                    let name = Name::from_segment(segment).ok();
                    Whom::Site(name.map(|name| Site { name, prefix: Some(format!("/~{segment}")) }))
                }
                None => Whom::Slashless,
            },
            None => Whom::Proxy,
        }
    }

    /// Whether it is a host below ours.
    pub(super) fn has(&self, host: &Host) -> bool {
        self.hosts.iter().any(|tabs| tabs.before(host).is_some())
    }
}

impl Site {
    /// What the server is asked for: path and query as they came, without what stands in front of its own.
    pub(super) fn target<'a>(&self, uri: &'a Uri) -> &'a str {
        let asked = uri.path_and_query().map_or("/", |asked| asked.as_str());
        match &self.prefix {
            Some(prefix) => asked.strip_prefix(prefix.as_str()).unwrap_or(asked),
            None => asked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Authority;

    fn whom(sites: &Sites, host: &str, uri: &str) -> (Whom, String) {
        let uri: Uri = uri.parse().expect("a URI");
        let whom = sites.whom(&host.parse::<Authority>().expect("a host").host, &uri);
        let target = if let Whom::Site(Some(site)) = &whom { site.target(&uri).to_owned() } else { String::new() };
        (whom, target)
    }

    fn site(name: &str, prefix: Option<&str>) -> Whom {
        Whom::Site(Some(Site { name: Name::try_from(name).expect("a name"), prefix: prefix.map(str::to_owned) }))
    }

    #[test]
    fn threat_14_a_host_below_the_wildcard_is_a_names_and_never_the_proxys() {
        let hosts = ["*.tabs.example", "*.example"].map(|host| host.parse().expect("a wildcard host")).to_vec();
        let sites = Sites { hosts, by_path: true };
        for (host, name) in
            [("a.tabs.example", "a"), ("A.TABS.EXAMPLE:8080", "a"), ("xn--bcher-kva.tabs.example", "xn--bcher-kva"), ("b.example", "b")]
        {
            for path in ["/", "/mux", "/readyz", "/admin", "/~other/x?y"] {
                assert_eq!(whom(&sites, host, path), (site(name, None), path.to_owned()), "{host}");
            }
        }
        for nobody in ["a.b.tabs.example", "a_b.tabs.example", "-.tabs.example", ".tabs.example"] {
            assert_eq!(whom(&sites, nobody, "/mux").0, Whom::Site(None), "{nobody}");
        }
        for other in ["example", "a.tabs.example.", "a.tabs.example.evil", "localhost", "127.0.0.1"] {
            assert_eq!(whom(&sites, other, "/mux").0, Whom::Proxy, "{other}");
        }
    }

    #[test]
    fn a_path_is_a_names_where_that_is_wanted() {
        let sites = Sites { hosts: Vec::new(), by_path: true };
        assert_eq!(whom(&sites, "localhost", "/~A%20b/c/d?e=/f"), (site("A b", Some("/~A%20b")), "/c/d?e=/f".to_owned()));
        assert_eq!(whom(&sites, "localhost", "/~a/").1, "/");
        assert_eq!(whom(&sites, "localhost", "/~a").0, Whom::Slashless);
        for nobody in ["/~/", "/~../x", "/~a%2fb/", "/~%61/"] {
            assert_eq!(whom(&sites, "localhost", nobody).0, Whom::Site(None), "{nobody}");
        }
        assert_eq!(whom(&sites, "localhost", "/a/~b/").0, Whom::Proxy);
        assert_eq!(whom(&Sites { by_path: false, ..sites }, "localhost", "/~a/").0, Whom::Proxy);
    }
}
