//! Channels, one to many: the records on their streams without I/O, and the two ends of one over a stream of the mux.

mod decoder;
mod options;
mod publisher;
mod record;
mod subscription;

pub use decoder::Decoder;
pub use options::{Accepted, ChannelInfo, ChannelOptions, Policy, Publishers};
pub use publisher::{Closed, MessageWriter, PublishError, Publisher};
pub use record::{BadRecord, Delivered, Ending, JOINED_MAX, News, Published, Records, delivered_head, published_head};
pub use subscription::{Delivery, Message, PublisherInfo, SubscribeError, Subscription};

/// The most bytes of a message that one record carries.
pub const PART_MAX: usize = 64 * 1024;
/// The most bytes of an ending's text.
pub const TEXT_MAX: usize = 1024;
/// Where channels live, unless another prefix is given.
pub const CHANNEL_PREFIX: &str = "/channel";
