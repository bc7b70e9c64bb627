//! What nodes tell each other, many at once: rooms that several of them share (proxy/docs/cluster.md, section 7).
//!
//! A [`Bus`] carries parcels and may lose some. A [`Post`] knows by it which nodes are there, and a `Lane` makes of it messages in order, with what holds now exchanged where
//! something was missed. [`NatsBus`] is a bus, and [`Loopback`] is another, in memory.

mod lane;
mod listen;
mod loopback;
mod nats;
mod parcel;
mod post;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use futures::{future::BoxFuture, stream::BoxStream};

pub(crate) use lane::{Heard, Lane, Word};
pub(crate) use listen::{Listener, listen};
pub use loopback::{Fault, Loopback};
pub use nats::NatsBus;
pub use post::{News, Post};

/// Carries parcels from a node to all others that listen on a subject.
///
/// Those that one node sends on one subject come in their order, each once; some may not come at all, and those of different nodes have no order.
///
/// See [`Post`].
pub trait Bus: Send + Sync + 'static {
    /// Sends a parcel. Never waits: what there is no way or no room for is dropped.
    fn send(&self, subject: &Subject, parcel: Bytes);

    /// What others send on a subject, for as long as the stream is polled.
    fn listen(&self, subject: &Subject) -> BoxStream<'static, Mail>;

    /// Resolves when what was sent so far is on its way, or cannot be.
    fn flush(&self) -> BoxFuture<'static, ()>;

    /// A parcel is no longer than this.
    fn parcel_max(&self) -> usize;

    /// Parcels that were dropped so far, as far as it knows.
    fn dropped(&self) -> u64 {
        0
    }
}

/// What comes of a subject.
///
/// See [`Bus`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mail {
    /// What is sent from now on comes: who is asked for something now answers where it is heard.
    Listening,
    /// Somebody sent this.
    Parcel(Bytes),
}

/// What parcels are about: a word of ours, then names of any kind.
///
/// See [`Bus`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject(Arc<str>);

impl Subject {
    /// That of these names.
    pub fn new(kind: &'static str, names: &[&str]) -> Self {
        let mut text = kind.to_owned();
        for name in names {
            // A name may be empty, a part of a subject may not, and what it may consist of is little.
            text.push_str(".p");
            BASE64URL_NOPAD.encode_append(name.as_bytes(), &mut text);
        }
        Self(text.into())
    }

    /// As NATS has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
