//! The seam behind which a program decides who its peers are.

use std::{borrow::Cow, fmt, net::SocketAddr};

use browser_stream_mux::Code;
use futures::future::BoxFuture;
use serde::Deserialize;
use uuid::Uuid;

use super::Identity;
use crate::error::OpenError;

/// Says who a peer is and what it may do.
///
/// Without one everybody who reaches the proxy may do everything. With one, nobody gets a stream before it has said yes: give it to
/// [`Proxy::with_authorizer`](crate::Proxy::with_authorizer). `JwtAuthorizer` (feature `jwt`) is one for tokens that are JWTs.
///
/// ```
/// use browser_stream_server::token::{Asking, Authorizer, Identity, Pattern, Refused, Rights, Verb};
/// use futures::{FutureExt, future::BoxFuture};
///
/// /// Whoever knows the word may serve and be connected to under names that begin with `team-`.
/// struct Password(&'static str);
///
/// impl Authorizer for Password {
///     fn authorize(&self, asking: Asking) -> BoxFuture<'_, Result<Identity, Refused>> {
///         async move {
///             let token = asking.token.ok_or(Refused::Missing)?;
///             if !token.is(self.0) {
///                 return Err(Refused::Signature);
///             }
///             let team: Pattern = "team-*".parse().map_err(|_| Refused::Malformed("the pattern".into()))?;
///             Ok(Identity::new("team", Rights::none().with(Verb::Listen, [&team]).with(Verb::Connect, [&team])))
///         }
///         .boxed()
///     }
/// }
/// ```
pub trait Authorizer: Send + Sync + 'static {
    /// Who this is. Called once for a session, in a task of its own, and again for each new token; at most ten times in a second.
    ///
    /// The port of [`Config::admin`](crate::Config::admin) asks, too, for each request that shows a token (`Authorization: Bearer`): of no session, so that [`Asking::session`] is nil,
    /// and as often as such requests come. Of all together at most `judgements_max` are asked at once: [`Limits`](crate::Limits).
    fn authorize(&self, asking: Asking) -> BoxFuture<'_, Result<Identity, Refused>>;
}

/// A peer, and what it shows.
///
/// See [`Authorizer`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Asking {
    /// What it showed; `None` for one that is there without.
    pub token: Option<Token>,
    /// Its address, if its transport has one.
    pub remote: Option<SocketAddr>,
    /// Its session; nil for a request on the port for whoever runs the proxy.
    pub session: Uuid,
}

impl Asking {
    pub(crate) fn new(token: Option<Token>, remote: Option<SocketAddr>, session: Uuid) -> Self {
        Self { token, remote, session }
    }
}

/// What a peer shows to be let do something: a secret, so no log and no error shows it.
///
/// See [`Authorizer`].
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// The text as it came.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this secret; takes as long wherever they differ.
    pub fn is(&self, secret: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_bytes(), secret.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why a peer is not known: the text is for the peer, and says what to do.
///
/// See [`Authorizer`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It shows no token.
    #[error("this proxy wants a token: get one from whoever runs it, and give it as `token`")]
    Missing,
    /// The token cannot be read.
    #[error("the token is malformed: {0}")]
    Malformed(Cow<'static, str>),
    /// Its time is over.
    #[error("the token has expired: get a new one")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet: is the clock right where it was made, and here?")]
    NotYet,
    /// It is for something else.
    #[error("the token is for another audience: get one for this proxy")]
    Audience,
    /// No key of the proxy's made it.
    #[error("the token was made with an unknown key: get one that is made with a key of this proxy's")]
    Key,
    /// It is not what was made with that key.
    #[error("the token has a bad signature: it was changed, or another key made it")]
    Signature,
    /// It was taken back.
    #[error("the token was revoked: get another")]
    Revoked,
    /// It is a good one, and allows nothing that is to be had here.
    #[error("the token does not allow what is to be had here: get one with the right for that")]
    Right,
    /// It cannot be judged at the moment, which is not the peer's fault.
    #[error("the token cannot be judged at the moment: try again")]
    Unavailable,
}

impl From<Refused> for OpenError {
    fn from(refused: Refused) -> Self {
        let code = if refused == Refused::Unavailable { Code::Busy } else { Code::Unauthorized };
        Self::new(code, refused.to_string())
    }
}
