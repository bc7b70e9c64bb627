//! What happens to names, for the program that the proxy runs in.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::SystemTime,
};

use futures::{
    Stream,
    stream::{BoxStream, StreamExt, unfold},
};
use tokio::sync::broadcast::{self, error::RecvError};
use uuid::Uuid;

use super::Name;
use crate::error::RefusalCode;

/// Something that happened to a name or to one of its clients.
///
/// See [`Events`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// `server.created`: somebody holds the name from now on.
    ServerCreated {
        /// The name.
        name: Name,
        /// The claim's id.
        id: Uuid,
        /// When.
        at: SystemTime,
    },
    /// `server.destroyed`: the name is free again, or another has it.
    ServerDestroyed {
        /// The name.
        name: Name,
        /// The claim's id.
        id: Uuid,
        /// Why.
        reason: Reason,
        /// When.
        at: SystemTime,
    },
    /// `server.suspended`: the owner's session went; the name is kept for it as long as its lease allows.
    ServerSuspended {
        /// The name.
        name: Name,
        /// The claim's id.
        id: Uuid,
        /// Why.
        reason: Reason,
        /// When.
        at: SystemTime,
    },
    /// `server.resumed`: the owner of a suspended name is back.
    ServerResumed {
        /// The name.
        name: Name,
        /// The claim's id, the same as before.
        id: Uuid,
        /// When.
        at: SystemTime,
    },
    /// `client.connected`: the server accepted a client. A resumable stream that goes on over another connection is one more, with another id.
    ClientConnected {
        /// The server's name.
        name: Name,
        /// The client's id.
        id: Uuid,
        /// When.
        at: SystemTime,
    },
    /// `client.disconnected`: the client's stream is over, or goes on over another connection.
    ClientDisconnected {
        /// The server's name.
        name: Name,
        /// The client's id.
        id: Uuid,
        /// Why.
        reason: Reason,
        /// When.
        at: SystemTime,
    },
    /// This subscriber was too slow: so many events are not among those it gets.
    Missed {
        /// How many.
        count: u64,
    },
}

/// Why a server or a client is gone.
///
/// See [`Events`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It ended as it should: the owner released the name, both directions of a stream finished.
    Finished,
    /// One side reset the stream with this code.
    Reset(u32),
    /// The session of one side went away.
    Lost,
    /// An operator took the name away.
    Released,
    /// The owner may not have the name any more: its token was taken back, ran out, or allows less.
    Revoked,
    /// One who has a lease of the name took it back from one who has none; or, in a cluster, its owner has it at another node now.
    Superseded,
    /// This node of a cluster lost touch with the others for too long to serve the name any more.
    Fenced,
}

impl Event {
    /// The event's name as the original had it, `server.created` and so on.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ServerCreated { .. } => "server.created",
            Self::ServerDestroyed { .. } => "server.destroyed",
            Self::ServerSuspended { .. } => "server.suspended",
            Self::ServerResumed { .. } => "server.resumed",
            Self::ClientConnected { .. } => "client.connected",
            Self::ClientDisconnected { .. } => "client.disconnected",
            Self::Missed { .. } => "missed",
        }
    }
}

impl fmt::Display for Event {
    /// One line, without the time: the kind, the name as it would stand in a program, the id, and why. A name cannot break the line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::ServerCreated { name, id, .. } | Self::ServerResumed { name, id, .. } | Self::ClientConnected { name, id, .. } => {
                write!(f, "{kind} {:?} ({id})", name.as_str())
            }
            Self::ServerDestroyed { name, id, reason, .. }
            | Self::ServerSuspended { name, id, reason, .. }
            | Self::ClientDisconnected { name, id, reason, .. } => write!(f, "{kind} {:?} ({id}): {reason}", name.as_str()),
            Self::Missed { count } => write!(f, "{kind} {count}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("finished"),
            Self::Reset(code) => write!(f, "reset, {}", RefusalCode::from_number(*code)),
            Self::Lost => f.write_str("the connection of one side went"),
            Self::Released => f.write_str("an operator took the name away"),
            Self::Revoked => f.write_str("the owner's token allows it no more"),
            Self::Superseded => f.write_str("one with a lease took the name back, or took it along to another node"),
            Self::Fenced => f.write_str("this node lost touch with its cluster"),
        }
    }
}

/// The events of a [`StreamServerProxy`](super::StreamServerProxy) from the subscription on, in order.
///
/// A subscriber that lags behind is told how many it missed; nobody waits for it. Polling it is cancel-safe.
///
/// ```
/// use browser_stream_server::{Event, Reason, StreamServerProxy};
/// use futures::StreamExt;
///
/// # async fn example(names: StreamServerProxy) {
/// let mut events = names.events();
/// while let Some(event) = events.next().await {
///     match event {
///         Event::Missed { count } => println!("too slow: {count} events are missing"),
///         Event::ServerDestroyed { name, reason: Reason::Lost, .. } => println!("{name:?}'s owner went away"),
///         event => println!("{}: {event}", event.kind()),
///     }
/// }
/// # }
/// ```
pub struct Events(BoxStream<'static, Event>);

impl Events {
    pub(super) fn new(receiver: broadcast::Receiver<Event>) -> Self {
        let events = unfold(receiver, |mut receiver| async {
            let event = match receiver.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(count)) => Event::Missed { count },
                Err(RecvError::Closed) => return None,
            };
            Some((event, receiver))
        });
        Self(events.boxed())
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_next_unpin(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_as_one_line() {
        let (name, id, at) = (Name::try_from("日本 \"a\"").unwrap(), Uuid::nil(), SystemTime::UNIX_EPOCH);
        let zeros = "00000000-0000-0000-0000-000000000000";
        let line = |reason| Event::ClientDisconnected { name: name.clone(), id, reason, at }.to_string();
        assert_eq!(line(Reason::Reset(15)), format!(r#"client.disconnected "日本 \"a\"" ({zeros}): reset, cancelled"#));
        assert_eq!(line(Reason::Reset(4001)), format!(r#"client.disconnected "日本 \"a\"" ({zeros}): reset, 4001"#));
        // Who reads the log looks for an operator where one is named.
        assert!(line(Reason::Revoked).ends_with(": the owner's token allows it no more"));
        let created = Event::ServerCreated { name: name.clone(), id, at }.to_string();
        assert_eq!(created, format!(r#"server.created "日本 \"a\"" ({zeros})"#));
        assert_eq!(Event::Missed { count: 7 }.to_string(), "missed 7");
    }
}
