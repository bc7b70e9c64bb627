//! What is built on streams and routes alone.

pub mod channel;
