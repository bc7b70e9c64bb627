//! The client's side: opens a stream's first carrier, and each later one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use browser_stream_mux::Stream;
use browser_stream_protocol::OpenError;
use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use super::{
    carrier::Accepted,
    driver::Driver,
    field::{Field, Taken},
    shell::{Resumable, Shell, error, now},
};
use crate::{
    ConnectError, Peer,
    answer::Unanswered,
    carriage::Carriage,
    peer::Shared,
    request::{Opened, Request},
    resume::{CarrierId, EARLY_MAX, Endpoint, Identity, Kind, Nonce, Outcome, Reason, Secret, StreamId},
    seal::{self, Hello, Seal},
    wire::{Meta, Open, encode},
};

/// What a client says whenever it opens a carrier, and who waits for the first answer.
pub(super) struct Opener {
    /// The stream needs a connection for as long as it lives.
    _peer: Peer,
    path: String,
    meta: Option<Meta>,
    wait: Option<u64>,
    grace: Duration,
    /// Of a sealed stream: the same first message in each open.
    hello: Option<Hello>,
    opened: Option<oneshot::Sender<Answered>>,
    is_plain: bool,
}

/// A stream that was taken.
struct Taking {
    id: String,
    /// The carrier itself, if the stream is no resumable one.
    plain: Option<Stream>,
    seal: Option<Box<Seal>>,
}

type Answered = Result<Taking, ConnectError>;

/// Opens a stream that is resumable if the server can, within `most`. Dropped before it resolves, the stream is reset as soon as the server took it.
pub(crate) async fn open(peer: &Peer, request: &Request, most: Duration) -> Result<Opened, ConnectError> {
    let shared = peer.shared();
    let limits = Arc::clone(shared.resumption.limits());
    let id = StreamId(rand::random());
    let hello = request.envelope.as_ref().map(|envelope| envelope.hello(request.name.as_str(), &id.0)).transpose()?;
    let letters = hello.as_ref().map(|hello| hello.letters.clone());
    let identity = Identity { id, secret: Secret(rand::random()), name: request.name.as_str().into(), letters };
    let (opened, answered) = oneshot::channel();
    let (path, meta, wait) = (request.path.clone(), request.meta.clone(), request.wait_ms());
    let opener = Opener { _peer: peer.clone(), path, meta, wait, grace: limits.grace, hello, opened: Some(opened), is_plain: false };
    opener.frame(&Field::birth(&identity, EARLY_MAX, limits.grace))?;
    let mut endpoint = Endpoint::connect(Arc::new(identity), limits, shared.resumption.budget(), most, rand::random(), now());
    endpoint.write(&mut request.early.clone());
    let shell = Shell::new(endpoint);
    let stream = Resumable::new(&shell);
    let (_, nothing) = mpsc::unbounded_channel();
    shared.streams.spawn(Driver::new(shell, Arc::clone(shared), Some(opener), nothing).run());
    let Taking { id, plain, seal } = answered.await.unwrap_or(Err(ConnectError::Closed(None)))?;
    Ok(Opened { carriage: plain.map_or(Carriage::Resumable(stream), Carriage::Plain), id, seal })
}

impl Opener {
    fn frame(&self, resume: &Field) -> Result<Vec<u8>, OpenError> {
        let Self { path, meta, wait, .. } = self;
        let hello = if resume.is_join() { None } else { self.hello.as_ref().map(|hello| &hello.field) };
        let need = if hello.is_some() { seal::NEED } else { &[] };
        encode(&Open { path, meta: meta.as_deref(), wait: *wait, need, resume: Some(resume), seal: hello, ..Open::default() })
    }

    /// The birth open leaves, with what was written already.
    pub(super) fn birth(&self, id: CarrierId, stream: &mut Stream, endpoint: &mut Endpoint, now: Instant) {
        let early = endpoint.birth(id, now);
        let length: usize = early.iter().map(Bytes::len).sum();
        self.say(stream, &Field::birth(endpoint.identity(), u32::try_from(length).unwrap_or(EARLY_MAX), self.grace));
        for bytes in early {
            stream.write_now(bytes);
        }
    }

