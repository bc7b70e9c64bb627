//! A client that wants in, before it is accepted.

use browser_stream_mux::Stream as Carrier;
use browser_stream_protocol::{OpenError, RefusalCode};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Stream,
    carriage::Carriage,
    resumable::Newborn,
    seal::{self, Greeted, Keys, Sealed},
    wire::{Meta, PeerInfo, encode},
};

/// A client that connected to a name of ours: accept it, or refuse it. Dropped, it is told `busy`.
///
/// See [`StreamServer`](crate::StreamServer).
#[must_use = "the client waits for an answer"]
pub struct Connection {
    carrier: Carrier,
    /// Set where the client asks for a stream that survives its connection.
    newborn: Option<Newborn>,
    /// Set where the client sealed to us.
    greeted: Option<Greeted>,
    id: String,
    meta: Option<Meta>,
    peer: Option<PeerInfo>,
}

/// What a server answers to a client that it refuses.
#[derive(Serialize)]
struct Refusal {
    error: OpenError,
}

/// What it answers to one that it takes, whose stream does not resume.
#[derive(Serialize)]
struct Acceptance {
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<seal::Field>,
}

impl Connection {
    pub(crate) fn new(carrier: Carrier, newborn: Option<Newborn>, id: String, meta: Option<Meta>, peer: Option<PeerInfo>) -> Self {
        Self { carrier, newborn, greeted: None, id, meta, peer }
    }

    /// The same with a seal, and what to answer to have it on.
    pub(crate) fn sealed_by(self, greeted: Option<Greeted>) -> Self {
        Self { greeted, ..self }
    }

    /// The unique id that the proxy gave the client, the same at both ends.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the client said, as a value; `None` if it said nothing, or something of another shape.
    pub fn meta<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.meta.as_ref()?.get()).ok()
    }

    /// What the proxy knows of the client: its own word, which no client can forge.
    pub fn peer(&self) -> Option<&PeerInfo> {
        self.peer.as_ref()
    }

    /// What the client said under the seal, and its key if it has one: worth acting on once its first bytes have come, if acting twice would hurt. `None` where the
    /// listener is not sealed.
    pub fn sealed(&self) -> Option<&Sealed> {
        self.greeted.as_ref().map(|greeted| &greeted.seal.sealed)
    }

    /// Takes the client. What it sent already is read first; if it is gone by now, the stream says so.
    pub fn accept(self) -> Stream {
        let Self { mut carrier, newborn, greeted, id, meta, .. } = self;
        let (seal, letters) = greeted.map(|Greeted { seal, letters, .. }| (seal, letters)).unzip();
        let carriage = match newborn {
            Some(newborn) => Carriage::Resumable(newborn.accept(carrier)),
            None => {
                let seal = letters.map(|letters| seal::Field::answer(&letters.answer));
                carrier.write_reply(&serde_json::to_vec(&Acceptance { seal }).unwrap_or_default());
                Carriage::Plain(carrier)
            }
        };
        Stream::new(carriage, id, meta).sealed_by(seal)
    }

    /// Refuses the client with `busy`, `forbidden`, `bad_request`, `gone`, or a code of the application's (256 and up), and at most 512 bytes of message.
    /// Of anything else the proxy makes `internal`.
    pub fn refuse(self, code: impl Into<RefusalCode>, message: impl Into<String>) {
        let error = OpenError { code: code.into(), message: message.into() };
        match self.newborn {
            Some(newborn) => newborn.refuse(self.carrier, &error),
            None => refuse(self.carrier, error),
        }
    }
}

/// Answers a client that could not have sealed to us with our key.
pub(crate) fn show_key(mut stream: Carrier, keys: &Keys) {
    if let Ok(body) = encode(&Acceptance { seal: Some(seal::Field::key(keys.public())) }) {
        stream.write_frame(&body);
        stream.finish();
    }
}

/// Answers a stream with an error.
pub(crate) fn refuse(mut stream: Carrier, error: OpenError) {
    if let Ok(body) = encode(&Refusal { error }) {
        stream.write_frame(&body);
        stream.finish();
    }
}
