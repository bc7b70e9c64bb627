//! What brings a server its name back (PROTOCOL.md, section 9).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Asks for a lease, or shows the one that is held. A secret: it is never printed.
#[derive(PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Lease {
    /// One is asked for.
    Wanted(True),
    /// As the proxy gave it, and how often it was used.
    Held(Held),
}

#[derive(PartialEq, Serialize)]
pub(crate) struct Held {
    #[serde(flatten)]
    given: Given,
    attempt: u64,
}

/// What the proxy made: sent back as it came.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Given(Map<String, Value>);

/// The JSON `true`.
#[derive(PartialEq)]
pub(crate) struct True;

impl Serialize for True {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl Lease {
    /// The lease to show after a reply brought `given`: the same one goes on counting its uses.
    pub(crate) fn renew(&mut self, given: Given) {
        match self {
            Self::Held(held) if held.given == given => {}
            _ => *self = Self::Held(Held { given, attempt: 0 }),
        }
    }

    /// Counts one more use: each has a higher attempt than the one before.
    pub(crate) fn count_use(&mut self) {
        if let Self::Held(held) = self {
            held.attempt += 1;
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wanted(_) => f.write_str("Wanted"),
            Self::Held(held) => write!(f, "Held(attempt {})", held.attempt),
        }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(mac: &str) -> Given {
        serde_json::from_value(serde_json::json!({"name": "NAME", "generation": 9_007_199_254_740_991_u64, "mac": mac, "later": [1]}))
            .unwrap()
    }

    fn wire(lease: &Lease) -> Value {
        serde_json::from_str(&serde_json::to_string(lease).unwrap()).unwrap()
    }

    #[test]
    fn a_lease_is_asked_for_then_sent_back_as_it_came_with_a_rising_attempt() {
        let mut lease = Lease::Wanted(True);
        assert_eq!(wire(&lease), Value::Bool(true));
        lease.renew(given("aa"));
        for attempt in 1..=2 {
            lease.count_use();
            let mut expected = serde_json::to_value(given("aa")).unwrap();
            expected["attempt"] = attempt.into();
            assert_eq!(wire(&lease), expected);
        }
    }

    #[test]
    fn the_same_lease_goes_on_counting_and_a_new_one_starts_over() {
        let mut lease = Lease::Wanted(True);
        lease.renew(given("aa"));
        lease.count_use();
        lease.renew(given("aa"));
        lease.count_use();
        assert_eq!(wire(&lease)["attempt"], 2);
        lease.renew(given("bb"));
        lease.count_use();
        assert_eq!(wire(&lease)["attempt"], 1);
    }

    #[test]
    fn threat_33_a_log_shows_no_lease() {
        let mut lease = Lease::Wanted(True);
        lease.renew(given("secret"));
        assert_eq!(format!("{lease:?} {:?}", given("secret")), "Held(attempt 0) Given(…)");
    }
}
