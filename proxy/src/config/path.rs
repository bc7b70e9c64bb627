//! A path that routes may be put under.

use std::{fmt, str::FromStr};

/// A path of the proxy, such as `/mux` or `/browser-server`.
///
/// Made by parsing: one or more segments of `A–Z a–z 0–9 . _ ~ -`, each behind a slash, none of them `.` or `..`, no slash at the end.
///
/// See [`Config`](super::Config).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePath(String);

/// A text that cannot be a path.
///
/// See [`Config`](super::Config).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a path: write it as /mux, with letters, digits, '.', '_', '~' and '-' only and without a slash at the end")]
pub struct RoutePathError;

impl RoutePath {
    /// The path as text, from its first slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the proxy itself answers there, with a route or a file: a WebSocket there would hide it.
    pub(crate) fn is_ours(&self) -> bool {
        let is_below = |folder: &str| self.0.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        OWN_PATHS.contains(&self.0.as_str()) || is_below("/examples")
    }

    /// A path that is known to be one.
    pub(crate) fn literal(text: &'static str) -> Self {
        debug_assert!(is_path(text), "{text} is not a path");
        Self(text.to_owned())
    }
}

impl FromStr for RoutePath {
    type Err = RoutePathError;

    fn from_str(text: &str) -> Result<Self, RoutePathError> {
        if is_path(text) { Ok(Self(text.to_owned())) } else { Err(RoutePathError) }
    }
}

impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Routes and files of the proxy, beside the examples.
const OWN_PATHS: [&str; 6] =
    ["/healthz", "/readyz", "/index.html", "/style.css", "/browser-stream-server.js", "/browser-stream-server.js.map"];

fn is_path(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('/') else { return false };
    rest.split('/').all(|segment| {
        !matches!(segment, "" | "." | "..") && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_segments_and_no_pattern() {
        for text in ["/mux", "/browser-server", "/a/b.c", "/_~"] {
            assert_eq!(text.parse::<RoutePath>().map(|path| path.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "/", "mux", "/mux/", "//mux", "/a/../b", "/{name}", "/*", "/a b", "/日本", "/%2e"] {
            assert_eq!(text.parse::<RoutePath>(), Err(RoutePathError), "{text}");
        }
    }
}
