//! The client's side of the handshake: what it says in the open, and makes of the reply.

use browser_stream_mux::Code;
use browser_stream_protocol::OpenError;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{
    Keys, PublicKey, Sealed,
    field::{Field, Said},
    handshake::{Initiator, Pattern, prologue},
    sealed::Seal,
};
use crate::{
    resume::{Letters, Secret},
    wire::Meta,
};

/// Whom a stream is to be sealed to, and what goes under the seal.
#[derive(Clone)]
pub(crate) struct Envelope {
    pub(crate) server: PublicKey,
    pub(crate) keys: Option<Keys>,
    pub(crate) meta: Option<Meta>,
}

/// A first message, said once for each stream however often it is sent, and what waits for its answer.
pub(crate) struct Hello {
    initiator: Option<Initiator>,
    server: PublicKey,
    pub(crate) field: Field,
    pub(crate) letters: Letters,
}

impl Envelope {
    pub(crate) fn hello(&self, name: &str, stream: &[u8; 16]) -> Result<Hello, OpenError> {
        let payload = self.meta.as_ref().map_or(&[][..], |meta| meta.get().as_bytes());
        let begun = Initiator::begin(&self.server, self.keys.as_ref(), &prologue(stream, name), payload, None);
        let (initiator, message) = begun.map_err(|_| OpenError::new(Code::BadRequest, "nothing can be sealed to that key"))?;
        let pattern = if self.keys.is_some() { Pattern::Ik } else { Pattern::Nk };
        let letters = Letters { asked: Sha256::digest(&message).into(), answer: bytes::Bytes::new() };
        Ok(Hello { initiator: Some(initiator), server: self.server, field: Field::hello(pattern, &message), letters })
    }
}

impl Hello {
    /// The reply came: what seals the stream, and the secret that it resumes by.
    pub(crate) fn answered(&mut self, seal: Option<&RawValue>) -> Result<(Seal, Secret), OpenError> {
        let tampered = |why: &str| Err(OpenError::new(Code::Tampered, why));
        let initiator = self.initiator.take();
        match (seal.map(Field::read), initiator) {
            (Some(Ok(Said::Answer(message))), Some(initiator)) => match initiator.finish(&message) {
                Ok(split) => {
                    let seal = Seal::of_client(&split, Sealed { meta: None, key: Some(self.server) });
                    Ok((seal, split.resume_secret()))
                }
                Err(_) => tampered("the answer is not what the server sealed"),
            },
            (Some(Ok(Said::Key(key))), _) if key != self.server => {
                let why = format!("the server shows the key {key}, and not {}: nothing was sent", self.server);
                Err(OpenError::new(Code::KeyChanged, why))
            }
            (Some(Ok(Said::Key(_))), _) => tampered("the open was altered on its way to the server"),
            (None, _) => tampered("the answer has no seal"),
            _ => tampered("the answer has no seal that can be read"),
        }
    }
}

/// The key that a server tells who asks for it.
pub(crate) fn told(seal: Option<&RawValue>) -> Result<PublicKey, OpenError> {
    match seal.map(Field::read) {
        Some(Ok(Said::Key(key))) => Ok(key),
        _ => Err(OpenError::new(Code::Tampered, "asked for the server's key, and the answer has none")),
    }
}
