//! The proxy as its peers see it: facts of PROTOCOL.md and rows of the threat table, each a test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backpressure;
mod budget;
mod channel;
mod drain;
mod ends;
mod fairness;
mod honest;
mod ice;
mod inside;
mod ladder;
mod leases;
mod list;
mod names;
mod opens;
mod original;
mod pile;
mod pings;
mod races;
mod rates;
mod refusals;
mod restless;
mod resume;
mod room;
mod sending;
mod silence;
mod standby;
mod tokens;
mod tracker;
mod violations;
mod waiting;
mod watch;
