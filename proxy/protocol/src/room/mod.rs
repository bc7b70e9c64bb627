//! Rooms, many to many: the records on a member's stream, both ways, without I/O (PROTOCOL.md, section 14).

mod event;
mod fields;
mod open;
mod said;
mod told;

pub use event::{BadEventName, EventName, RESERVED};
pub use open::{RoomAccepted, RoomInfo, RoomOpen, SeatKey};
pub use said::{Answer, Emit, Said};
pub use told::{Told, event_head};

pub use crate::record::{BadRecord, Decoder, Record, TEXT_MAX};

/// Where rooms live, unless another prefix is given.
pub const ROOM_PREFIX: &str = "/room";
/// The most bytes of an event's arguments, or of an answer.
pub const BODY_MAX: usize = 1024 * 1024;
/// The most bytes of an event's name.
pub const EVENT_NAME_MAX: usize = 128;
/// The most bytes of a profile, JSON.
pub const PROFILE_MAX: usize = 4096;
/// The most bytes of what members are told of one, JSON.
pub const MEMBER_MAX: usize = 8192;
/// The most members that one event names.
pub const NAMED_MAX: usize = 256;
/// The longest that an answer may be waited for, in milliseconds.
pub const TIMEOUT_MS_MAX: u64 = 600_000;
