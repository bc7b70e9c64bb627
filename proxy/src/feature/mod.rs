//! What is built on streams and routes alone.

pub mod channel;
mod ice;

pub use ice::{IceServers, TurnServer};
