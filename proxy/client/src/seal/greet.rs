//! The server's side of the handshake: what it makes of an open.

use browser_stream_mux::Code;
use browser_stream_protocol::OpenError;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{
    Keys, Sealed,
    field::{Field, Said},
    handshake::{Responded, prologue, respond},
    sealed::Seal,
};
use crate::resume::{Letters, Secret};

/// An open that was sealed to us, and what to answer.
pub(crate) struct Greeted {
    pub(crate) seal: Box<Seal>,
    pub(crate) letters: Letters,
    pub(crate) secret: Secret,
}

/// Why an open is no stream.
pub(crate) enum Ungreeted {
    Refused(OpenError),
    /// It was not sealed to us: to be answered with our key.
    Unknown(Keys),
}

/// Opens what a client sealed to these keys under this name; `known` is what the stream of that id said first, if there is one.
pub(crate) fn greet(
    keys: &Keys,
    name: &str,
    stream: &[u8; 16],
    seal: Option<&RawValue>,
    known: Option<&Letters>,
) -> Result<Greeted, Ungreeted> {
    let refuse = |code, why: &str| Err(Ungreeted::Refused(OpenError::new(code, why)));
    let Some(raw) = seal else {
        return refuse(Code::Forbidden, "This server takes sealed streams only: connect to NAME#key.");
    };
    let (pattern, message) = match Field::read(raw) {
        Ok(Said::Hello(pattern, message)) => (pattern, message),
        Ok(_) => return Err(Ungreeted::Unknown(keys.clone())),
        Err(_) => return refuse(Code::BadRequest, "seal is not what it should be"),
    };
    let asked = Sha256::digest(&message).into();
    if known.is_some_and(|known| known.asked != asked) {
        return refuse(Code::Forbidden, "the stream's id is taken");
    }
    let Ok(responded) = respond(pattern, keys, &prologue(stream, name), &message, None) else {
        return Err(Ungreeted::Unknown(keys.clone()));
    };
    let Responded { message, payload, client, split } = responded;
    let meta = match &payload[..] {
        [] => None,
        json => match serde_json::from_slice::<Box<RawValue>>(json) {
            Ok(meta) => Some(meta),
            Err(_) => return refuse(Code::BadRequest, "the sealed meta is no JSON"),
        },
    };
    let seal = Box::new(Seal::of_server(&split, Sealed { meta, key: client }));
    Ok(Greeted { seal, letters: Letters { asked, answer: message.into() }, secret: split.resume_secret() })
}