    /// One more carrier is opened; JOIN is the first thing that leaves on it.
    pub(super) fn join(&self, id: CarrierId, stream: &mut Stream, endpoint: &mut Endpoint, now: Instant) {
        self.say(stream, &Field::join());
        endpoint.join(id, Kind::Proxy, Nonce(rand::random()), now);
    }

    fn say(&self, stream: &mut Stream, resume: &Field) {
        // It was made once, with the longest field: this one is not too long either.
        if let Ok(frame) = self.frame(resume) {
            stream.write_frame(&frame);
        }
    }

    /// The server's part of the handshake, where there is one.
    fn unseal(&mut self, seal: Option<&RawValue>) -> Result<Option<(Box<Seal>, Secret)>, OpenError> {
        let Some(hello) = &mut self.hello else { return Ok(None) };
        hello.answered(seal).map(|(seal, secret)| Some((Box::new(seal), secret)))
    }

    /// Tells who waits for the stream that there will be none.
    fn fail(&mut self, outcome: &Outcome, shared: &Shared) {
        let Some(opened) = self.opened.take() else { return };
        let error = match outcome {
            Outcome::Refused(reason) => error(reason).into(),
            Outcome::Lost { .. } | Outcome::Reset { .. } | Outcome::Clean => ConnectError::Closed(shared.closed_with()),
        };
        // Whoever gave it up needs no error.
        let _ = opened.send(Err(error));
    }

    /// The stream goes on without us.
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }
}

impl Driver {
    /// The answer to the open of a carrier came.
    pub(super) fn answered(&mut self, index: usize, answer: Result<Accepted, Unanswered>) {
        let id = self.carriers[index].id;
        let shell = Arc::clone(&self.shell);
        let mut core = shell.lock();
        match answer {
            Ok(Accepted { id: client, resume, seal }) if !core.endpoint.is_replied() => {
                let seal = match self.opener.as_mut().map_or(Ok(None), |opener| opener.unseal(seal.as_deref())) {
                    Ok(seal) => seal,
                    Err(error) => {
                        self.carriers.swap_remove(index);
                        return core.endpoint.refused(id, &Reason::new(&error.code.to_string(), &error.message), now());
                    }
                };
                let seal = seal.map(|(seal, secret)| {
                    core.endpoint.agree(secret);
                    seal
                });
                let grace = resume.and_then(Taken::grace);
                let plain = if grace.is_none() { Some(self.carriers.swap_remove(index).stream) } else { None };
                if let Some(grace) = grace {
                    core.endpoint.replied(id, grace, now());
                }
                let Some(opener) = &mut self.opener else { return };
                opener.is_plain = plain.is_some();
                if let Some(opened) = opener.opened.take() {
                    // Whoever gave it up lets go of it here: a plain stream is reset by that.
                    let _ = opened.send(Ok(Taking { id: client, plain, seal }));
                }
            }
            Ok(_) => {}
            Err(unanswered) => {
                self.carriers.swap_remove(index);
                match unanswered {
                    Unanswered::Refused(error) => {
                        let reason = Reason::new(&error.code.to_string(), &error.message);
                        core.endpoint.refused(id, &reason, now());
                    }
                    Unanswered::Lost => core.endpoint.closed(id, now()),
                }
            }
        }
    }

    /// Tells who waits for the stream, once it has ended before it began.
    pub(super) fn tell_opener(&mut self) {
        let Some(opener) = self.opener.as_mut().filter(|opener| opener.opened.is_some()) else { return };
        let outcome = self.shell.lock().endpoint.outcome().cloned();
        if let Some(outcome) = outcome {
            opener.fail(&outcome, &self.shared);
        }
    }
}
