//! Sessions and streams over a pipe that holds eight bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod carry;
mod ends;
mod frames;
mod liveness;
mod pair;
