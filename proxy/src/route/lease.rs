//! Leases: what proves that a name was somebody's, and the key that makes them (PROTOCOL.md, section 9).

use std::fmt;

use browser_stream_mux::Code;
use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::Sha256;

use super::{Name, lease_key::LeaseKey};
use crate::{
    error::OpenError,
    session::{Instance, bytes_of_hex},
};

/// A lease as it travels: whoever has it has a right to the name. It has no `Debug`, so that no log shows it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Lease {
    name: String,
    pub instance: Instance,
    /// Which lease of that name and instance it is: no two that one key makes are alike.
    #[serde(deserialize_with = "exact_integer")]
    pub generation: u64,
    mac: Mac,
}

#[derive(Clone)]
struct Mac([u8; 32]);

/// What the `lease` of a claim's open says.
pub(super) enum Asked {
    /// Nothing: the name is to be free when its session goes.
    No,
    /// For a new lease.
    New,
    /// This lease is held.
    Held(Lease),
}

impl Asked {
    /// Reads the field of an open to listen to `name`; `bad_request` says what is wrong with it.
    pub fn parse(field: Option<&RawValue>, name: &Name) -> Result<Self, OpenError> {
        let bad = |why: &dyn fmt::Display| OpenError::new(Code::BadRequest, format!("lease: {why}"));
        match field.map(RawValue::get) {
            None | Some("false") => Ok(Self::No),
            Some("true") => Ok(Self::New),
            // A `null` or a list would be a lease to serde's structs, or say what stands in it.
            Some(text) if !text.starts_with('{') => Err(bad(&"true, or the lease that is held, was expected")),
            Some(text) => {
                let lease: Lease = serde_json::from_str(text).map_err(|error| bad(&error))?;
                if lease.name == name.as_str() { Ok(Self::Held(lease)) } else { Err(bad(&"it is for another name")) }
            }
        }
    }
}

impl LeaseKey {
    /// Makes the lease of this generation; where the proxy asks who somebody is, it is for that one alone.
    pub(super) fn lease(&self, prefix: &str, name: &Name, (instance, generation): (Instance, u64), sub: Option<&str>) -> Lease {
        let mac = Mac(self.mac(prefix, name.as_str(), (instance, generation), sub).finalize().into_bytes().into());
        Lease { name: name.as_str().to_owned(), instance, generation, mac }
    }

    /// Whether this key made the lease for that prefix and for this one; takes as long for a mac that is nearly right as for any other.
    pub(super) fn made(&self, prefix: &str, lease: &Lease, sub: Option<&str>) -> bool {
        self.mac(prefix, &lease.name, (lease.instance, lease.generation), sub).verify_slice(&lease.mac.0).is_ok()
    }

    fn mac(&self, prefix: &str, name: &str, (instance, generation): (Instance, u64), sub: Option<&str>) -> Hmac<Sha256> {
        let mut mac = self.hmac();
        // A name has no zero byte, and what stands before the prefix is of fixed length: no two leases have the same text.
        for part in [b"bss-lease-1\0".as_slice(), instance.bytes(), &generation.to_be_bytes(), prefix.as_bytes(), b"\0", name.as_bytes()] {
            mac.update(part);
        }
        if let Some(sub) = sub {
            mac.update(b"\0");
            mac.update(sub.as_bytes());
        }
        mac
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes_of_hex(deserializer).map(Self)
    }
}

/// The `attempt` of an open, if there is one; 0 else.
pub(super) fn attempt(field: Option<&RawValue>) -> Result<u64, OpenError> {
    let Some(field) = field else { return Ok(0) };
    let mut json = serde_json::Deserializer::from_str(field.get());
    exact_integer(&mut json).map_err(|error| OpenError::new(Code::BadRequest, format!("attempt: {error}")))
}

/// An integer that every JSON parser reads as the same number.
fn exact_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number <= EXACT_MAX { Ok(number) } else { Err(serde::de::Error::custom("an integer below 2^53 was expected")) }
}

/// Doubles, which is what JavaScript has, count one by one up to here.
pub(super) const EXACT_MAX: u64 = (1 << 53) - 1;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        key: String,
        made: Vec<Made>,
        known: Vec<Box<RawValue>>,
        unknown: Vec<Box<RawValue>>,
        malformed: Vec<Box<RawValue>>,
        attempts: Vec<Box<RawValue>>,
        malformed_attempts: Vec<Box<RawValue>>,
    }

    #[derive(Deserialize)]
    struct Made {
        prefix: String,
        lease: Value,
    }

    fn vectors() -> (LeaseKey, Vectors) {
        let vectors: Vectors = serde_json::from_str(include_str!("../../../tests/vectors/lease.json")).unwrap();
        (LeaseKey::from_hex(&vectors.key).unwrap(), vectors)
    }

    fn name() -> Name {
        Name::try_from("NAME").unwrap()
    }

    #[test]
    fn a_lease_is_what_its_fields_and_the_key_make_it() {
        let (key, vectors) = vectors();
        for Made { prefix, lease } in vectors.made {
            let name = Name::try_from(lease["name"].as_str().unwrap()).unwrap();
            let read: Lease = serde_json::from_value(lease.clone()).unwrap();
            let made = key.lease(&prefix, &name, (read.instance, read.generation), None);
            assert_eq!(serde_json::to_value(&made).unwrap(), lease);
            assert!(key.made(&prefix, &read, None));
            assert!(!key.made("/other", &read, None), "a lease is for one prefix");
            assert!(!LeaseKey::random().made(&prefix, &read, None), "and of one key");
        }
    }

    #[test]
    fn threat_33_a_lease_is_one_subs_where_the_proxy_asks_who_somebody_is() {
        let key = LeaseKey::random();
        let subs = [None, Some(""), Some("ann"), Some("bob")];
        for made in subs {
            let lease = key.lease("/browser-server", &name(), (Instance::random(), 7), made);
            for shown in subs {
                assert_eq!(key.made("/browser-server", &lease, shown), made == shown, "{made:?} {shown:?}");
            }
        }
    }

    #[test]
    fn threat_33_what_was_changed_in_a_lease_makes_it_unknown() {
        let (key, vectors) = vectors();
        let held = |raw: &RawValue| match Asked::parse(Some(raw), &name()) {
            Ok(Asked::Held(lease)) => lease,
            _ => panic!("{raw} has the form of a lease"),
        };
        assert!(!vectors.known.is_empty() && vectors.known.iter().all(|raw| key.made("/browser-server", &held(raw), None)));
        assert!(!vectors.unknown.is_empty() && !vectors.unknown.iter().any(|raw| key.made("/browser-server", &held(raw), None)));
    }

    #[test]
    fn threat_33_what_has_not_the_form_of_a_lease_is_bad_request() {
        let (_, vectors) = vectors();
        for raw in vectors.malformed {
            let refused = Asked::parse(Some(&raw), &name()).err().unwrap_or_else(|| panic!("{raw} is no lease"));
            assert!(refused.is(Code::BadRequest), "{raw}");
        }
        for raw in vectors.attempts {
            assert_eq!(attempt(Some(&raw)).unwrap().to_string(), raw.get());
        }
        for raw in vectors.malformed_attempts {
            assert!(attempt(Some(&raw)).is_err_and(|error| error.is(Code::BadRequest)), "{raw}");
        }
        assert!(matches!(Asked::parse(None, &name()), Ok(Asked::No)));
        let of = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        assert!(matches!(Asked::parse(Some(&of("false")), &name()), Ok(Asked::No)));
        assert!(matches!(Asked::parse(Some(&of("true")), &name()), Ok(Asked::New)));
    }
}
