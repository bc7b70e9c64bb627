//! Streams of values: what both languages must agree on, what survives any chunking, and how a stream of values ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chunking;
mod streams;
mod tagged;
mod vectors;
