//! What brings a server its name back (PROTOCOL.md, section 9).

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// Asks for a lease, or shows the one that is held. A secret: it is never printed.
pub(crate) enum Lease {
    /// One is asked for.
    Wanted,
    /// As the proxy gave it.
    Held(Given),
}

/// What the proxy made: sent back as it came.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Given(Box<RawValue>);

impl Serialize for Lease {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Wanted => serializer.serialize_bool(true),
            Self::Held(Given(raw)) => raw.serialize(serializer),
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wanted => "Wanted",
            Self::Held(_) => "Held(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = r#"{"name" : "NAME","generation":9007199254740991,"mac":"secret","later":[1.0]}"#;

    #[test]
    fn a_lease_is_asked_for_and_sent_back_as_it_came() {
        assert_eq!(serde_json::to_string(&Lease::Wanted).unwrap(), "true");
        let held = Lease::Held(serde_json::from_str(GIVEN).unwrap());
        assert_eq!(serde_json::to_string(&held).unwrap(), GIVEN);
    }

    #[test]
    fn threat_33_a_log_shows_no_lease() {
        let held = Lease::Held(serde_json::from_str(GIVEN).unwrap());
        assert_eq!(format!("{held:?}"), "Held(…)");
    }
}
