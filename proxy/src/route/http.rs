//! Servers that let in who comes by HTTP: where they are found, and what they are told of a visitor (PROTOCOL.md, section 16).

use std::net::IpAddr;

use browser_stream_protocol::is_label;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::Name;

/// Where servers are found by HTTP.
#[derive(Debug)]
pub(crate) struct HttpPlaces {
    /// What stands behind a name in its host, with the dot in front, where names have hosts.
    pub suffix: Option<String>,
    /// Whether they are below `/~NAME/` of the proxy's own host, too.
    pub by_path: bool,
}

/// Where one server is, as it is told: without scheme and port, which are those by which its own connection came.
#[derive(Debug, Serialize)]
pub(super) struct HttpPlace {
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl HttpPlaces {
    /// Where the server of that name is; nowhere, if it has no host by its name and paths are off.
    pub(super) fn of(&self, name: &Name) -> Option<HttpPlace> {
        let host = self.suffix.as_ref().filter(|_| is_label(name.as_str())).map(|suffix| format!("{}{suffix}", name.as_str()));
        let path = self.by_path.then(|| format!("/~{}/", name.segment()));
        (host.is_some() || path.is_some()).then_some(HttpPlace { host, path })
    }
}

/// Who came by HTTP, in the open that a server gets for it.
#[derive(Serialize)]
pub(super) struct Visitor {
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<IpAddr>,
}

impl Visitor {
    /// As `meta` of the open.
    pub(super) fn meta(remote: Option<IpAddr>) -> Box<RawValue> {
        #[derive(Serialize)]
        struct Meta {
            http: Visitor,
        }
        // An address has no way to fail.
        to_raw_value(&Meta { http: Visitor { remote } }).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_its_host_and_its_path_as_far_as_there_are_such() {
        let told = |suffix: Option<&str>, by_path, name: &str| {
            let places = HttpPlaces { suffix: suffix.map(str::to_owned), by_path };
            places.of(&Name::try_from(name).expect("a name")).map(|place| serde_json::to_string(&place).expect("JSON"))
        };
        assert_eq!(told(Some(".tabs.example"), false, "a").as_deref(), Some(r#"{"host":"a.tabs.example"}"#));
        assert_eq!(told(Some(".tabs.example"), true, "A b").as_deref(), Some(r#"{"path":"/~A%20b/"}"#));
        assert_eq!(told(Some(".tabs.example"), true, "a").as_deref(), Some(r#"{"host":"a.tabs.example","path":"/~a/"}"#));
        assert_eq!(told(Some(".tabs.example"), false, "A"), None);
        assert_eq!(told(None, false, "a"), None);
        for none in ["A", "a.b", "a_b", "-a", "a-", "b\u{fc}cher", "a b"] {
            assert_eq!(told(Some(".tabs.example"), false, none), None, "{none}");
        }
    }

    #[test]
    fn a_visitor_is_its_address_where_that_is_known() {
        let remote = "192.0.2.1".parse().ok();
        assert_eq!(Visitor::meta(remote).get(), r#"{"http":{"remote":"192.0.2.1"}}"#);
        assert_eq!(Visitor::meta(None).get(), r#"{"http":{}}"#);
    }
}
