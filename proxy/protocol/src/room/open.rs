//! What a peer says to join, and what it is told.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a peer says to join: the field `room` of its open.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RoomOpen {
    /// What it says of itself.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub profile: Option<Box<RawValue>>,
    /// Whether the directory is to list the room; the first member's word counts.
    pub public: bool,
    /// The seat that it has there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seat: Option<SeatKey>,
}

/// Shows that a seat is one's own.
#[derive(Clone, Serialize, Deserialize)]
pub struct SeatKey {
    /// The member's id.
    pub id: String,
    /// What the proxy told nobody but it.
    pub secret: String,
    /// How many counted records it has received.
    pub got: u64,
}

/// The reply to one who joins.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RoomAccepted {
    /// The member's id.
    pub id: String,
    /// What holds in the room.
    pub room: RoomInfo,
}

/// What holds in a room, for one member.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RoomInfo {
    /// The room's name.
    pub name: String,
    /// The member's number in it.
    pub number: u32,
    /// What shows that the seat is its own: 32 hex digits.
    pub secret: String,
    /// Whether it is the seat that it had.
    pub resumed: bool,
    /// How many of its counted records were received.
    pub got: u64,
    /// How many counted records it cannot have any more.
    pub lost: u64,
    /// How many MEMBER records come first; none where its list is still right.
    pub members: u64,
    /// Whether the directory lists the room.
    pub public: bool,
    /// How long the seat is kept without a connection, in milliseconds.
    pub grace_ms: u64,
    /// The most bytes of an event's arguments.
    pub event_bytes_max: u64,
}

impl RoomAccepted {
    /// The reply to the member with this id.
    pub fn new(id: impl Into<String>, room: RoomInfo) -> Self {
        Self { id: id.into(), room }
    }
}

/// Without the secret.
impl std::fmt::Debug for SeatKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeatKey").field("id", &self.id).field("got", &self.got).finish_non_exhaustive()
    }
}

/// Without the secret.
impl std::fmt::Debug for RoomInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoomInfo").field("name", &self.name).field("number", &self.number).finish_non_exhaustive()
    }
}

/// A field that is there, `null` included: absence alone is `None`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}
