//! How a connection to the proxy is made.

use std::{
    error::Error,
    future::{Future, IntoFuture},
    io,
    sync::Arc,
    time::Duration,
};

use browser_stream_mux::Code;
use browser_stream_protocol::OpenError;
use futures::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use crate::{Peer, token::Source, upgrade::upgrade};

/// A connection to a proxy that is to be made: await it for the [`Peer`].
///
/// ```no_run
/// # async fn example() -> Result<(), browser_stream_client::DialError> {
/// use browser_stream_client::Peer;
/// let peer = Peer::dial("wss://host/mux").token("…").await?;
/// # Ok(()) }
/// ```
#[must_use = "nothing is dialled until it is awaited"]
pub struct Dial {
    target: Target,
    options: Options,
}

/// How a peer behaves, wherever it dials.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) token: Source,
    pub(crate) stays_down: bool,
    pub(crate) grace: Option<Duration>,
}

/// Where to, and what is said there.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    timeout: Duration,
}

/// A connection may take so long to be made.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Dial {
    pub(crate) fn new(url: &str) -> Self {
        let target = Target { url: url.to_owned(), headers: HeaderMap::new(), tls: None, timeout: TIMEOUT };
        Self { target, options: Options::default() }
    }

    /// Says who this program is: sent with the session's first words, anew after each reconnect.
    ///
    /// For something in front of the proxy that wants it earlier, set [`header::AUTHORIZATION`] as a [`header`](Self::header).
    ///
    /// Where the proxy does not take it, the dial fails with [`DialError::Session`]; when it ends, the peer is closed so, unless [`Peer::renew`] gave another.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.options.token = Source::Text(token.into().into());
        self
    }

    /// Asks for the token instead, before each connection and whenever the proxy wants a new one. A failure is as one to connect.
    ///
    /// Where the proxy does not take what was given, it is asked once more before the peer is closed for it.
    ///
    /// ```no_run
    /// # async fn fetch() -> std::io::Result<String> { Ok(String::new()) }
    /// # async fn example() -> Result<(), browser_stream_client::DialError> {
    /// use browser_stream_client::Peer;
    /// let peer = Peer::dial("wss://host/mux").token_with(|| fetch()).await?;
    /// # Ok(()) }
    /// ```
    pub fn token_with<F, C, E>(mut self, ask: F) -> Self
    where
        F: Fn() -> C + Send + Sync + 'static,
        C: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.options.token = Source::asking(ask);
        self
    }

    /// Sends a header with the request, such as `Origin`; a second value of one name replaces the first.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.target.headers.insert(name, value);
        self
    }

    /// Trusts and shows the certificates that this configuration says, instead of trusting Mozilla's list. For `wss` only.
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.target.tls = Some(config);
        self
    }

    /// Gives each attempt to connect so long, from the name's resolution to the upgrade: 10 s unless stated.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.target.timeout = timeout;
        self
    }

    /// Whether the peer comes back by itself when its connection breaks: yes unless stated. If not, it is closed then.
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.options.stays_down = !reconnect;
        self
    }

    /// Gives a resumable stream so long to go on after a connection of either end broke, before it is lost: 120 s unless stated, and at most.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = Some(grace);
        self
    }
}

impl IntoFuture for Dial {
    type Output = Result<Peer, DialError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { target, options } = self;
        Peer::begin(Dialer::new(move || target.clone().connect()), options).boxed()
    }
}

impl Target {
    async fn connect(self) -> Result<Io, DialError> {
        let time = self.timeout;
        timeout(time, upgrade(self)).await.unwrap_or(Err(DialError::Timeout(time)))
    }
}

/// Anything that carries a session's bytes.
pub(crate) type Io = Box<dyn Carry>;

pub(crate) trait Carry: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Carry for T {}

/// Makes one connection after the other.
pub(crate) struct Dialer(Box<dyn Fn() -> BoxFuture<'static, Result<Io, DialError>> + Send + Sync>);

impl Dialer {
    pub(crate) fn new<F, C>(dial: F) -> Self
    where
        F: Fn() -> C + Send + Sync + 'static,
        C: Future<Output = Result<Io, DialError>> + Send + 'static,
    {
        Self(Box::new(move || dial().boxed()))
    }

    pub(crate) async fn dial(&self) -> Result<Io, DialError> {
        (self.0)().await
    }
}

/// Why there is no connection to the proxy.
///
/// ```no_run
/// use browser_stream_client::{DialError, Peer};
///
/// # async fn example() {
/// match Peer::dial("ws://127.0.0.1:8080/mux").await {
///     Ok(peer) => drop(peer),
///     Err(DialError::Refused { status, retry_after: Some(after), .. }) => println!("{status}: come back in {after:?}"),
///     Err(DialError::Session(error)) => println!("it wants another token: {}", error.message),
///     Err(error) => println!("{error}"), // it says what to do
/// }
/// # }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The URL is none that can be dialled.
    #[error("{0:?} is no URL of a proxy: it is like ws://127.0.0.1:8080/mux or wss://host/mux")]
    Url(String),
    /// Nobody answered in time.
    #[error("no connection to the proxy within {0:?}: does it run there?")]
    Timeout(Duration),
    /// The network did not do it.
    #[error("no connection to the proxy: {0}")]
    Io(Arc<io::Error>),
    /// The proxy, or what stands in front of it, answered something else than an upgrade.
    #[error("the proxy refused the connection with status {status}: {message}")]
    Refused {
        /// The status of the HTTP answer.
        status: u16,
        /// What the answer says, as far as it came at once.
        message: String,
        /// How long to stay away, where the answer says it.
        retry_after: Option<Duration>,
    },
    /// What answered speaks no WebSocket, or another protocol over it.
    #[error("there is no proxy at that address: {0}")]
    NotAProxy(String),
    /// The proxy took the connection and refused the session on it.
    #[error("the proxy refused the session: {0}")]
    Session(OpenError),
    /// Whoever is asked for the token gave none.
    #[error("there is no token: {0}")]
    Token(Arc<dyn Error + Send + Sync>),
}

