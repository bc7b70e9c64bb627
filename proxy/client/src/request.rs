//! What a client asks for, tried until there is an answer.

use std::{future::Future, time::Duration};

use browser_stream_mux::{Code, Stream as Carrier};
use browser_stream_protocol::{Name, OpenError};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use crate::{
    ConnectError, Peer,
    answer::answer,
    carriage::Carriage,
    resumable,
    seal::{self, Envelope, Hello, PublicKey, Seal},
    wire::{Meta, Open, encode},
};

/// How long a server may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// A stream that a client wants.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) name: Name,
    pub(crate) meta: Option<Meta>,
    /// How long the proxy is to wait for the name.
    pub(crate) wait: Duration,
    /// The stream's first bytes.
    pub(crate) early: Bytes,
    pub(crate) is_plain: bool,
    /// Set for a stream that is to be sealed.
    pub(crate) envelope: Option<Envelope>,
}

/// A stream that a client has.
pub(crate) struct Opened {
    pub(crate) carriage: Carriage,
    pub(crate) id: String,
    pub(crate) seal: Option<Box<Seal>>,
}

/// What a server answers to an open without `resume`.
#[derive(Deserialize)]
struct Accepted {
    id: String,
    #[serde(default)]
    seal: Option<Box<RawValue>>,
}

impl Request {
    /// Opens it. A proxy that goes down is no answer: the next one is asked.
    pub(crate) async fn open(&self, peer: &Peer) -> Result<Opened, ConnectError> {
        let mut tries = self.tries(peer).await?;
        loop {
            let answer = async {
                if self.is_plain {
                    within(tries.deadline, self.plain(peer)).await
                } else {
                    resumable::open(peer, self, tries.deadline.saturating_duration_since(Instant::now())).await
                }
            };
            let answer = peer.shared().patiently(answer).await;
            if let Some(opened) = tries.settle(answer).await? {
                return Ok(opened);
            }
        }
    }

    /// Asks the server for its key, in the same way.
    pub(crate) async fn ask(&self, peer: &Peer) -> Result<PublicKey, ConnectError> {
        let mut tries = self.tries(peer).await?;
        loop {
            let asking = async {
                let (_, Accepted { seal, .. }) = self.say(peer, Some(&seal::Field::ask())).await?;
                Ok::<_, ConnectError>(seal::told(seal.as_deref())?)
            };
            let answer = peer.shared().patiently(within(tries.deadline, asking)).await;
            if let Some(key) = tries.settle(answer).await? {
                return Ok(key);
            }
        }
    }

    async fn tries<'a>(&self, peer: &'a Peer) -> Result<Tries<'a>, ConnectError> {
        let deadline = Instant::now() + self.wait + ANSWER_MAX;
        let live = within(deadline, peer.shared().live()).await?;
        Ok(Tries { peer, deadline, generation: live.generation })
    }

    /// The wait as the open says it.
    pub(crate) fn wait_ms(&self) -> Option<u64> {
        u64::try_from(self.wait.as_millis()).ok()
    }

    async fn plain(&self, peer: &Peer) -> Result<Opened, ConnectError> {
        // Where nothing resumes, a stream has no id of its own.
        let hello = self.envelope.as_ref().map(|envelope| envelope.hello(self.name.as_str(), &[0; 16])).transpose()?;
        let (carrier, Accepted { id, seal }) = self.say(peer, hello.as_ref().map(|hello| &hello.field)).await?;
        let answered = |mut hello: Hello| hello.answered(seal.as_deref());
        let seal = hello.map(answered).transpose()?.map(|(seal, _)| Box::new(seal));
        Ok(Opened { carriage: Carriage::Plain(carrier), id, seal })
    }

    /// Says an open that does not resume, and reads the answer.
    async fn say(&self, peer: &Peer, seal: Option<&seal::Field>) -> Result<(Carrier, Accepted), ConnectError> {
        let Self { path, meta, .. } = self;
        let need = if seal.is_some() { seal::NEED } else { &[] };
        let open = encode(&Open { path, meta: meta.as_deref(), wait: self.wait_ms(), need, seal, ..Open::default() })?;
        let mut carrier: Carrier = peer.shared().open().await?;
        carrier.write_frame(&open);
        if !self.early.is_empty() {
            carrier.write_now(self.early.clone());
        }
        let accepted = answer(&mut carrier).await?;
        Ok((carrier, accepted))
    }
}

/// Until when somebody is asked, and who was.
struct Tries<'a> {
    peer: &'a Peer,
    deadline: Instant,
    generation: u64,
}

impl Tries<'_> {
    /// An answer, or nothing from a proxy that goes down, once there is another; where none comes, what that one said.
    async fn settle<T>(&mut self, answer: Result<T, ConnectError>) -> Result<Option<T>, ConnectError> {
        match answer {
            Err(ConnectError::Refused(error)) if error.is(Code::Draining) => {
                let newer = timeout_at(self.deadline, self.peer.shared().newer(self.generation)).await;
                self.generation = newer.map_err(|_| error)??.generation;
                Ok(None)
            }
            answer => answer.map(Some),
        }
    }
}

async fn within<T, E: Into<ConnectError>>(deadline: Instant, future: impl Future<Output = Result<T, E>>) -> Result<T, ConnectError> {
    match timeout_at(deadline, future).await {
        Ok(result) => result.map_err(E::into),
        Err(_) => Err(OpenError::new(Code::Timeout, "the open was not answered in time").into()),
    }
}
