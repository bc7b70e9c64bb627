//! What names a resumable stream, what only its two ends know, and how they prove it to each other.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::CarrierId;

/// Names a stream for as long as a late open or JOIN of it can come; 16 random bytes, fresh per stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(pub [u8; 16]);

/// Random bytes, fresh for every carrier and each side, so that a recorded proof is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub [u8; 16]);

/// What only the two ends of a stream know; 32 random bytes. Compared in constant time, never shown.
#[derive(Clone)]
pub struct Secret(pub [u8; 32]);

/// HMAC-SHA-256 of what a side knows. Compared in constant time.
#[derive(Clone, Copy, Debug)]
pub struct Mac(pub [u8; 32]);

/// All that a proof is made of except nonces.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The stream's id.
    pub id: StreamId,
    /// The stream's secret.
    pub secret: Secret,
    /// The server's name: the client's, the one it connected to; the server's, the one under which the stream was opened.
    pub name: Arc<str>,
    /// Of a sealed stream: its secret came of this, and never went over the wire.
    pub letters: Option<Letters>,
}

/// What sealed a stream (`proxy/SEAL.md`, section 4): a repeat of its first open is known by the one and answered with the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letters {
    /// SHA-256 of the client's message.
    pub asked: [u8; 32],
    /// The server's; empty at the client.
    pub answer: Bytes,
}

impl Identity {
    /// Whether a birth open that says this is the same one again.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same = match (&self.letters, &other.letters) {
            (None, None) => self.secret == other.secret,
            (Some(ours), Some(theirs)) => ours.asked == theirs.asked,
            _ => false,
        };
        same && self.name == other.name
    }
}

/// A question of an endpoint to its shell: both macs of one carrier's handshake. Answer it with [`Endpoint::macs`](super::Endpoint::macs).
#[derive(Clone, Debug)]
pub struct MacRequest {
    /// The carrier whose handshake waits.
    pub carrier: CarrierId,
    /// The stream.
    pub identity: Arc<Identity>,
    /// From the client's JOIN.
    pub client: Nonce,
    /// From the server's PROVE.
    pub server: Nonce,
}

/// Both proofs of one carrier.
#[derive(Clone, Copy, Debug)]
pub struct Macs {
    /// The server's: PROVE.
    pub server: Mac,
    /// The client's: PROOF.
    pub client: Mac,
}

impl MacRequest {
    /// Computes both.
    pub fn answer(&self) -> Macs {
        Macs { server: self.mac(b"bss-resume-1 server"), client: self.mac(b"bss-resume-1 client") }
    }

    fn mac(&self, label: &[u8]) -> Mac {
        let Identity { id, secret, name, .. } = &*self.identity;
        // A key as long as SHA-256's block or shorter is padded with zeros: a block made here needs no check of its length.
        let mut key = [0; 64];
        key[..secret.0.len()].copy_from_slice(&secret.0);
        let mut mac = Hmac::<Sha256>::new(&key.into());
        for part in [label, &id.0, &self.client.0, &self.server.0, name.as_bytes()] {
            mac.update(part);
        }
        Mac(mac.finalize().into_bytes().into())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl PartialEq for Mac {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Mac {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let identity = Identity { id: StreamId([1; 16]), secret: Secret([0xab; 32]), name: "NAME".into(), letters: None };
        let text = format!("{identity:?}");
        assert!(text.contains("Secret(…)") && !text.contains("171") && !text.contains("ab, "), "{text}");
    }

    #[test]
    fn every_part_changes_both_macs_and_no_label_serves_the_other_side() {
        let identity = |id, secret, name: &str| {
            Arc::new(Identity { id: StreamId([id; 16]), secret: Secret([secret; 32]), name: name.into(), letters: None })
        };
        let request =
            |identity, client, server| MacRequest { carrier: 0, identity, client: Nonce([client; 16]), server: Nonce([server; 16]) };
        let first = request(identity(1, 2, "NAME"), 3, 4).answer();
        assert_ne!(first.server, first.client);
        for other in [
            request(identity(9, 2, "NAME"), 3, 4),
            request(identity(1, 9, "NAME"), 3, 4),
            request(identity(1, 2, "name"), 3, 4),
            request(identity(1, 2, "NAME"), 9, 4),
            request(identity(1, 2, "NAME"), 3, 9),
            request(identity(1, 2, "NAME"), 4, 3),
        ] {
            assert_ne!(other.answer().server, first.server);
            assert_ne!(other.answer().client, first.client);
        }
    }
}
