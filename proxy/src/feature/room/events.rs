//! What happens to rooms, for the program that the proxy runs in.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{
    Stream,
    stream::{BoxStream, StreamExt},
};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::super::events::heard;
use crate::{error::RefusalCode, route::Name};

/// Something that happened to a room or to one of its members.
///
/// See [`RoomEvents`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomEvent {
    /// `room.created`: somebody has a seat in it from now on.
    Created {
        /// The room.
        name: Name,
    },
    /// `room.destroyed`: nobody has any more.
    Destroyed {
        /// The room.
        name: Name,
    },
    /// `member.joined`.
    MemberJoined {
        /// The room.
        name: Name,
        /// The member's id.
        id: Uuid,
    },
    /// `member.live`: its connection went, or is back.
    MemberLive {
        /// The room.
        name: Name,
        /// The member's id.
        id: Uuid,
        /// Whether it is there.
        is_live: bool,
    },
    /// `member.disconnecting`: its connection is over for good; it is about to leave.
    MemberDisconnecting {
        /// The room.
        name: Name,
        /// The member's id.
        id: Uuid,
        /// The rooms that it leaves now, this one first.
        rooms: Vec<Name>,
    },
    /// `member.left`.
    MemberLeft {
        /// The room.
        name: Name,
        /// The member's id.
        id: Uuid,
        /// 0 where it left by its own will; else why: 14 lost, 12 gone, 5 removed.
        code: u32,
        /// What was said about it; a peer's word.
        text: String,
    },
    /// This program was too slow: so many events are not among those it gets.
    Missed {
        /// How many.
        count: u64,
    },
}

impl RoomEvent {
    /// The event's name: `room.created` and so on.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Created { .. } => "room.created",
            Self::Destroyed { .. } => "room.destroyed",
            Self::MemberJoined { .. } => "member.joined",
            Self::MemberLive { .. } => "member.live",
            Self::MemberDisconnecting { .. } => "member.disconnecting",
            Self::MemberLeft { .. } => "member.left",
            Self::Missed { .. } => "missed",
        }
    }
}

impl fmt::Display for RoomEvent {
    /// One line: the kind, the room as it would stand in a program, the id, and more. Nothing that a peer said can break the line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Created { name } | Self::Destroyed { name } => write!(f, "{kind} {:?}", name.as_str()),
            Self::MemberJoined { name, id } => write!(f, "{kind} {:?} ({id})", name.as_str()),
            Self::MemberLive { name, id, is_live } => {
                write!(f, "{kind} {:?} ({id}): {}", name.as_str(), if *is_live { "back" } else { "away" })
            }
            Self::MemberDisconnecting { name, id, rooms } => write!(f, "{kind} {:?} ({id}): {} rooms", name.as_str(), rooms.len()),
            Self::MemberLeft { name, id, code: 0, .. } => write!(f, "{kind} {:?} ({id})", name.as_str()),
            Self::MemberLeft { name, id, code, .. } => {
                write!(f, "{kind} {:?} ({id}): {}", name.as_str(), RefusalCode::from_number(*code))
            }
            Self::Missed { count } => write!(f, "{kind} {count}"),
        }
    }
}

/// The events of [`Rooms`](super::Rooms) from the subscription on, in order.
///
/// A program that lags behind is told how many it missed; nobody waits for it. Polling it is cancel-safe.
///
/// ```no_run
/// use browser_stream_server::Proxy;
/// use futures::StreamExt;
///
/// # async fn example(proxy: &Proxy) {
/// let mut events = proxy.rooms().events();
/// while let Some(event) = events.next().await {
///     println!("{event}");
/// }
/// # }
/// ```
pub struct RoomEvents(BoxStream<'static, RoomEvent>);

impl RoomEvents {
    pub(super) fn new(receiver: broadcast::Receiver<RoomEvent>) -> Self {
        Self(heard(receiver, |count| RoomEvent::Missed { count }))
    }
}

impl Stream for RoomEvents {
    type Item = RoomEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<RoomEvent>> {
        self.0.poll_next_unpin(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_as_one_line_whatever_a_peer_said() {
        let name = Name::try_from("日本 \"a\"").unwrap();
        let zeros = "00000000-0000-0000-0000-000000000000";
        let left = RoomEvent::MemberLeft { name: name.clone(), id: Uuid::nil(), code: 14, text: "a word\nof a peer's".into() };
        assert_eq!(left.to_string(), format!(r#"member.left "日本 \"a\"" ({zeros}): lost"#));
        assert_eq!(RoomEvent::Created { name }.to_string(), r#"room.created "日本 \"a\"""#);
    }
}
