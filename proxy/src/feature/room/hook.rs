//! What the program that the proxy runs in has to say to members: who may join, and answers to what they ask.

use std::{collections::HashMap, fmt, net::SocketAddr, sync::Arc};

use futures::future::BoxFuture;
use parking_lot::RwLock;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::{MemberInfo, Value};
use crate::{error::OpenError, route::Name};

/// Somebody wants to join a room, or comes back to its seat there.
///
/// See [`Rooms`](super::Rooms).
#[derive(Debug)]
#[non_exhaustive]
pub struct Joining {
    /// The room.
    pub name: Name,
    /// Its session with the proxy, the same for all its streams of one connection.
    pub session: Uuid,
    /// Who it is, where the proxy asks.
    pub sub: Option<Arc<str>>,
    /// Its address, if its transport has one.
    pub remote: Option<SocketAddr>,
    /// Whether it has no seat there yet; one that comes back is asked about again, for rights may have gone. In a cluster also of one that comes back at a node at which nobody of the
    /// room is, or whose own was written off: there it is not known.
    pub is_new: bool,
    pub(super) profile: Option<Box<RawValue>>,
}

impl Joining {
    /// What it says of itself, as a value; `None` if it says nothing, or something of another shape.
    pub fn profile<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.profile.as_ref()?.get()).ok()
    }
}

/// What one who joins may do; `Grant::default()` is what everybody may.
///
/// See [`Rooms`](super::Rooms).
#[derive(Debug, Default)]
pub struct Grant {
    pub(super) is_everywhere: bool,
    pub(super) profile: Option<Box<RawValue>>,
}

impl Grant {
    /// Whether it may send to all rooms at once.
    pub fn everywhere(mut self, may: bool) -> Self {
        self.is_everywhere = may;
        self
    }

    /// What the others are told of it instead of what it says of itself: for a name that the program knows better. It may say otherwise later.
    pub fn profile(mut self, profile: &serde_json::Value) -> Self {
        // A JSON value is JSON.
        self.profile = to_raw_value(profile).ok();
        self
    }
}

/// A member asks the program.
///
/// See [`Rooms`](super::Rooms).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// In this room.
    pub room: Name,
    /// Who asks.
    pub member: MemberInfo,
    /// The event's arguments, a sequence.
    pub args: Value,
}

/// Decides who may join.
pub(super) type Hook = Arc<dyn Fn(Joining) -> BoxFuture<'static, Result<Grant, OpenError>> + Send + Sync>;

/// Answers an event that asks, with MessagePack.
pub(super) type Answerer = Arc<dyn Fn(Asked) -> BoxFuture<'static, Result<bytes::Bytes, OpenError>> + Send + Sync>;

/// What the program has set.
#[derive(Default)]
pub(super) struct Hooks {
    pub join: RwLock<Option<Hook>>,
    pub answers: RwLock<HashMap<String, Answerer>>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
