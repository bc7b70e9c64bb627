//! Noise's NK and IK: one message each way, and both ends have two keys that nobody else has.

use hkdf::Hkdf;
use sha2::Sha256;
use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use super::{Keys, PublicKey, Tampered, resolver::Resolver};
use crate::resume::Secret;

/// Who is known beforehand: the server always; the client says who it is (IK), or does not (NK).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Pattern {
    #[serde(rename = "NK")]
    Nk,
    #[serde(rename = "IK")]
    Ik,
}

/// A client that said the first message.
pub(crate) struct Initiator(HandshakeState);

/// What a server made of a first message.
pub(crate) struct Responded {
    /// The second message.
    pub(crate) message: Vec<u8>,
    /// The first one's payload: the sealed meta.
    pub(crate) payload: Vec<u8>,
    pub(crate) client: Option<PublicKey>,
    pub(crate) split: Split,
}

/// What both ends have behind the handshake.
pub(crate) struct Split {
    /// Of what the client writes.
    pub(crate) client: Zeroizing<[u8; 32]>,
    /// Of what the server writes.
    pub(crate) server: Zeroizing<[u8; 32]>,
    /// The handshake's hash.
    pub(super) hash: [u8; 32],
}

/// A message that cannot be read, or not be made: it is no message, is for another key, or a key in it is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl From<snow::Error> for Unreadable {
    fn from(_: snow::Error) -> Self {
        Self
    }
}

impl Pattern {
    pub(super) fn protocol(self) -> &'static str {
        match self {
            Self::Nk => "Noise_NK_25519_AESGCM_SHA256",
            Self::Ik => "Noise_IK_25519_AESGCM_SHA256",
        }
    }

    fn builder<'a>(self, prologue: &'a [u8], ephemeral: Option<&'a [u8; 32]>) -> Result<Builder<'a>, Unreadable> {
        let parameters = self.protocol().parse().map_err(|_: snow::Error| Unreadable)?;
        let builder = Builder::with_resolver(parameters, Box::new(Resolver)).prologue(prologue)?;
        Ok(match ephemeral {
            Some(secret) => builder.fixed_ephemeral_key_for_testing_only(secret),
            None => builder,
        })
    }
}

impl Initiator {
    /// Says the first message to the server with this key, with the sealed meta in it. A fixed ephemeral key is for vectors alone.
    pub(crate) fn begin(
        server: &PublicKey,
        keys: Option<&Keys>,
        prologue: &[u8],
        payload: &[u8],
        ephemeral: Option<&[u8; 32]>,
    ) -> Result<(Self, Vec<u8>), Unreadable> {
        let pattern = if keys.is_some() { Pattern::Ik } else { Pattern::Nk };
        let mut builder = pattern.builder(prologue, ephemeral)?.remote_public_key(&server.0)?;
        if let Some(keys) = keys {
            builder = builder.local_private_key(keys.secret())?;
        }
        let mut state = builder.build_initiator()?;
        let mut message = vec![0; payload.len() + OVERHEAD_MAX];
        let length = state.write_message(payload, &mut message)?;
        message.truncate(length);
        Ok((Self(state), message))
    }

    /// The server's answer came.
    pub(crate) fn finish(mut self, message: &[u8]) -> Result<Split, Tampered> {
        let mut payload = vec![0; message.len()];
        // The payload of the second message is reserved.
        self.0.read_message(message, &mut payload).map_err(|_| Tampered)?;
        Ok(Split::of(self.0))
    }
}

/// Answers the first message of a client. A fixed ephemeral key is for vectors alone.
pub(crate) fn respond(
    pattern: Pattern,
    keys: &Keys,
    prologue: &[u8],
    message: &[u8],
    ephemeral: Option<&[u8; 32]>,
) -> Result<Responded, Unreadable> {
    let mut state = pattern.builder(prologue, ephemeral)?.local_private_key(keys.secret())?.build_responder()?;
    let mut payload = vec![0; message.len()];
    let length = state.read_message(message, &mut payload)?;
    payload.truncate(length);
    let mut answer = vec![0; OVERHEAD_MAX];
    let length = state.write_message(&[], &mut answer)?;
    answer.truncate(length);
    let client = state.get_remote_static().and_then(|key| key.try_into().ok()).map(PublicKey);
    Ok(Responded { message: answer, payload, client, split: Split::of(state) })
}

impl Split {
    fn of(mut state: HandshakeState) -> Self {
        let (client, server) = state.dangerously_get_raw_split();
        let mut hash = [0; 32];
        hash.copy_from_slice(state.get_handshake_hash());
        Self { client: client.into(), server: server.into(), hash }
    }

    /// The secret by which later carriers of the stream prove that they belong to it.
    pub(crate) fn resume_secret(&self) -> Secret {
        let keys = Zeroizing::new([*self.client, *self.server].concat());
        let mut secret = [0; 32];
        if Hkdf::<Sha256>::new(Some(&self.hash), &keys).expand(b"bss-seal-1 resume", &mut secret).is_err() {
            unreachable!("32 bytes are what HKDF gives"); // It fails beyond 255 times 32 bytes alone (RFC 5869, section 2.3).
        }
        Secret(secret)
    }
}

/// What both messages are about, so that neither counts anywhere else: this stream under this name.
pub(crate) fn prologue(stream: &[u8; 16], name: &str) -> Vec<u8> {
    [b"bss-seal-1\0", &stream[..], name.as_bytes()].concat()
}

/// A message beyond its payload: an ephemeral key, in IK a sealed static one, and the payload's tag.
const OVERHEAD_MAX: usize = 32 + 48 + 16;
