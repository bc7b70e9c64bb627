//! The key that makes tokens.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::Serialize;

use super::{Key, KeyError, crypto, keys::Set};

/// Makes tokens; a secret. It has no `Debug`, so that no log shows it.
///
/// See [`JwtAuthorizer`](super::JwtAuthorizer).
pub struct SigningKey {
    key: Key,
    algorithm: Algorithm,
    encoding: EncodingKey,
}

impl SigningKey {
    /// A new key pair for EdDSA: who believes its tokens cannot make any.
    pub fn ed25519() -> Self {
        let (seed, kid) = (rand::random::<[u8; 32]>(), kid());
        let mut key = Key { kty: "OKP".into(), crv: Some("Ed25519".into()), alg: Some("EdDSA".into()), kid, ..Key::default() };
        key.x = public(&seed);
        key.d = Some(BASE64URL_NOPAD.encode(&seed));
        let encoding = EncodingKey::from_ed_der(&pkcs8(&seed));
        Self { key, algorithm: Algorithm::EdDSA, encoding }
    }

    /// A new secret for HS256: who believes its tokens can make them, too.
    pub fn hs256() -> Result<Self, KeyError> {
        let secret = rand::random::<[u8; 32]>();
        let mut key = Key { kty: "oct".into(), alg: Some("HS256".into()), kid: kid(), ..Key::default() };
        key.k = Some(BASE64URL_NOPAD.encode(&secret));
        Self::new(key)
    }

    /// Reads what [`to_json`](Self::to_json) wrote: a JWK with its secret half.
    ///
    /// # Errors
    /// Says why it cannot be used.
    pub fn from_json(text: &str) -> Result<Self, KeyError> {
        let key = serde_json::from_str(text).map_err(|error| match serde_json::from_str::<Set>(text) {
            Ok(_) => KeyError::Set,
            Err(_) => error.into(),
        })?;
        Self::new(key)
    }

    fn new(key: Key) -> Result<Self, KeyError> {
        let bad = |why| KeyError::Key(key.kid.clone().unwrap_or_default(), why);
        let secret = key.d.as_ref().or(key.k.as_ref()).and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        let secret = secret.ok_or_else(|| bad("it has no secret half (d or k): give the file that `bss token keygen` wrote"))?;
        let (algorithm, encoding) = match (key.kty.as_str(), key.alg.as_deref()) {
            ("OKP", Some("EdDSA")) => {
                let seed = <[u8; 32]>::try_from(secret).map_err(|_| bad("d is not 32 bytes"))?;
                if public(&seed) != key.x {
                    return Err(bad("x is not the public half of d"));
                }
                (Algorithm::EdDSA, EncodingKey::from_ed_der(&pkcs8(&seed)))
            }
            ("oct", Some("HS256")) if secret.len() >= 32 => {
                (Algorithm::HS256, EncodingKey::from_secret(&secret).map_err(|_| bad("k is empty"))?)
            }
            _ => return Err(bad("write kty OKP with crv Ed25519 and alg EdDSA, or kty oct with alg HS256 and a k of 32 bytes")),
        };
        Ok(Self { key, algorithm, encoding })
    }

    /// The whole key as JSON: a secret.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.key).unwrap_or_default()
    }

    /// The JWKS by which a proxy believes its tokens: public for EdDSA, and the secret itself for HS256.
    pub fn jwks(&self) -> String {
        let believed = Key { d: None, ..self.key.clone() };
        serde_json::json!({ "keys": [believed] }).to_string()
    }

    /// Whether [`jwks`](Self::jwks) is a secret.
    pub fn is_shared(&self) -> bool {
        self.algorithm == Algorithm::HS256
    }

    /// Makes a token of these claims, whatever they are; [`Claims`](super::Claims) are what a proxy understands. `None` if they are no JSON object.
    pub fn sign(&self, claims: &impl Serialize) -> Option<String> {
        crypto::install();
        let header = Header { kid: self.key.kid.clone(), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.encoding).ok()
    }
}

/// A name for the key that says nothing about it.
fn kid() -> Option<String> {
    Some(data_encoding::HEXLOWER.encode(&rand::random::<[u8; 6]>()))
}

fn public(seed: &[u8; 32]) -> Option<String> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
    Some(BASE64URL_NOPAD.encode(pair.public_key().as_ref()))
}

/// The seed as PKCS #8 has it (RFC 8410 section 7).
fn pkcs8(seed: &[u8; 32]) -> [u8; 48] {
    let mut der = [0; 48];
    let (head, tail) = der.split_at_mut(PKCS8_HEAD.len());
    head.copy_from_slice(&PKCS8_HEAD);
    tail.copy_from_slice(seed);
    der
}

const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
