//! Swarms: peers hand each other the pieces of a content, and a tracker says who has what. Contents, the records between two peers and the notes of the tracker, without I/O
//! (PROTOCOL.md, section 15).
//!
//! Hidden, and no part of the API: only the proxy and its client speak it, and it changes with them.

mod bitmap;
mod content;
mod held;
mod manifest;
mod name;
mod note;
mod wanted;

pub use crate::record::{BadRecord, Decoder, Record};
pub use bitmap::{BadBitmap, Bitmap};
pub use content::{BadContentId, ContentId};
pub use held::Held;
pub use manifest::{BadManifest, Manifest};
pub use name::{BadPeerName, PeerName};
pub use note::{
    Announce, Announced, Candidate, CandidatePeer, Extent, Failed, Find, Found, Portion, Refused, Timing, Welcome, Why, Withdraw,
};
pub use wanted::Wanted;

/// Where a swarm lives, unless another prefix is given.
pub const SWARM_PREFIX: &str = "/swarm";
/// Bytes of a piece; the last one of a content may be shorter.
pub const PIECE_BYTES: usize = 256 * 1024;
/// Pieces of a content, at most.
pub const PIECES_MAX: usize = 65_536;
/// Pieces that a fetcher may have asked one holder for and not have, at most.
pub const ASKED_MAX: usize = 64;
/// Bytes of a manifest, at most.
pub const MANIFEST_BYTES_MAX: usize = manifest::HEAD_BYTES + PIECES_MAX * manifest::HASH_BYTES;
/// Up to so many pieces an announcement says which of them are there; of more it says how many.
pub const NOTED_PIECES_MAX: usize = 8192;
