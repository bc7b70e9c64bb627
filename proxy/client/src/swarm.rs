//! Swarms: what a program holds and whom it finds, by the tracker of the proxy (PROTOCOL.md, section 15).
//!
//! Contents are named by what is in them: a [`Manifest`] lists the SHA-256 of each piece, a [`ContentId`] is the manifest's own. A holder serves under a [`PeerName`] below
//! `/swarm` as any server does, and says so to the [`Tracker`]; a fetcher finds it there, connects to it, and both speak [`Wanted`] and [`Held`], which a [`Decoder`] reads.
//!
//! Hidden, and no part of the API: `bss seed`, tests and fuzzers speak it. A program that has files runs `bss seed`, and those who fetch are pages; so records may change with the protocol.

use std::time::Duration;

use browser_stream_mux::{Code, FrameError, Stream as Carrier};
use browser_stream_protocol::OpenError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::timeout;

pub use browser_stream_protocol::swarm::{
    ASKED_MAX, Announced, BadContentId, BadManifest, BadPeerName, BadRecord, Bitmap, Candidate, ContentId, Decoder, Extent, Found, Held,
    Manifest, PIECE_BYTES, PIECES_MAX, PeerName, Portion, Record, Refused, SWARM_PREFIX, Timing, Wanted, Why,
};

use crate::{
    ConnectError, Peer,
    answer::answer,
    wire::{Open, encode},
};
use browser_stream_protocol::swarm::{Announce, Failed, Find, Welcome, Withdraw};

/// A stream to a tracker, on the connection that there is at this moment. It ends with that, and what was announced on it with it: open another then.
///
/// ```no_run
/// use browser_stream_client::{Peer, swarm::{Told, Tracker}};
///
/// # async fn example() -> anyhow::Result<()> {
/// let peer = Peer::dial("ws://127.0.0.1:8080/mux").await?;
/// let mut tracker = Tracker::open(&peer, "/swarm").await?;
/// let id = "5d94aa19df85f5e8b3aca2c6e38f3a4cd1b1bb9bb4cfd2d5d54d94bc0b8a7d4c".parse()?;
/// tracker.find(1, id, None);
/// while let Some(told) = tracker.next().await {
///     if let Told::Found(found) = told {
///         println!("{} have all of it, {} some", found.seeders, found.partial);
///         break;
///     }
/// }
/// # Ok(()) }
/// ```
pub struct Tracker {
    stream: Carrier,
    timing: Timing,
}

/// What a tracker says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Told {
    /// Who has what was asked for.
    Found(Found),
    /// A note was not followed.
    Refused(Refused),
}

/// How long the proxy may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// The longest note.
const NOTE_MAX: usize = u16::MAX as usize;
/// What a note has beside its contents, generously.
const FRAME_BYTES: usize = 256;

#[derive(Serialize)]
struct Said<'a, T> {
    note: &'a str,
    value: T,
}

#[derive(Deserialize)]
struct Heard {
    note: String,
    #[serde(default)]
    value: Option<Box<RawValue>>,
}

impl Tracker {
    /// Comes to the tracker below this prefix. Dropping the future gives that up.
    ///
    /// # Errors
    /// [`ConnectError::Refused`] as the proxy says, with `not_found` where it has no tracker there.
    pub async fn open(peer: &Peer, prefix: &str) -> Result<Self, ConnectError> {
        let path = format!("{}/track", prefix.trim_end_matches('/'));
        let open = encode(&Open { path: &path, ..Open::default() })?;
        let asked = async {
            let mut stream = peer.shared().open().await?;
            stream.write_frame(&open);
            let welcome: Welcome = answer(&mut stream).await?;
            Ok::<_, ConnectError>(Self { stream, timing: welcome.swarm })
        };
        let late = || OpenError::new(Code::Timeout, "the tracker did not answer in time").into();
        timeout(ANSWER_MAX, peer.shared().patiently(asked)).await.unwrap_or_else(|_| Err(late()))
    }

    /// What holds there.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Says that we hold these, under a name that this connection holds; it replaces what was said of the same contents before.
    pub fn announce(&mut self, name: PeerName, contents: &[Announced]) {
        let (mut some, mut length) = (Vec::new(), 0);
        for announced in contents {
            let bytes = serde_json::to_string(announced).map_or(0, |text| text.len() + 1);
            if length + bytes > NOTE_MAX - FRAME_BYTES {
                self.say("announce", Announce { name, contents: std::mem::take(&mut some) });
                length = 0;
            }
            length += bytes;
            some.push(announced.clone());
        }
        self.say("announce", Announce { name, contents: some });
    }

    /// Says that we do not hold these any more.
    pub fn withdraw(&mut self, contents: &[ContentId]) {
        for some in contents.chunks(CONTENTS_IN_NOTE) {
            self.say("withdraw", Withdraw { contents: Some(some.to_vec()) });
        }
    }

    /// Says that all holds on.
    pub fn renew(&mut self) {
        self.say("renew", ());
    }

    /// Asks who has this; the answer has the same number.
    pub fn find(&mut self, ask: u64, id: ContentId, max: Option<u32>) {
        self.say("find", Find { ask, id, max });
    }

    /// Says that somebody whom the tracker named was of no use.
    pub fn failed(&mut self, name: PeerName, why: Why) {
        self.say("failed", Failed { name, why });
    }

    /// What it says next; `None` when the stream has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            let body = match self.stream.read_frame(NOTE_MAX).await {
                Ok(Some(body)) => body,
                Ok(None) | Err(FrameError::Stream(_) | FrameError::Finished | FrameError::TooLong(_)) => return None,
            };
            let Ok(Heard { note, value: Some(value) }) = serde_json::from_slice(&body) else { continue };
            let told = match note.as_str() {
                "found" => serde_json::from_str(value.get()).map(Told::Found),
                "refused" => serde_json::from_str(value.get()).map(Told::Refused),
                // A word of a later version.
                _ => continue,
            };
            if let Ok(told) = told {
                return Some(told);
            }
        }
    }

    fn say(&mut self, note: &str, value: impl Serialize) {
        // Ids, names and numbers: there is nothing that JSON has not. Where the stream has ended the next word of the tracker says so.
        let body = serde_json::to_vec(&Said { note, value }).unwrap_or_default();
        let _ = self.stream.write_frame(&body);
    }
}

/// Ids that fit into one note.
const CONTENTS_IN_NOTE: usize = (NOTE_MAX - FRAME_BYTES) / 67;

impl std::fmt::Debug for Tracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracker").field("timing", &self.timing).finish_non_exhaustive()
    }
}
