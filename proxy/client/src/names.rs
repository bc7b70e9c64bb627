//! Which names there are, as far as the proxy tells.

use std::{fmt, time::Duration};

use browser_stream_mux::{Code, FrameError};
use browser_stream_protocol::OpenError;
use serde::Deserialize;
use tokio::time::timeout;

use crate::{
    ConnectError, StreamClient,
    answer::answer,
    wire::{BODY_MAX, Note, Open, encode},
};

/// The names of one prefix at one moment.
///
/// See [`StreamClient::names`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Names {
    /// Those that are held, in the order of their bytes.
    pub held: Vec<Held>,
    /// Whether these are all; if not there are more than the proxy tells.
    pub is_all: bool,
}

/// A name that somebody holds.
///
/// See [`StreamClient::names`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Held {
    /// The name.
    pub name: String,
    /// Whether its owner is there.
    pub presence: Presence,
}

/// Whether the owner of a name is there.
///
/// See [`StreamClient::names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// It serves.
    Up,
    /// Its connection is gone, and the name is kept for it.
    Suspended,
}

impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Suspended => "suspended",
        })
    }
}

/// How long the proxy may take to tell all.
const ANSWER_MAX: Duration = Duration::from_secs(15);

impl StreamClient {
    /// The names that are held below the prefix now, where the proxy tells. Dropping the future ends the asking.
    ///
    /// # Errors
    /// [`ConnectError::Refused`] with `forbidden` where the proxy does not list names.
    ///
    /// ```no_run
    /// use browser_stream_client::{Presence, StreamClient};
    ///
    /// # async fn example() -> anyhow::Result<()> {
    /// let client = StreamClient::dial("ws://127.0.0.1:8080/mux").await?;
    /// for held in client.names().await?.held {
    ///     println!("{}{}", held.name, if held.presence == Presence::Up { "" } else { " (away)" });
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn names(&self) -> Result<Names, ConnectError> {
        let late = || OpenError::new(Code::Timeout, "the proxy did not tell its names in time").into();
        timeout(ANSWER_MAX, self.told()).await.unwrap_or_else(|_| Err(late()))
    }

    /// Where the connection breaks meanwhile the next one is asked, or says why there is none.
    async fn told(&self) -> Result<Names, ConnectError> {
        let shared = self.peer().shared();
        loop {
            let generation = shared.live().await?.generation;
            match self.ask().await {
                Err(ConnectError::Lost) => drop(shared.newer(generation).await?),
                told => return told,
            }
        }
    }

    async fn ask(&self) -> Result<Names, ConnectError> {
        #[derive(Deserialize)]
        struct Told {}
        let path = format!("{}/names", self.prefix());
        let mut stream = self.peer().shared().open().await?;
        stream.write_frame(&encode(&Open { path: &path, ..Open::default() })?);
        stream.finish();
        let Told {} = answer(&mut stream).await?;
        let mut held = Vec::new();
        loop {
            let note: Note = match stream.read_frame(BODY_MAX).await {
                Ok(Some(body)) => serde_json::from_slice(&body).map_err(|_| malformed())?,
                Ok(None) | Err(FrameError::Finished | FrameError::TooLong(_)) => return Err(malformed().into()),
                Err(FrameError::Stream(_)) => return Err(ConnectError::Lost),
            };
            let presence = match note.note.as_str() {
                "up" => Presence::Up,
                "suspended" => Presence::Suspended,
                "all" | "more" => {
                    held.sort_unstable();
                    return Ok(Names { held, is_all: note.note == "all" });
                }
                // A word of a later version.
                _ => continue,
            };
            let name = note.value.as_ref().and_then(serde_json::Value::as_str).ok_or_else(malformed)?.to_owned();
            held.push(Held { name, presence });
        }
    }
}

fn malformed() -> OpenError {
    OpenError::new(Code::Internal, "the proxy's list of names makes no sense")
}
