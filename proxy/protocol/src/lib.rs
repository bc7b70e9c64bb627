//! What the proxy and its Rust client say in the same words (`PROTOCOL.md`): the [`Name`] of a server, the [`OpenError`] of a refusal,
//! [channels](channel), [rooms](room) and [swarms](swarm).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

/// The Rust of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod channel;
pub mod integer;
mod name;
mod pattern;
mod record;
mod refusal;
pub mod room;
pub mod swarm;

pub use integer::INTEGER_MAX;
pub use name::{BadName, NAME_BYTES_MAX, Name};
pub use pattern::{BadPattern, PATTERN_BYTES_MAX, Pattern};
pub use refusal::{APPLICATION_CODE_MIN, OpenError, RefusalCode};
