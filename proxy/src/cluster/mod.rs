//! Several proxies that act as one: who of them has which name, and where it is (proxy/docs/cluster.md).
//!
//! [`Core`] is the protocol, without I/O and without a clock: it is told what happened and when, and says what to write into the one table that all nodes share
//! and whose every change has a number. Who keeps the table is behind [`Adapter`], and [`Nats`] is that ([`Local`] for nodes of one process); a [`Node`] has all three at work. `tests/` runs several cores over a simulated table, and judges what they did;
//! `proxy/tests/cluster/simulated` does that to whole nodes in a simulated network.

mod adapter;
mod bus;
mod core;
pub mod link;
mod local;
mod nats;
mod node;
mod row;
mod table;
#[cfg(test)]
mod tests;
mod timing;

pub use adapter::{Adapter, Change, Expected, Outcome, Write};
pub use bus::{Bus, Fault, Loopback, Mail, NatsBus, News, Post, Subject};
pub(crate) use bus::{Heard, Lane, Listener, Word, listen};
pub use core::{Core, Event, Hold, Stranger, Whereabouts, Why};
pub use link::{LinkError, Links, Secret, SecretError};
pub use local::Local;
pub use nats::{Nats, NatsError, NatsOptions};
pub use node::{Node, Tenure, Validity};
pub use row::{NameRow, NodeId, NodeRow, Place, Row, Share, State, Title};
pub use timing::{Time, Timing};
