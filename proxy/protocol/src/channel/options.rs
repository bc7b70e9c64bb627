//! What a publisher asks for, and what it and its subscribers are told (PROTOCOL.md, section 12).

use serde::{Deserialize, Serialize};

/// What happens where a subscriber takes less than is published.
///
/// See [`ChannelOptions`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The slowest governs: publishers wait for it. One that takes nothing for ten seconds is disconnected, `lagging`.
    #[default]
    Wait,
    /// Its oldest whole messages are left out, and it is told how many.
    Drop,
    /// It is disconnected, `lagging`, when a mebibyte waits for it.
    Disconnect,
}

/// Whether others may publish in the same channel.
///
/// See [`ChannelOptions`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Publishers {
    /// No: one more is refused `name_taken`.
    #[default]
    One,
    /// Those who say so, too.
    Many,
}

/// How a channel is to work.
///
/// ```
/// use browser_stream_protocol::channel::{ChannelOptions, Policy, Publishers};
///
/// // The newest message counts, and who comes late gets the last 64 KiB.
/// let options = ChannelOptions::new().policy(Policy::Drop).replay(64 * 1024);
/// assert_eq!((options.wait_for, options.publishers), (0, Publishers::One)); // unless said otherwise
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ChannelOptions {
    /// What happens where a subscriber falls behind.
    pub policy: Policy,
    /// Nothing is taken of this publisher until so many subscribers were there at once; 0 to 1,024.
    pub wait_for: u32,
    /// Bytes of the last whole messages that are kept for who subscribes later; 0 to 1 MiB.
    pub replay: u32,
    /// Whether others may publish, too.
    pub publishers: Publishers,
}

/// What holds in a channel.
///
/// See [`Publisher`](super::Publisher).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// What happens where a subscriber falls behind.
    pub policy: Policy,
    /// Bytes that are kept for who subscribes later.
    pub replay: u32,
    /// Whether several may publish.
    pub publishers: Publishers,
    /// The publisher's number, for a publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// The longest message, in bytes.
    pub message_bytes_max: u64,
}

/// The reply to a publisher or subscriber.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Accepted {
    /// Its unique id.
    pub id: String,
    /// What holds.
    #[serde(default)]
    pub channel: ChannelInfo,
}

impl Accepted {
    /// The reply with this id.
    pub fn new(id: impl Into<String>, channel: ChannelInfo) -> Self {
        Self { id: id.into(), channel }
    }
}

impl ChannelOptions {
    /// The defaults: `wait`, one publisher, nothing kept, nobody waited for.
    pub fn new() -> Self {
        Self::default()
    }

    /// What happens where a subscriber falls behind.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Takes nothing before so many subscribers were there at once.
    pub fn wait_for(mut self, readers: u32) -> Self {
        self.wait_for = readers;
        self
    }

    /// Keeps so many bytes of the last whole messages for who subscribes later.
    pub fn replay(mut self, bytes: u32) -> Self {
        self.replay = bytes;
        self
    }

    /// Lets others publish, too, who say the same.
    pub fn many(mut self) -> Self {
        self.publishers = Publishers::Many;
        self
    }
}
