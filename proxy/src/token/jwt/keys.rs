//! The keys that tokens are made with: a JWKS (RFC 7517).

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize};

use super::super::{Refused, identity::KeyMark};

/// A key as JSON has it: a public one, or one that is a secret. No log shows it.
///
/// ```
/// use browser_stream_server::token::{Key, SigningKey};
///
/// let key: Key = serde_json::from_str(&SigningKey::ed25519().to_json())?;
/// assert_eq!((key.kty.as_str(), key.alg.as_deref()), ("OKP", Some("EdDSA")));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Key {
    /// `OKP` or `oct`.
    pub kty: String,
    /// For `OKP`, `Ed25519`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// What tokens are made with: `EdDSA` or `HS256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// Which key it is, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// What it is for, `sig`.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// The public half of an `OKP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Its secret half.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d: Option<String>,
    /// The secret of an `oct`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<String>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("alg", &self.alg).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Keys that cannot be used; the text says what to do.
///
/// ```
/// use browser_stream_server::token::{JwtAuthorizer, KeyError};
///
/// assert!(matches!(JwtAuthorizer::from_jwks(r#"{"keys":[]}"#), Err(KeyError::Empty)));
/// assert!(matches!(JwtAuthorizer::from_jwks("keys"), Err(KeyError::Form { line: 1, .. })));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is no JWKS. What stands there is not told: it may be a secret.
    #[error("not a JWKS, as in {{\"keys\": [{{\"kty\": \"OKP\", …}}]}}: look at line {line}, column {column}")]
    Form {
        /// Where it is not, from 1; 0 where that is nowhere in particular.
        line: usize,
        /// At which byte of that line.
        column: usize,
    },
    /// It is a signing key, where a JWKS is wanted.
    #[error(
        "this is the signing key, a secret that makes tokens and no JWKS: give what `bss token public FILE` prints of it, and keep the \
         file where tokens are made"
    )]
    Signing,
    /// It is a JWKS, where a signing key is wanted.
    #[error("this is a JWKS, which a proxy knows tokens by and no signing key: give the file that `bss token keygen --out FILE` wrote")]
    Set,
    /// There is no key in it.
    #[error("there is no key in it: `bss token keygen` makes one")]
    Empty,
    /// A key that cannot be used.
    #[error("key {0}: {1}")]
    Key(String, &'static str),
}

impl From<serde_json::Error> for KeyError {
    fn from(error: serde_json::Error) -> Self {
        Self::Form { line: error.line(), column: error.column() }
    }
}

/// Keys as a file has them.
#[derive(Deserialize)]
pub(super) struct Set {
    keys: Vec<Key>,
}

/// Keys that tokens are believed by.
pub(super) struct Keys(Vec<Believed>);

/// A key with the one algorithm that it is for.
pub(super) struct Believed {
    kid: Option<String>,
    pub algorithm: Algorithm,
    pub decoding: DecodingKey,
    pub mark: KeyMark,
}

impl Keys {
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let Set { keys } = serde_json::from_str(text).map_err(|error| match serde_json::from_str::<Key>(text) {
            Ok(key) if key.d.is_some() || key.k.is_some() => KeyError::Signing,
            _ => error.into(),
        })?;
        if keys.is_empty() {
            return Err(KeyError::Empty);
        }
        let mut believed: Vec<Believed> = Vec::with_capacity(keys.len());
        for (index, key) in keys.into_iter().enumerate() {
            let called = key.kid.clone().map_or_else(|| format!("number {}", index + 1), |kid| format!("{kid:?}"));
            let key = key.believed().map_err(|why| KeyError::Key(called.clone(), why))?;
            if key.kid.is_some() && believed.iter().any(|other| other.kid == key.kid) {
                return Err(KeyError::Key(called, "another key has the same kid"));
            }
            believed.push(key);
        }
        Ok(Self(believed))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether who reads them can make tokens.
    pub fn are_secret(&self) -> bool {
        self.0.iter().any(|key| key.algorithm == Algorithm::HS256)
    }

    /// Whether it is one of them, whatever it is called.
    pub fn have(&self, mark: KeyMark) -> bool {
        self.0.iter().any(|key| key.mark == mark)
    }

    /// The key of that name; without one, the only key.
    pub fn find(&self, kid: Option<&str>) -> Result<&Believed, Refused> {
        match (kid, self.0.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(Refused::Malformed("it has no kid, and there are several keys".into())),
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)).ok_or(Refused::Key),
        }
    }
}

impl Key {
    fn believed(self) -> Result<Believed, &'static str> {
        if self.usage.is_some_and(|usage| usage != "sig") {
            return Err("it is not for signatures (use)");
        }
        let bytes = |text: Option<String>, why| text.and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok()).ok_or(why);
        let (algorithm, decoding, mark) = match (self.kty.as_str(), self.alg.as_deref(), self.crv.as_deref()) {
            ("OKP", Some("EdDSA"), Some("Ed25519")) => {
                if self.d.is_some() {
                    return Err("it has its secret half (d): give the proxy what `bss token keygen` printed, and keep the file elsewhere");
                }
                let public = bytes(self.x, "x is not in base64url")?;
                if public.len() != 32 {
                    return Err("x is not 32 bytes");
                }
                (Algorithm::EdDSA, DecodingKey::from_ed_der(&public), KeyMark::of(&public))
            }
            ("oct", Some("HS256"), None) => {
                let secret = bytes(self.k, "k is not in base64url")?;
                // RFC 7518 section 3.2.
                if secret.len() < 32 {
                    return Err("k is shorter than 32 bytes");
                }
                (Algorithm::HS256, DecodingKey::from_secret(&secret).map_err(|_| "k is empty")?, KeyMark::of(&secret))
            }
            _ => return Err("write kty OKP with crv Ed25519 and alg EdDSA, or kty oct with alg HS256"),
        };
        Ok(Believed { kid: self.kid, algorithm, decoding, mark })
    }
}