impl DialError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Url(_) => Code::BadRequest,
            Self::Timeout(_) => Code::Timeout,
            Self::Io(_) | Self::Token(_) => Code::Lost,
            Self::Refused { status, message, .. } => refusal(*status, message),
            Self::NotAProxy(_) => Code::Unsupported,
            Self::Session(error) => Code::from_number(error.number()).unwrap_or(Code::Internal),
        }
    }

    /// Whether trying again is in vain: a peer that was connected gives up.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Url(_) => true,
            // What else a proxy's answer says may pass: a 404 is what many a load balancer says during a restart.
            Self::Refused { status, .. } => matches!(status, 400 | 401 | 403),
            // What else it says of a session may pass: it cannot judge a token now, or has no room.
            Self::Session(error) => [Code::Unauthorized, Code::Forbidden, Code::BadRequest].iter().any(|code| error.is(*code)),
            Self::Timeout(_) | Self::Io(_) | Self::NotAProxy(_) | Self::Token(_) => false,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// A refusal of the proxy's own begins with its code; somebody else's has its status only.
fn refusal(status: u16, message: &str) -> Code {
    let own = message.split_once(':').and_then(|(code, _)| code.parse().ok());
    own.unwrap_or(match status {
        401 => Code::Unauthorized,
        403 => Code::Forbidden,
        404 => Code::NotFound,
        429 => Code::Limit,
        400..500 => Code::BadRequest,
        503 => Code::Busy,
        _ => Code::Internal,
    })
}

/// The seconds of a `Retry-After`; a date is not among what the proxy says.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// Nobody keeps a peer away for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// The URL to dial: http counts as ws, and https as wss.
pub(crate) fn parse(url: &str) -> Result<Uri, DialError> {
    let bad = || DialError::Url(url.to_owned());
    let scheme = [("http://", "ws://"), ("https://", "wss://")];
    let replaced = scheme.iter().find_map(|(from, to)| Some(format!("{to}{}", url.strip_prefix(from)?)));
    let uri: Uri = replaced.as_deref().unwrap_or(url).parse().map_err(|_| bad())?;
    let known = matches!(uri.scheme_str(), Some("ws" | "wss"));
    if known && uri.host().is_some() { Ok(uri) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, message: &str) -> DialError {
        DialError::Refused { status, message: message.into(), retry_after: None }
    }

    #[test]
    fn a_url_names_a_host_and_a_scheme_that_we_speak() {
        for (url, dialled) in [("ws://h:1/mux", "ws://h:1/mux"), ("http://h/mux", "ws://h/mux"), ("https://[::1]/", "wss://[::1]/")] {
            assert_eq!(parse(url).unwrap(), dialled);
        }
        for url in ["", "/mux", "h:1/mux", "ftp://h/", "ws://", "ws:///mux", "ws://h h/"] {
            assert!(matches!(parse(url), Err(DialError::Url(_))), "{url}");
        }
    }

    #[test]
    fn a_refusal_has_the_proxys_code_or_else_its_statuss() {
        assert_eq!(refused(503, "draining: come back later\n").code(), Code::Draining);
        assert_eq!(refused(429, "limit: too many sessions").code(), Code::Limit);
        assert_eq!(refused(503, "<html>nginx: busy</html>").code(), Code::Busy);
        assert_eq!(refused(401, "").code(), Code::Unauthorized);
    }

    #[test]
    fn only_what_cannot_pass_is_final() {
        assert!(refused(401, "").is_final() && refused(403, "").is_final() && refused(400, "").is_final());
        assert!(!refused(404, "").is_final() && !refused(429, "").is_final() && !refused(503, "").is_final());
        assert!(!DialError::Timeout(TIMEOUT).is_final());
    }

    #[test]
    fn a_named_delay_is_taken_in_seconds() {
        let headers = |value| HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(value))]);
        assert_eq!(retry_after(&headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers("86400")), Some(RETRY_AFTER_MAX));
        assert_eq!(retry_after(&headers("Wed, 21 Oct 2026 07:28:00 GMT")), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
