//! Under what name a peer of a swarm serves.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use uuid::Uuid;

/// The name of a peer of a swarm: `swarm-` and a random uuid, which says nothing of who it is.
///
/// ```
/// use browser_stream_protocol::swarm::PeerName;
///
/// let name = PeerName::random();
/// assert_eq!(name.to_string().parse(), Ok(name));
/// assert!("swarm-of-bees".parse::<PeerName>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(pub Uuid);

/// A text that names no peer of a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a peer of a swarm is called swarm- and a uuid, in lower case")]
pub struct BadPeerName;

const FRONT: &str = "swarm-";

impl PeerName {
    /// One that nobody has.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl FromStr for PeerName {
    type Err = BadPeerName;

    fn from_str(text: &str) -> Result<Self, BadPeerName> {
        let name = text.strip_prefix(FRONT).and_then(|uuid| Uuid::try_parse(uuid).ok()).map(Self).ok_or(BadPeerName)?;
        // Uuids may be written in many ways, names in one.
        if name.to_string() == text { Ok(name) } else { Err(BadPeerName) }
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FRONT}{}", self.0)
    }
}

impl fmt::Debug for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PeerName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PeerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
