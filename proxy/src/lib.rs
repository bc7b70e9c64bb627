//! A stream server in a browser tab: the proxy that joins peers by name, as a library.
//!
//! [`StreamServerProxy`] keeps the names of one prefix, [`StreamRouter`] sends streams where their path says, and
//! [`Proxy`] is the whole process: sessions, HTTP routes, shutdown. See [`Proxy`] for an example of all three.

/// The Rust of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod buffer;
#[cfg(feature = "cluster")]
#[doc(hidden)]
pub mod cluster;
pub mod config;
mod counters;
mod edge;
mod error;
mod feature;
mod limits;
mod memory;
#[doc(hidden)]
pub mod private;
mod route;
mod session;
#[cfg(feature = "tls")]
pub mod tls;
pub mod token;

pub use browser_stream_mux::{Body, BodyError, Code, Progress, Stream, StreamError};
pub use browser_stream_protocol::channel::{
    ChannelInfo, ChannelOptions, Closed, Delivery, Ending, Message, MessageWriter, News, Policy, PublishError, Publisher, PublisherInfo,
    Publishers, SubscribeError, Subscription,
};
pub use browser_stream_protocol::swarm::ContentId;
pub use config::Config;
#[cfg(feature = "webtransport")]
pub use edge::WebTransport;
pub use edge::{Proxy, mux};
pub use error::{APPLICATION_CODE_MIN, OpenError, RefusalCode};
#[cfg(feature = "cluster")]
#[doc(hidden)]
pub use feature::channel::Ways;
pub use feature::{
    IceServers, TurnServer,
    channel::{ChannelEvent, ChannelEvents, ChannelStatus, Channels},
    room::{Answered, Asked, Grant, Joining, MemberInfo, RoomEvent, RoomEvents, RoomStatus, Rooms, Value},
    tracker::{ContentStatus, Tracker},
};
pub use limits::Limits;
pub use route::{BadName, ConnectOptions, Event, Events, Handler, LeaseKey, LeaseKeyError, Name, Reason, StreamRouter, StreamServerProxy};
pub use session::{Instance, Open, Opening, SendError, Session, Sessions};
// What a session rides on, and what its opens go to: for tests, which run a proxy in memory, and for fuzz targets. No part of the API.
#[doc(hidden)]
pub use session::{Opens, transport, websocket};

/// What the fuzz targets need beside the API; no part of it.
#[doc(hidden)]
pub mod fuzzing {
    use bytes::Bytes;

    use crate::{error::OpenError, feature::room::Value};

    pub use crate::session::{Credit, Note, Reply};

    /// What a peer says on a stream that carries notes.
    ///
    /// # Errors
    /// As its stream would be reset.
    pub fn note(body: &Bytes, depth_max: usize) -> Result<Note, OpenError> {
        crate::session::parse(body, depth_max, "note")
    }

    /// What a member of a room sent as an event's arguments, or as an answer.
    pub fn room_value(bytes: Bytes) -> Value {
        Value::new(bytes)
    }
}
