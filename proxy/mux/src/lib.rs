//! yamux as browser-stream-server speaks it: a state machine without I/O, and a thin tokio shell over it.
//!
//! * [`Connection`] is the whole protocol. It takes bytes and an instant, and gives events and frames; it owns no socket, clock or task.
//! * [`Stream`] is one stream as a program uses it, `AsyncRead + AsyncWrite`. Whoever owns the connection serves it through [`Host`] and [`Cell`].
//! * [`Session`] is the smallest such owner: a connection over anything that is `AsyncRead + AsyncWrite`.
//!
//! See [`Session`] for an example of the shell, and [`Connection`] for one of the protocol.
//!
//! How a stream ends is said out loud: finished (half-close), reset with a [`Code`], or lost with its session. None is ever shown as another.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

/// The Rust of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod body;
mod cell;
mod code;
mod connection;
mod drain;
mod error;
mod frame;
mod held;
mod ids;
mod liveness;
mod outbound;
mod queue;
mod session;
mod stream;
mod window;

pub use body::{Body, BodyError, Progress};
pub use cell::{Cell, End, QUEUED_MAX};
pub use code::{Code, UnknownCode};
pub use connection::{Connection, Counts, Event, Moved, Role, View};
pub use drain::Drain;
pub use error::{Dead, FrameError, OpenError, SessionError, StreamError, Violation};
pub use frame::{Flags, Header, Kind};
pub use liveness::Config;
pub use outbound::Outbound;
// How the proxy puts bytes together is its own matter.
#[doc(hidden)]
pub use queue::SHORT;
pub use session::Session;
pub use stream::{Host, Stream};

/// Names a stream within its session; odd ones were opened by the [`Role::Opener`], even ones by the [`Role::Acceptor`].
///
/// See [`Connection`].
pub type StreamId = u32;

/// Bytes that either side may send on a new stream before any credit came (yamux fixes it).
///
/// ```
/// use browser_stream_mux::{FRAME_MAX, INITIAL_WINDOW, PRIORITY, PRIORITY_MAX, SESSION_GROWTH_MAX, TURN, WINDOW_MAX};
///
/// assert_eq!(INITIAL_WINDOW as usize, 4 * FRAME_MAX);
/// assert_eq!(WINDOW_MAX, 16 * INITIAL_WINDOW);
/// assert!(SESSION_GROWTH_MAX >= 4 * WINDOW_MAX, "so many streams of a session may have the largest");
/// // A turn is so many KiB as the priority says, and never more than a frame.
/// assert_eq!((TURN, FRAME_MAX), (PRIORITY as usize * 1024, PRIORITY_MAX as usize * 1024));
/// ```
pub const INITIAL_WINDOW: u32 = 256 * 1024;
/// What a receive window may grow to.
///
/// See [`INITIAL_WINDOW`].
pub const WINDOW_MAX: u32 = 4 * 1024 * 1024;
/// Credit that one session may have given beyond the initial windows of its streams.
///
/// See [`INITIAL_WINDOW`].
pub const SESSION_GROWTH_MAX: u32 = 16 * 1024 * 1024;
/// The longest payload that we put into one DATA frame; a peer's may be as long as its credit.
///
/// See [`INITIAL_WINDOW`].
pub const FRAME_MAX: usize = 64 * 1024;
/// What one stream may send at a time while others wait, unless it has another priority than [`PRIORITY`].
///
/// See [`INITIAL_WINDOW`].
pub const TURN: usize = 16 * 1024;
/// The priority of a stream that was given none: so many KiB are its turn.
///
/// See [`INITIAL_WINDOW`].
pub const PRIORITY: u8 = 16;
/// The highest priority: more would be more than a frame. The lowest is 1.
///
/// See [`INITIAL_WINDOW`].
pub const PRIORITY_MAX: u8 = 64;
