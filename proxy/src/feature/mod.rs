//! What is built on streams and routes alone.

mod account;
pub mod channel;
mod events;
mod ice;
pub mod room;
pub mod tracker;

pub use ice::{IceServers, TurnServer};
