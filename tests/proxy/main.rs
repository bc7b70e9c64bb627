//! The proxy as its peers see it: facts of PROTOCOL.md and rows of the threat table, each a test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backpressure;
mod ends;
mod inside;
mod names;
mod opens;
mod original;
mod races;
mod refusals;
mod violations;
mod waiting;
