//! A service of TCP, as it is typed.

/// A host and a port: also as a browser shows them, `http://host:port/`.
pub fn target(text: &str) -> Result<String, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok() {
        return Ok(format!("127.0.0.1:{text}"));
    }
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => of_url(rest),
        Some(_) => Err("what is connected to speaks no TLS, and nothing but TCP: write it as host:port or http://host:port".into()),
        None => of_authority(text).ok_or_else(|| "write it as host:port".into()),
    }
}

/// What follows `http://`.
fn of_url(rest: &str) -> Result<String, String> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !matches!(rest.strip_prefix(authority), Some("" | "/")) {
        return Err(format!("which path is asked for is the visitors' to say: write it as http://{authority}"));
    }
    // What follows the last colon is a port, but not within an address of IPv6.
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let whole = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    of_authority(&whole).filter(|_| !authority.contains('@')).ok_or_else(|| "write it as host:port or http://host:port".into())
}

fn of_authority(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    (!host.is_empty() && port.parse::<u16>().is_ok()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn a_service_is_a_port_a_host_with_one_or_what_a_browser_shows() {
        for (text, whole) in [
            ("80", "127.0.0.1:80"),
            ("host:80", "host:80"),
            ("[::1]:80", "[::1]:80"),
            ("http://localhost:8000", "localhost:8000"),
            ("HTTP://localhost:8000/", "localhost:8000"),
            ("http://host", "host:80"),
            ("http://[::1]/", "[::1]:80"),
            ("http://[::1]:8000", "[::1]:8000"),
        ] {
            assert_eq!(target(text).as_deref(), Ok(whole), "{text}");
        }
    }

    #[test]
    fn what_is_no_service_is_refused_with_what_to_write() {
        for text in ["", "host", ":80", "host:", "host:99999", "http://", "http://:80", "http://host:x", "http://me@host:80"] {
            assert!(target(text).expect_err(text).contains("host:port"), "{text}");
        }
        assert!(target("https://localhost:8000").expect_err("TLS").contains("speaks no TLS"));
        for path in ["http://h:8000/x", "http://h:8000/?x", "http://h:8000//", "http://h:8000#x"] {
            assert!(target(path).expect_err(path).ends_with("write it as http://h:8000"), "{path}");
        }
    }
}
