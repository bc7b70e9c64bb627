//! What the proxy and its Rust client say in the same words (`PROTOCOL.md`): the [`Name`] of a server, the [`OpenError`] of a refusal,
//! [channels](channel). The records of the wire, which only those two need, are hidden here, and no part of the API.
//!
//! See [`Name`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

/// The Rust of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod channel;
#[doc(hidden)]
pub mod integer;
mod name;
mod pattern;
mod record;
mod refusal;
#[doc(hidden)]
pub mod room;
#[doc(hidden)]
pub mod swarm;

#[doc(hidden)]
pub use integer::INTEGER_MAX;
pub use name::{BadName, NAME_BYTES_MAX, Name};
#[doc(hidden)]
pub use name::{LABEL_BYTES_MAX, is_label};
pub use pattern::{BadPattern, PATTERN_BYTES_MAX, Pattern};
pub use refusal::{APPLICATION_CODE_MIN, OpenError, RefusalCode};
