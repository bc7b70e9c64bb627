//! Channels, one to many: the records on their streams without I/O, and the two ends of one over a stream of the mux.
//!
//! See [`Publisher`] and [`Subscription`].

mod decoder;
mod options;
mod publisher;
mod record;
mod subscription;

// The wire, for the proxy and its client: no part of the API.
#[doc(hidden)]
pub use decoder::Decoder;
#[doc(hidden)]
pub use options::Accepted;
pub use options::{ChannelInfo, ChannelOptions, Policy, Publishers};
pub use publisher::{Closed, MessageWriter, PublishError, Publisher};
#[doc(hidden)]
pub use record::{BadRecord, Delivered, JOINED_MAX, Published, Records, delivered_head, published_head};
pub use record::{Ending, News};
pub use subscription::{Delivery, Message, PublisherInfo, SubscribeError, Subscription};

/// The most bytes of a message that one record carries.
#[doc(hidden)]
pub const PART_MAX: usize = 64 * 1024;
/// The most bytes of an ending's text.
#[doc(hidden)]
pub const TEXT_MAX: usize = 1024;
/// Where channels live, unless another prefix is given.
#[doc(hidden)]
pub const CHANNEL_PREFIX: &str = "/channel";
