//! What happens to channels, for the program that the proxy runs in.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use browser_stream_protocol::channel::Ending;
use futures::{
    Stream,
    stream::{BoxStream, StreamExt},
};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::super::events::heard;
use crate::{error::RefusalCode, route::Name};

/// Something that happened to a channel.
///
/// See [`ChannelEvents`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelEvent {
    /// `channel.created`: somebody publishes from now on.
    Created {
        /// The channel.
        name: Name,
    },
    /// `channel.destroyed`: nobody publishes any more.
    Destroyed {
        /// The channel.
        name: Name,
        /// How the last publisher ended.
        ending: Ending,
    },
    /// `publisher.joined`.
    PublisherJoined {
        /// The channel.
        name: Name,
        /// The publisher's id.
        id: Uuid,
    },
    /// `publisher.left`.
    PublisherLeft {
        /// The channel.
        name: Name,
        /// The publisher's id.
        id: Uuid,
        /// How it ended.
        ending: Ending,
    },
    /// `subscriber.joined`.
    SubscriberJoined {
        /// The channel.
        name: Name,
        /// The subscriber's id.
        id: Uuid,
    },
    /// `subscriber.left`.
    SubscriberLeft {
        /// The channel.
        name: Name,
        /// The subscriber's id.
        id: Uuid,
        /// 0 where it left, or has all; else the code: 18 where it lagged.
        code: u32,
    },
    /// This program was too slow: so many events are not among those it gets.
    Missed {
        /// How many.
        count: u64,
    },
}

impl ChannelEvent {
    /// The event's name: `channel.created` and so on.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Created { .. } => "channel.created",
            Self::Destroyed { .. } => "channel.destroyed",
            Self::PublisherJoined { .. } => "publisher.joined",
            Self::PublisherLeft { .. } => "publisher.left",
            Self::SubscriberJoined { .. } => "subscriber.joined",
            Self::SubscriberLeft { .. } => "subscriber.left",
            Self::Missed { .. } => "missed",
        }
    }
}

impl fmt::Display for ChannelEvent {
    /// One line: the kind, the name as it would stand in a program, the id, and why. Nothing that a peer said can break the line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Created { name } => write!(f, "{kind} {:?}", name.as_str()),
            Self::Destroyed { name, ending } => write!(f, "{kind} {:?}: {}", name.as_str(), Why(ending.code)),
            Self::PublisherJoined { name, id } | Self::SubscriberJoined { name, id } => write!(f, "{kind} {:?} ({id})", name.as_str()),
            Self::PublisherLeft { name, id, ending } => write!(f, "{kind} {:?} ({id}): {}", name.as_str(), Why(ending.code)),
            Self::SubscriberLeft { name, id, code } => write!(f, "{kind} {:?} ({id}): {}", name.as_str(), Why(*code)),
            Self::Missed { count } => write!(f, "{kind} {count}"),
        }
    }
}

struct Why(u32);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("finished"),
            code => write!(f, "{}", RefusalCode::from_number(code)),
        }
    }
}

/// The events of [`Channels`](super::Channels) from the subscription on, in order.
///
/// A program that lags behind is told how many it missed; nobody waits for it. Polling it is cancel-safe.
///
/// ```no_run
/// use browser_stream_server::Proxy;
/// use futures::StreamExt;
///
/// # async fn example(proxy: &Proxy) {
/// let mut events = proxy.channels().events();
/// while let Some(event) = events.next().await {
///     println!("{event}");
/// }
/// # }
/// ```
pub struct ChannelEvents(BoxStream<'static, ChannelEvent>);

impl ChannelEvents {
    pub(super) fn new(receiver: broadcast::Receiver<ChannelEvent>) -> Self {
        Self(heard(receiver, |count| ChannelEvent::Missed { count }))
    }
}

impl Stream for ChannelEvents {
    type Item = ChannelEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ChannelEvent>> {
        self.0.poll_next_unpin(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_as_one_line() {
        let name = Name::try_from("日本 \"a\"").unwrap();
        let zeros = "00000000-0000-0000-0000-000000000000";
        let left = ChannelEvent::SubscriberLeft { name: name.clone(), id: Uuid::nil(), code: 18 };
        assert_eq!(left.to_string(), format!(r#"subscriber.left "日本 \"a\"" ({zeros}): lagging"#));
        let ending = Ending::new(0_u32, "a word\nof a peer's");
        assert_eq!(ChannelEvent::Destroyed { name, ending }.to_string(), r#"channel.destroyed "日本 \"a\"": finished"#);
    }
}
