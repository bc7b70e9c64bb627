//! Sealed streams: what only their two ends can read, whatever the proxy does (`proxy/SEAL.md`).
//!
//! A server with [`Keys`] has the [`Address`] `NAME#key`. The handshake goes in the open and the reply; behind it everything is records that the proxy
//! can neither read nor alter unnoticed: what it tries ends the stream `tampered`. Names, sizes and times it sees as ever.
//!
//! ```no_run
//! use browser_stream_client::{Peer, seal::Keys};
//! use futures::TryStreamExt;
//!
//! # async fn example(peer: Peer) -> anyhow::Result<()> {
//! let keys = Keys::generate();
//! println!("{}", keys.address("NAME")); // to be given to clients, on a way that you trust
//! let mut listener = peer.server().listen("NAME").sealed(&keys).await?;
//! # let address = keys.address("NAME");
//!
//! let stream = peer.client().connect(address).await?; // sealed, for its address has a key
//! # Ok(()) }
//! ```

mod cipher;
mod field;
mod greet;
mod handshake;
mod hello;
mod keys;
mod pins;
mod record;
mod resolver;
mod sealed;
mod sealing;
#[cfg(test)]
mod tests;

pub use keys::{Address, BadAddress, BadKey, Keys, PublicKey};
pub use pins::{FilePins, MemoryPins, Pins};
pub use sealed::Sealed;
pub use sealing::Sealing;

pub(crate) use field::Field;
pub(crate) use greet::{Greeted, Ungreeted, greet};
pub(crate) use hello::{Envelope, Hello, told};
pub(crate) use sealed::Seal;

/// The capability of who seals streams.
pub(crate) const NEED: &[&str] = &["seal"];

/// What came is not what the peer sealed, or was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tampered;
