//! What is said in a room that those at other nodes have to hear, too.

use std::time::Duration;

use browser_stream_protocol::{
    channel::Ending,
    room::{Answer, EventName},
};
use bytes::Bytes;
use uuid::Uuid;

use super::batch::Target;

/// One such thing, in the numbers that this node has given.
#[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "without a cluster nobody is elsewhere"))]
pub(super) enum Word {
    /// One has come, who may have had its seat at another node.
    Joined(u32),
    /// One's connection went, or is back.
    Live(u32, bool),
    /// One says of itself something else.
    Profile(u32),
    /// One has left; with the names of the rooms where its connection is over for good.
    Left { number: u32, ending: Ending, rooms: Option<Bytes> },
    /// An event; who asks waits so long.
    Event { from: u32, target: Target, is_volatile: bool, ask: Option<(u64, Duration)>, name: EventName, body: Bytes },
    /// One answers what was asked at that node.
    Answer { node: Uuid, ask: u64, from: u32, answer: Answer },
    /// The member with this id is to go, which is another node's.
    Remove { id: Uuid, ending: Ending },
}

impl Word {
    /// An event as it stands, whether it counts for nothing, and who answers it until when.
    pub fn event(from: u32, target: Target, how: (bool, Option<(u64, Duration)>), name: &EventName, body: &Bytes) -> Self {
        let (is_volatile, ask) = how;
        Self::Event { from, target, is_volatile, ask, name: name.clone(), body: body.clone() }
    }
}
