//! Resumable streams without I/O (`proxy/RESUME.md`): one [`Endpoint`] per stream as a state machine, and the server's [`Registry`] of them.
//!
//! Every record is a fact about the stream that stays true for ever, so it may be repeated, come late, or come over any carrier. Each sender alone
//! chooses which carrier its records take, and after a choice says again what was not yet acknowledged.
//!
//! How a shell drives an endpoint: it hands in what happened, with the instant, then
//! 1. does every [`Action`] that [`Endpoint::poll`] gives,
//! 2. asks [`Endpoint::transmit`] for the bytes of each carrier that can take some,
//! 3. takes what is there to read with [`Endpoint::read`], and looks at [`Endpoint::outcome`] and [`Endpoint::writable`],
//! 4. calls [`Endpoint::tick`] at [`Endpoint::deadline`].
//!
//! No socket, clock or random number is in here. A carrier's own credit is given back as soon as its bytes were handed to
//! [`Endpoint::received`]: what is unread is bounded by the stream's own window.

mod budget;
mod carrier;
mod chunks;
mod decoder;
mod endpoint;
mod limits;
mod newcomer;
mod outcome;
mod receiver;
mod record;
mod registry;
mod secret;
mod sender;

pub use browser_stream_protocol::integer::INTEGER_MAX;
pub use budget::Budget;
pub use carrier::{CarrierId, Kind};
pub use decoder::{Decoder, Received};
pub use endpoint::{Action, Close, Endpoint, Raw, State};
pub use limits::Limits;
pub use newcomer::{Join, Newcomer, Pass, Place, Unproven};
pub use outcome::{Outcome, Tombstone};
pub use record::{Reason, Record, RecordError};
pub use registry::{Birth, Born, Joined, Registry};
pub use secret::{Identity, Letters, Mac, MacRequest, Macs, Nonce, Secret, StreamId};

/// The longest payload of one DATA record.
pub const DATA_MAX: u32 = 65_536;
/// Bytes that may stand behind the open of a stream before its reply.
pub const EARLY_MAX: u32 = 65_536;
/// DATA that may lie queued in one carrier, so that what comes behind it is never late.
pub const CARRIER_QUEUE_MAX: usize = 256 * 1024;
