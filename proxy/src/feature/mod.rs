//! What is built on streams and the registry only.

mod ice;

pub use ice::{IceServers, TurnServer};
