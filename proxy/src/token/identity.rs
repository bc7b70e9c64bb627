//! Who somebody is, once that is known.

#[cfg(feature = "jwt")]
use std::fmt;
use std::{sync::Arc, time::Duration};

#[cfg(feature = "jwt")]
use sha2::{Digest, Sha256};

use super::Rights;

/// A peer as an [`Authorizer`](super::Authorizer) knows it.
///
/// ```
/// use std::time::Duration;
///
/// use browser_stream_server::token::{Identity, Right};
///
/// # fn example() -> Result<(), browser_stream_server::token::BadRight> {
/// let rights = ["listen=ann-*".parse::<Right>()?, "connect=*".parse()?].into_iter().collect();
/// let mut ann = Identity::new("ann", rights);
/// ann.quota.names = Some(3);
/// ann.expires = Some(Duration::from_secs(3600));
/// # Ok(()) }
/// # example().unwrap();
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Identity {
    /// Who it is, the same for all its sessions, of at most 256 bytes; servers and members are told. `None` for somebody who is nobody in particular.
    pub sub: Option<Arc<str>>,
    /// What it may do.
    pub rights: Rights,
    /// How much of it, over all its sessions; nothing is counted for one without `sub`.
    pub quota: Quota,
    /// How long this holds from now; `None` for ever.
    pub expires: Option<Duration>,
    /// Which token it was, for who takes one back.
    pub id: Option<Arc<str>>,
    /// Which key made that, where it was one of a JWKS.
    #[cfg(feature = "jwt")]
    pub(crate) made_by: Option<KeyMark>,
}

/// A key, by what it is and not by what it is called. No log shows it, for it is made of a secret where the key is one.
#[cfg(feature = "jwt")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyMark([u8; 32]);

#[cfg(feature = "jwt")]
impl KeyMark {
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }
}

#[cfg(feature = "jwt")]
impl fmt::Debug for KeyMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMark(…)")
    }
}

/// How much one `sub` may have at once over all its sessions of a process; `None` is as much as the process allows.
///
/// See [`Identity`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// Sessions.
    pub sessions: Option<u32>,
    /// Names that it holds or stands by for.
    pub names: Option<u32>,
    /// Streams that it opened, those of claims and rooms included, its session streams excepted.
    pub streams: Option<u32>,
    /// Streams that it opens in a second, with as many at once.
    pub opens_per_s: Option<u32>,
}

impl Identity {
    /// Somebody with these rights.
    pub fn new(sub: impl Into<Arc<str>>, rights: Rights) -> Self {
        Self { sub: Some(sub.into()), ..Self::anonymous(rights) }
    }

    /// Nobody in particular.
    pub fn anonymous(rights: Rights) -> Self {
        Self { rights, ..Self::default() }
    }
}
