//! The cookies of a server's answer: for its own host alone.

use http::{HeaderMap, HeaderValue, header};

/// Takes the `Domain` out of each cookie, so that neither the hosts of other names nor the one above ever get it.
///
/// What a page's own script sets is not seen here: only a host on the public suffix list keeps that to itself.
pub(super) fn keep_to_host(headers: &mut HeaderMap) {
    let kept: Vec<_> = headers.get_all(header::SET_COOKIE).iter().filter_map(|cookie| without_domain(cookie.as_bytes())).collect();
    headers.remove(header::SET_COOKIE);
    for cookie in kept {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// A cookie without its `Domain`, wherever and however often that stands there (RFC 6265 section 5.2).
fn without_domain(cookie: &[u8]) -> Option<HeaderValue> {
    let mut attributes = cookie.split(|byte| *byte == b';');
    let pair = attributes.next().unwrap_or_default();
    let kept = attributes.filter(|attribute| {
        let name = attribute.split(|byte| *byte == b'=').next().unwrap_or_default();
        !name.trim_ascii().eq_ignore_ascii_case(b"domain")
    });
    let parts: Vec<_> = std::iter::once(pair).chain(kept).collect();
    HeaderValue::from_bytes(&parts.join(&b';')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_34_no_cookie_is_for_another_host() {
        let mut headers = HeaderMap::new();
        for cookie in
            ["a=1; Domain=tabs.example; Path=/", "b=domain=x;DOMAIN = .tabs.example ;HttpOnly; domain", "__Host-c=3; Secure; Path=/", "d"]
        {
            headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        keep_to_host(&mut headers);
        let kept: Vec<_> = headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().expect("text")).collect();
        assert_eq!(kept, ["a=1; Path=/", "b=domain=x;HttpOnly", "__Host-c=3; Secure; Path=/", "d"]);
    }
}
