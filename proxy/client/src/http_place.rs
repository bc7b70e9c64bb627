//! Where a server is found by HTTP.

use serde::Deserialize;

/// Where others reach a server by HTTP, as the proxy told it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct HttpPlace {
    /// A host of its own.
    pub host: Option<String>,
    /// A path below the proxy's host, where all share an origin and pages are sandboxed.
    pub path: Option<String>,
}

impl HttpPlace {
    /// The URL, for who reaches the proxy as the program did that dialled this: the host of its own, where it has one.
    ///
    /// ```
    /// # use browser_stream_client::HttpPlace;
    /// # fn example(place: &HttpPlace) {
    /// println!("{}", place.url("ws://127.0.0.1:8080/mux")); // http://name.localhost:8080/
    /// # }
    /// ```
    pub fn url(&self, dialled: &str) -> String {
        let (scheme, rest) = dialled.split_once("://").unwrap_or(("ws", dialled));
        let scheme = if matches!(scheme, "wss" | "https") { "https" } else { "http" };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // What follows the last colon is a port, but not within an address of IPv6.
        let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
        match (&self.host, port) {
            (Some(host), Some(port)) => format!("{scheme}://{host}:{port}/"),
            (Some(host), None) => format!("{scheme}://{host}/"),
            (None, _) => format!("{scheme}://{authority}{}", self.path.as_deref().unwrap_or("/")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_and_port_are_those_of_the_proxy() {
        let at = |host: Option<&str>, path: Option<&str>| HttpPlace { host: host.map(str::to_owned), path: path.map(str::to_owned) };
        let own = at(Some("a.tabs.example"), Some("/~a/"));
        for (dialled, url) in [
            ("ws://127.0.0.1:8080/mux", "http://a.tabs.example:8080/"),
            ("wss://bss.example/mux", "https://a.tabs.example/"),
            ("https://[::1]:8443", "https://a.tabs.example:8443/"),
            ("ws://[::1]/mux", "http://a.tabs.example/"),
        ] {
            assert_eq!(own.url(dialled), url);
        }
        assert_eq!(at(None, Some("/~A%20b/")).url("wss://bss.example:8443/mux"), "https://bss.example:8443/~A%20b/");
    }
}
