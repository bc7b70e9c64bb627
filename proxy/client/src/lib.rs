//! Streams to and from browser tabs, for Rust programs.

pub mod resume;
