//! Where visitors find a server, and what is missing where they do not.

use browser_stream_client::HttpPlace;
use browser_stream_protocol::{LABEL_BYTES_MAX, is_label};

use super::{
    Proxy,
    standard::{print, say},
};

/// Prints the address that others are given, and says so where there is none, or a lesser one for want of a better name.
pub async fn tell(proxy: &Proxy, name: &str, place: Option<&HttpPlace>) {
    if let Some(place) = place {
        // Somebody may want no more than the site, and no pipe: that nobody reads it is no reason not to serve it.
        let _ = print(&format!("{}\n", place.url(proxy.url()))).await;
    }
    if let Some(advice) = advice(name, place).filter(|_| proxy.voice.address) {
        say(&format!("{name}: {advice}"));
    }
}

fn advice(name: &str, place: Option<&HttpPlace>) -> Option<String> {
    let better = (!is_label(name)).then(|| format!("a host is made of a-z, 0-9 and -, such as {}", label(name)));
    match (place, better) {
        (Some(place), better) => {
            let better = better.filter(|_| place.host.is_none())?;
            Some(format!("pages at this address are sandboxed, without cookies; where the proxy has hosts for names, choose one that can be: {better}"))
        }
        (None, Some(better)) => Some(format!("has no address by this name: {better}; --http-path of the proxy takes every name")),
        (None, None) => Some(
            "has no address, for the proxy has no host for it: start it with --http-host '*.HOST', where *.HOST leads to it, or with --http-path; *.localhost it has by itself, but not with --open, --tokens or --public-url".into(),
        ),
    }
}

/// The name, as far as it can be one's host.
fn label(name: &str) -> String {
    let fits = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' };
    let label: String = name.chars().map(fits).collect();
    let label = label.trim_matches('-');
    let label = label.get(..LABEL_BYTES_MAX).unwrap_or(label).trim_end_matches('-');
    if label.is_empty() { "web".into() } else { label.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(json: &str) -> HttpPlace {
        serde_json::from_str(json).expect("a place")
    }

    #[test]
    fn a_name_that_is_no_host_is_said_to_be_at_fault_with_one_that_would_do() {
        let (own, path) = (place(r#"{"host":"a.tabs.example","path":"/~a/"}"#), place(r#"{"path":"/~A_b/"}"#));
        let told = |name: &str, place: Option<&HttpPlace>| advice(name, place).unwrap_or_default();
        assert_eq!(advice("a", Some(&own)), None);
        assert_eq!(advice("a", Some(&path)), None, "the proxy has no hosts, or it would have told one");
        assert!(told("A_b", None).contains("by this name") && told("A_b", None).contains("such as a-b;"), "{}", told("A_b", None));
        assert!(told("A_b", Some(&path)).contains("sandboxed") && told("A_b", Some(&path)).ends_with("such as a-b"));
        let none = told("a", None);
        assert!(["--http-host", "--http-path", "--open"].iter().all(|flag| none.contains(flag)) && !none.contains("such as"), "{none}");
    }

    #[test]
    fn what_is_advised_can_be_a_host() {
        for (name, label) in [("A_b", "a-b"), ("été", "t"), ("日本", "web"), ("-x-", "x"), ("a.b", "a-b"), ("ok", "ok")] {
            assert_eq!(super::label(name), label);
        }
        for long in ["x".repeat(128), format!("{}-{}", "x".repeat(62), "y")] {
            assert!(is_label(&super::label(&long)), "{long}");
        }
    }
}
