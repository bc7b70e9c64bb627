//! The authorizer for tokens that are JWTs (RFC 7519): claims that are rights, keys from a JWKS file, and a file of tokens that were taken back.

mod claims;
mod crypto;
mod files;
mod keys;
mod signing;
#[cfg(test)]
mod tests;
mod verify;

use std::{path::PathBuf, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use parking_lot::RwLock;

use self::{
    files::{Seen, Withdrawn},
    keys::Keys,
};
use super::{Asking, Authorizer, Identity, Refused, Rights};

pub use claims::{Claims, QuotaClaim};
pub use files::KeysError;
pub use keys::{Key, KeyError};
pub use signing::SigningKey;

/// Knows peers by JWTs that one of its keys made, with EdDSA (Ed25519) or HS256. Cheap to clone; every clone is the same.
///
/// A key's algorithm is what the key says, never what a token says. A token has `exp` and `sub`, `aud` where one is [demanded](Self::audience), and rights: see
/// [`Claims`].
///
/// ```
/// use std::time::SystemTime;
///
/// use browser_stream_server::token::{Claims, JwtAuthorizer, SigningKey, Verb};
/// use browser_stream_server::{Config, Proxy, StreamRouter};
///
/// # fn example() -> anyhow::Result<()> {
/// let key = SigningKey::ed25519(); // kept by who makes tokens: `bss token keygen`
/// let authorizer = JwtAuthorizer::from_jwks(&key.jwks())?;
///
/// let mut claims = Claims::default();
/// claims.sub = "ann".into();
/// claims.exp = SystemTime::UNIX_EPOCH.elapsed()?.as_secs_f64() + 3600.0;
/// claims.listen.push("ann-*".parse()?);
/// let token = key.sign(&claims).ok_or_else(|| anyhow::anyhow!("no token"))?;
///
/// let ann = authorizer.read(&token)?;
/// assert_eq!(ann.sub.as_deref(), Some("ann"));
/// assert!(ann.rights.allow(Verb::Listen, "ann-desk"));
/// let proxy = Proxy::new(Config::default(), StreamRouter::new()).with_authorizer(authorizer);
/// # Ok(()) }
/// # example().unwrap();
/// ```
#[derive(Clone)]
pub struct JwtAuthorizer {
    inner: Arc<Inner>,
}

struct Inner {
    believed: RwLock<Believed>,
    keys_file: RwLock<Option<Arc<Seen>>>,
    withdrawn_file: RwLock<Option<Arc<Seen>>>,
}

/// What tokens are judged by.
struct Believed {
    audience: Option<Arc<str>>,
    anonymous: Option<Rights>,
    keys: Arc<Keys>,
    withdrawn: Arc<Withdrawn>,
}

impl JwtAuthorizer {
    /// Believes the keys of this JWKS (RFC 7517): `OKP` keys of the curve `Ed25519` with `"alg": "EdDSA"`, and `oct` keys with `"alg": "HS256"`.
    ///
    /// # Errors
    /// Says which key cannot be used, and why.
    pub fn from_jwks(text: &str) -> Result<Self, KeyError> {
        Ok(Self::with(Keys::parse(text)?, None))
    }

    /// The same of a file, which [`refresh`](Self::refresh) reads again.
    ///
    /// # Errors
    /// It cannot be read, or used.
    pub fn open(jwks: impl Into<PathBuf>) -> Result<Self, KeysError> {
        let jwks = jwks.into();
        let seen = Seen::look(&jwks);
        Ok(Self::with(files::keys(&jwks)?, Some(Arc::new(seen))))
    }

    fn with(keys: Keys, file: Option<Arc<Seen>>) -> Self {
        let believed = Believed { audience: None, anonymous: None, keys: Arc::new(keys), withdrawn: Arc::default() };
        Self { inner: Arc::new(Inner { believed: RwLock::new(believed), keys_file: RwLock::new(file), withdrawn_file: RwLock::default() }) }
    }

    /// Demands from now on that tokens are for this audience.
    #[must_use]
    pub fn audience(self, audience: impl Into<Arc<str>>) -> Self {
        self.inner.believed.write().audience = Some(audience.into());
        self
    }

    /// Lets those do this that show no token; without it they may do nothing.
    #[must_use]
    pub fn anonymous(self, rights: Rights) -> Self {
        self.inner.believed.write().anonymous = Some(rights);
        self
    }

    /// Refuses the tokens that this file names, one in a line: a token's `jti`, or `sub:` and whose tokens all are meant. A line that begins with `#` is for people.
    ///
    /// Who changes it writes another file and renames that to its name: of one that is being written only half may be read. One that is empty and was not is believed only when
    /// it is looked at once more.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn withdrawn(self, file: impl Into<PathBuf>) -> Result<Self, KeysError> {
        let file = file.into();
        let seen = Seen::look(&file);
        let withdrawn = files::withdrawn(&file)?;
        withdrawn.tell(&file);
        self.inner.believed.write().withdrawn = Arc::new(withdrawn);
        *self.inner.withdrawn_file.write() = Some(Arc::new(seen));
        Ok(self)
    }

    /// Reads its files again that have changed since, or all of them. What cannot be read or used is logged, and what was read before holds on.
    ///
    /// Sessions that are there are not looked at: give [`is_withdrawn`](Self::is_withdrawn) to [`Proxy::revoke`](crate::Proxy::revoke) afterwards.
    pub fn refresh(&self, all: bool) {
        let inner = &self.inner;
        again(&inner.keys_file, all, |seen| {
            let keys = files::keys(&seen.path)?;
            tracing::info!(file = ?seen.path, keys = keys.len(), "keys that tokens are believed by");
            inner.believed.write().keys = Arc::new(keys);
            Ok(())
        });
        again(&inner.withdrawn_file, all, |seen| {
            let before = inner.believed.read().withdrawn.clone();
            let withdrawn = seen.withdrawn(&before)?;
            withdrawn.tell(&seen.path);
            inner.believed.write().withdrawn = Arc::new(withdrawn);
            Ok(())
        });
    }

    /// Whether the token by which a peer is known was taken back, or all of its `sub`, or the key is gone that made it.
    pub fn is_withdrawn(&self, identity: &Identity) -> bool {
        let (keys, withdrawn) = {
            let believed = self.inner.believed.read();
            (believed.keys.clone(), believed.withdrawn.clone())
        };
        identity.made_by.is_some_and(|key| !keys.have(key)) || withdrawn.names(identity.sub.as_deref(), identity.id.as_deref())
    }

    /// Who has this token, and what it may do.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn read(&self, token: &str) -> Result<Identity, Refused> {
        let (keys, audience) = {
            let believed = self.inner.believed.read();
            (believed.keys.clone(), believed.audience.clone())
        };
        let (claims, key) = verify::verify(token, &keys, audience.as_deref())?;
        let mut identity = claims.identity()?;
        identity.made_by = Some(key);
        if self.is_withdrawn(&identity) { Err(Refused::Revoked) } else { Ok(identity) }
    }
}

/// Reads a file again if it has changed, or whether or not.
fn again(file: &RwLock<Option<Arc<Seen>>>, all: bool, read: impl FnOnce(&Seen) -> Result<(), KeysError>) {
    let Some(seen) = file.read().clone() else { return };
    if seen.has_changed() || all {
        match read(&seen) {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "what was read before holds on"),
        }
    }
}

impl Authorizer for JwtAuthorizer {
    fn authorize(&self, asking: Asking) -> BoxFuture<'_, Result<Identity, Refused>> {
        let known = match &asking.token {
            Some(token) => self.read(token.as_str()),
            None => self.inner.believed.read().anonymous.clone().map(Identity::anonymous).ok_or(Refused::Missing),
        };
        std::future::ready(known).boxed()
    }
}
