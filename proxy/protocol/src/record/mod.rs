//! Records as rooms and swarms have them: a byte that says which, integers, and what they are lengths of.

mod decoder;
mod fields;

pub use decoder::Decoder;
pub use fields::{BadRecord, Fields, Record, Stop};
pub(crate) use fields::{put, put_bytes, put_text};

/// The most bytes of a text for people.
pub const TEXT_MAX: usize = 1024;
