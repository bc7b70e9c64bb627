//! What a peer and the tracker tell each other: the values of their notes.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::{BadBitmap, Bitmap, ContentId, NOTED_PIECES_MAX, PIECES_MAX, PeerName};
use crate::OpenError;

/// The tracker's answer to who comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The stream's.
    pub id: String,
    /// What holds there.
    pub swarm: Timing,
}

/// What a peer has to know of a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// So often it says that all holds on, in milliseconds; what it does not for three times as long is forgotten.
    pub renew_ms: u64,
    /// Contents that one session may announce.
    pub contents_max: usize,
    /// Candidates that one answer has, at most.
    pub candidates_max: usize,
}

impl Timing {
    /// How often a peer says that all holds on.
    pub fn renew(&self) -> Duration {
        Duration::from_millis(self.renew_ms)
    }
}

/// `announce`: a peer holds these; what it said of the same contents before is forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announce {
    /// Under which name it serves.
    pub name: PeerName,
    /// What it holds.
    pub contents: Vec<Announced>,
}

/// One content that a peer holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announced {
    /// Which.
    pub id: ContentId,
    /// How much of it.
    #[serde(flatten)]
    pub extent: Extent,
}

/// Of how many pieces a content is, and how much of that is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Extent {
    /// Its pieces.
    pub pieces: u32,
    /// How much of them is there.
    pub portion: Portion,
}

/// How much of a content somebody has.
#[derive(Clone, Debug, PartialEq)]
pub enum Portion {
    /// All of it.
    All,
    /// These pieces.
    Have(Bitmap),
    /// So much, from 0 to 1; which pieces it is it does not say.
    Share(f64),
}

impl Portion {
    /// How much that is, from 0 to 1.
    pub fn share(&self) -> f64 {
        match self {
            Self::All => 1.0,
            Self::Have(have) if have.pieces() == 0 => 1.0,
            Self::Have(have) => have.count() as f64 / have.pieces() as f64,
            Self::Share(share) => *share,
        }
    }
}

/// As it stands in a note.
#[derive(Serialize, Deserialize)]
struct Raw {
    pieces: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    have: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
}

/// What says of no content how much of it is there.
#[derive(Debug, thiserror::Error)]
enum BadExtent {
    #[error(transparent)]
    Bitmap(#[from] BadBitmap),
    #[error("have is no base64url without padding")]
    Base64,
    #[error("have is for {NOTED_PIECES_MAX} pieces at most: say share")]
    TooMany,
    #[error("share is from 0 to 1, and not beside have")]
    Share,
}

impl TryFrom<Raw> for Extent {
    type Error = BadExtent;

    fn try_from(Raw { pieces, have, share }: Raw) -> Result<Self, BadExtent> {
        let count = usize::try_from(pieces).ok().filter(|&count| count <= PIECES_MAX).ok_or(BadBitmap::Pieces(pieces.into()))?;
        let portion = match (have, share) {
            (None, None) => Portion::All,
            (Some(_), None) if count > NOTED_PIECES_MAX => return Err(BadExtent::TooMany),
            (Some(have), None) => {
                let bytes = BASE64URL_NOPAD.decode(have.as_bytes()).map_err(|_| BadExtent::Base64)?;
                Portion::Have(Bitmap::parse(count, &bytes)?)
            }
            (None, Some(share)) if (0.0..=1.0).contains(&share) => Portion::Share(share),
            _ => return Err(BadExtent::Share),
        };
        Ok(Self { pieces, portion })
    }
}

impl From<Extent> for Raw {
    fn from(Extent { pieces, portion }: Extent) -> Self {
        let (have, share) = match portion {
            Portion::All => (None, None),
            Portion::Have(have) => (Some(BASE64URL_NOPAD.encode(&have.bytes())), None),
            Portion::Share(share) => (None, Some(share)),
        };
        Self { pieces, have, share }
    }
}

/// `withdraw`: these it holds no longer; without a list, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdraw {
    /// Which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents: Option<Vec<ContentId>>,
}

/// `find`: who has this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Find {
    /// The asker's own number for it.
    pub ask: u64,
    /// Which content.
    pub id: ContentId,
    /// So many candidates suffice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// `found`: who has it, whoever is best first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The asker's number.
    pub ask: u64,
    /// Which content.
    pub id: ContentId,
    /// How many others have all of it.
    pub seeders: usize,
    /// How many others have some of it.
    pub partial: usize,
    /// Some of them.
    pub candidates: Vec<Candidate>,
}

/// One who has something of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name.
    pub name: PeerName,
    /// How much it has.
    #[serde(flatten)]
    pub extent: Extent,
    /// How long a ping to it and back takes from the proxy, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// What the proxy knows of it.
    pub peer: CandidatePeer,
}

/// What the proxy knows of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidatePeer {
    /// Its session.
    pub session: String,
}

/// `failed`: one who was a candidate was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Who.
    pub name: PeerName,
    /// Why.
    pub why: Why,
}

/// Why a candidate was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It could not be connected to.
    Connect,
    /// What was asked for did not come.
    Stalled,
    /// What came was not what it should be.
    Lied,
    /// It went away.
    Left,
}

/// `refused`: a note that the tracker does not follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The number of the find, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<u64>,
    /// Which note; empty for what was none.
    pub note: String,
    /// Why.
    #[serde(flatten)]
    pub error: OpenError,
}
