//! Streams to and from browser tabs, for Rust programs: [`StreamClient`] connects to a name, [`StreamServer`] serves under one, a [`Channel`] goes from
//! one to many, in a [room](room::Room) many send to each other.
//!
//! ```no_run
//! use browser_stream_client::{Peer, StreamClient};
//! use futures::TryStreamExt;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let client = StreamClient::dial("ws://127.0.0.1:8080/mux").await?;
//! let mut stream = client.connect("NAME").meta(&"hello").await?; // a tab or a program serves it
//! stream.write_all(b"ping").await?;
//! stream.finish();
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer).await?;
//!
//! let mut listener = client.peer().server().listen("OTHER").await?; // over the same connection
//! while let Some(connection) = listener.try_next().await? {
//!     let (mut reader, mut writer) = tokio::io::split(connection.accept());
//!     tokio::spawn(async move {
//!         tokio::io::copy(&mut reader, &mut writer).await?;
//!         writer.shutdown().await // else the drop of the stream resets it
//!     });
//! }
//! # Ok(()) }
//! ```
//!
//! Everything goes over one connection to the proxy, a [`Peer`]. It makes that connection again when it breaks, and claims its names again; what one
//! sees of it is in [`Peer::states`]. How a stream ends is told apart: finished, reset with a [`Code`] or a number of the application's, or lost.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

/// The Rust of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod answer;
mod backoff;
mod carriage;
mod channel;
mod claim;
mod client;
mod connection;
mod dial;
mod error;
mod http_place;
mod lease;
mod listener;
mod mux_demux;
mod names;
mod peer;
mod request;
mod resumable;
// The state machine of resumable streams, for what decodes and fuzzes it: no part of the API.
#[doc(hidden)]
pub mod resume;
pub mod room;
pub mod seal;
mod server;
mod state;
mod stream;
#[doc(hidden)]
pub mod swarm;
mod token;
mod upgrade;
pub mod values;
mod websocket;
mod wire;

pub use browser_stream_mux::{Body, BodyError, Code, Progress, StreamError};
pub use browser_stream_protocol::channel::{
    ChannelInfo, ChannelOptions, Closed, Delivery, Ending, Message, MessageWriter, News, Policy, PublishError, Publisher, PublisherInfo,
    Publishers, SubscribeError, Subscription,
};
pub use browser_stream_protocol::{APPLICATION_CODE_MIN, BadName, OpenError, RefusalCode};
pub use channel::{Channel, Publish, Subscribe};
pub use client::{Connect, StreamClient};
pub use connection::Connection;
pub use dial::{Dial, DialError};
pub use error::{ConnectError, ListenError, SendError};
pub use http_place::HttpPlace;
pub use listener::Listener;
pub use mux_demux::{Incoming, MuxDemux, MuxError, Role};
pub use names::{Held, Names, Presence};
pub use peer::Peer;
pub use server::{Listen, StreamServer};
pub use state::{State, States};
pub use stream::Stream;
pub use wire::PeerInfo;
