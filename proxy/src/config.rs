//! What the proxy is told at its start: defaults, a TOML file, the environment and the command line, each over the one before.
//!
//! See [`Config`].

#[cfg(feature = "acme")]
mod acme;
mod args;
mod bind;
#[cfg(feature = "cluster")]
mod cluster;
mod file;
mod http;
mod limits;
mod log;
mod network;
mod origin;
mod path;
mod tls;
mod turn;

use std::{net::SocketAddr, path::PathBuf};

// The command line of `bss`, and no part of the API.
#[doc(hidden)]
pub use args::{Serve, Start};
use bind::Bind;
#[cfg(feature = "cluster")]
pub use cluster::{Cluster, ClusterError, NatsUrl};
pub use http::{HttpHost, HttpHostError};
pub use log::{LogFormat, LogFormatError};
pub use network::{Network, NetworkError};
pub(crate) use origin::{Authority, Host};
pub use origin::{Origin, OriginError, PublicUrl, PublicUrlError};
pub use path::{RoutePath, RoutePathError};
pub use tls::{Tls, TlsError};
pub use turn::{TurnUrl, TurnUrlError};

use crate::{limits::Limits, token::Right};

/// How a [`Proxy`](crate::Proxy) runs. Every part is checked by its type, so a `Config` that exists can be used.
///
/// The default serves this machine only: 127.0.0.1:8080, `/mux`, `/browser-server`, pages of its own origin.
///
/// ```
/// use browser_stream_server::{Config, config::{LogFormat, Network, Origin, PublicUrl, RoutePath, Tls, TurnUrl}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = Config::default();
/// config.bind = ([127, 0, 0, 1], 0).into(); // any free port
/// config.limits.clients_max = 50;
/// config.public_url = Some("https://bss.example.com".parse::<PublicUrl>()?);
/// config.allow_origin.push("http://localhost:3000".parse::<Origin>()?);
/// config.prefix.push("/more".parse::<RoutePath>()?);
/// config.trusted_proxies.push("10.0.0.0/8".parse::<Network>()?);
/// config.turn.push("turn:turn.example.com:3478".parse::<TurnUrl>()?);
/// config.log_format = LogFormat::Json;
/// config.tls = Some(Tls::SelfSigned(None));
/// println!("{}", config.to_toml()); // as `bss serve --config` reads it
///
/// // What cannot be used is refused where it is parsed, with what to write instead.
/// assert!("*".parse::<Origin>().is_err() && "/ends/".parse::<RoutePath>().is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where the program `bss` listens; a program with a listener of its own need not care.
    pub bind: SocketAddr,
    /// The path of the WebSocket.
    pub path: RoutePath,
    /// Where the proxy is reached from outside. Requests to this host are answered, whatever their port; where it is `https`, pages at
    /// the same host and port must be too.
    pub public_url: Option<PublicUrl>,
    /// Origins of pages that may use the proxy beside those that it serves itself.
    pub allow_origin: Vec<Origin>,
    /// The prefixes under which `bss` lets pages serve.
    pub prefix: Vec<RoutePath>,
    /// Anybody who reaches the port may use the proxy: allows to listen beyond this machine, and to be called by the address of its socket.
    pub open: bool,
    /// Who may use the proxy: those with a token that a key of this JWKS file made. A program of one's own reads it into a
    /// [`JwtAuthorizer`](crate::token::JwtAuthorizer), as `bss` does, and gives that to [`Proxy::with_authorizer`](crate::Proxy::with_authorizer). Allows to listen beyond this machine,
    /// and to be called by the address of its socket.
    pub tokens: Option<PathBuf>,
    /// What tokens must be for (`aud`).
    pub token_audience: Option<String>,
    /// The file that names tokens which were taken back.
    pub token_revoked: Option<PathBuf>,
    /// What those may do that show no token.
    pub anonymous_rights: Vec<Right>,
    /// Whether every peer may list the names; where it is not said, only where nobody beyond this machine is expected: see
    /// [`lists_names`](Self::lists_names).
    pub list_names: Option<bool>,
    /// Under which hosts servers that are open to HTTP are reached by it, each name as a host of its own; the first is what they are told. Where it is not said: see
    /// [`http_hosts`](Self::http_hosts). Certificate and DNS must have the wildcard, too.
    pub http_host: Option<Vec<HttpHost>>,
    /// Whether they are reached below `/~NAME/` of the proxy's own host as well: sandboxed there, for all of them share an origin.
    pub http_path: bool,
    /// Proxies in front, through which peers come: sessions from their addresses are counted for whom their `X-Forwarded-For` names, and not by address where it
    /// names nobody.
    pub trusted_proxies: Vec<Network>,
    /// Where the key of leases is kept, so that servers have their names back from a proxy that was started again; without it, each process
    /// has its own.
    pub lease_key: Option<PathBuf>,
    /// Where STUN is answered, over UDP: pages learn there by which address others may reach them directly. Off where it is not set.
    pub stun: Option<SocketAddr>,
    /// The UDP port where sessions over WebTransport are taken, at the address of the WebSocket; 0 is that one's own. Off where it is not set.
    #[cfg(feature = "webtransport")]
    pub webtransport: Option<u16>,
    /// A TURN server beside the proxy, which takes logins that are made with [`turn_secret`](Self::turn_secret).
    pub turn: Vec<TurnUrl>,
    /// The file with the secret that the TURN server has, too.
    pub turn_secret: Option<PathBuf>,
    /// Where whoever runs the proxy may ask for its metrics, and with the feature `admin` look at what there is and act, apart from its peers:
    /// [`Proxy::serve_admin`](crate::Proxy::serve_admin). Off where it is not set.
    pub admin: Option<SocketAddr>,
    /// Whether who asks there from this machine without a token may change something, and not only look.
    pub admin_actions: bool,
    /// In what form the program `bss` logs.
    pub log_format: LogFormat,
    /// How `bss` speaks TLS itself; a program of one's own reads an [`Identity`](crate::tls::Identity) and gives it to
    /// [`Proxy::with_tls`](crate::Proxy::with_tls).
    pub tls: Option<Tls>,
    /// How `bss` is one of several proxies that have their names in common; a program of one's own makes a node of them, and gives that to
    /// [`Proxy::with_cluster`](crate::Proxy::with_cluster).
    #[cfg(feature = "cluster")]
    pub cluster: Option<Cluster>,
    /// The bounds that peers are held to.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 8080)),
            path: RoutePath::literal("/mux"),
            public_url: None,
            allow_origin: Vec::new(),
            prefix: vec![RoutePath::literal("/browser-server")],
            open: false,
            tokens: None,
            token_audience: None,
            token_revoked: None,
            anonymous_rights: Vec::new(),
            list_names: None,
            http_host: None,
            http_path: false,
            trusted_proxies: Vec::new(),
            lease_key: None,
            stun: None,
            #[cfg(feature = "webtransport")]
            webtransport: None,
            turn: Vec::new(),
            turn_secret: None,
            admin: None,
            admin_actions: false,
            log_format: LogFormat::default(),
            tls: None,
            #[cfg(feature = "cluster")]
            cluster: None,
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// The configuration as a TOML file that says all of it: reading it back gives the same. A user and password in the URL of NATS are hidden, and have to be written again.
    pub fn to_toml(&self) -> String {
        file::write(self)
    }

    /// Whether every peer may list the names: as it was said, else where the proxy is neither open nor has a public URL, or wants tokens: each sees only names that it may
    /// connect to then.
    pub fn lists_names(&self) -> bool {
        self.list_names.unwrap_or(self.tokens.is_some() || !self.open && self.public_url.is_none())
    }

    /// Under which hosts servers are reached by HTTP: as it was said, else `*.localhost` where [`lists_names`](Self::lists_names) takes the proxy for this machine's own.
    pub fn http_hosts(&self) -> Vec<HttpHost> {
        match &self.http_host {
            Some(hosts) => hosts.clone(),
            None if self.open || self.tokens.is_some() || self.public_url.is_some() => Vec::new(),
            None => Some(HttpHost::of_this_machine()).into_iter().filter(|tabs| self.taken(std::slice::from_ref(tabs)).is_none()).collect(),
        }
    }

    /// What can be used and may not be meant, a sentence each: to be told to whoever runs the proxy, as `bss` does.
    ///
    /// ```
    /// use browser_stream_server::Config;
    ///
    /// let mut config = Config::default();
    /// config.public_url = "https://bss.example.com".parse().ok();
    /// config.http_host = "*.tabs.bss.example.com".parse().ok().map(|host| vec![host]);
    /// assert!(config.doubts()[0].contains("cookies"));
    /// ```
    pub fn doubts(&self) -> Vec<String> {
        let Some(PublicUrl(Origin { authority: Authority { host, .. }, .. })) = &self.public_url else { return Vec::new() };
        let told = |tabs: HttpHost| {
            let proxy = Authority { host: host.clone(), port: None };
            format!(
                "--http-host {tabs} is below --public-url, so every page of a name can set cookies that browsers send to {proxy} as well, and have it refuse them (431): choose a host beside it, best below a domain \
                 of its own, such as *.tabs.example.net"
            )
        };
        self.http_hosts().into_iter().filter(|tabs| tabs.is_below(host)).map(told).collect()
    }

    /// The host of ours, or of a page that may use the proxy, that these would give to a name: a tab's page must not be taken for such.
    fn taken(&self, tabs: &[HttpHost]) -> Option<&Host> {
        let ours = self.public_url.iter().map(|PublicUrl(url)| url).chain(&self.allow_origin);
        ours.map(|origin| &origin.authority.host).find(|host| tabs.iter().any(|tabs| tabs.before(host).is_some()))
    }

    /// What no single part can know: whether the parts fit one another.
    fn check(&self) -> Result<(), ConfigError> {
        if self.tokens.is_none() && (self.token_audience.is_some() || self.token_revoked.is_some() || !self.anonymous_rights.is_empty()) {
            return Err(ConfigError::Tokens);
        }
        if !self.open && self.tokens.is_none() && !self.bind.ip().to_canonical().is_loopback() {
            return Err(ConfigError::Open(self.bind));
        }
        if self.admin_actions && self.admin.is_none() {
            return Err(ConfigError::AdminActions);
        }
        if let Some(admin) = self.admin.filter(|admin| self.tokens.is_none() && !admin.ip().to_canonical().is_loopback()) {
            return Err(ConfigError::Admin(admin));
        }
        if let Some(host) = self.taken(&self.http_hosts()) {
            return Err(ConfigError::HttpHost(Authority { host: host.clone(), port: None }.to_string()));
        }
        if self.stun.is_some_and(|bind| bind.port() == 0) {
            return Err(ConfigError::Stun);
        }
        if self.turn.is_empty() != self.turn_secret.is_none() {
            return Err(ConfigError::Turn);
        }
        for (index, prefix) in self.prefix.iter().enumerate() {
            if matches!(prefix.as_str(), "/session" | "/ice") || self.prefix[..index].contains(prefix) {
                return Err(ConfigError::Prefix(prefix.clone()));
            }
        }
        let is_a_names = self.http_path && self.path.as_str().starts_with("/~");
        if self.path.is_ours() || is_a_names { Err(ConfigError::Path(self.path.clone())) } else { Ok(()) }
    }
}

/// A configuration that cannot be used; the text says what to do.
///
/// ```
/// use browser_stream_server::config::{ConfigError, TlsError};
///
/// let error = ConfigError::from(TlsError::Half);
/// assert!(error.to_string().contains("--tls-cert and --tls-key"), "it says what to do");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path:?}: {source}; check the path given by --config")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file says something that is not understood.
    #[error("the configuration {path:?} is wrong: {message}")]
    File {
        /// The file.
        path: PathBuf,
        /// Where and what, on one line.
        message: String,
    },
    /// What is said of TLS does not fit.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// What is said of a cluster does not fit.
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Others could reach the proxy, and nobody said that they may.
    #[error(
        "refusing to listen on {0}: everybody who reaches this address could use the proxy; add --open if they may, --tokens FILE if only those with a token may, or \
         --bind 127.0.0.1:{port}",
        port = .0.port()
    )]
    Open(SocketAddr),
    /// Others could read the metrics.
    #[error("refusing to listen on {0} for whoever runs the proxy: everybody who reaches this address could ask; add --tokens FILE, or say --admin 127.0.0.1:{port}", port = .0.port())]
    Admin(SocketAddr),
    /// What may be done at a port that there is not.
    #[error("--admin-actions needs --admin: the port where that is done, such as 127.0.0.1:9090")]
    AdminActions,
    /// What tokens are to be like, and no keys to know them by.
    #[error(
        "--token-audience, --token-revoked and --anonymous-rights need --tokens: the file with the keys, as `bss token keygen` prints it"
    )]
    Tokens,
    /// A prefix stands there twice, or is the protocol's own.
    #[error("--prefix {0} cannot be used: it is given twice, or is the protocol's own path")]
    Prefix(RoutePath),
    /// One of ours is a name's.
    #[error("--http-host takes {0} in, which --public-url or --allow-origin has: tabs need hosts of their own, such as *.tabs.example.org")]
    HttpHost(String),
    /// Pages are told the port, so it must be known.
    #[error("--stun needs a port: 0.0.0.0:3478 is the usual one")]
    Stun,
    /// A TURN server needs its secret, and a secret its server.
    #[error("--turn and --turn-secret go together: the server's address, and a file with the secret that it has as static-auth-secret")]
    Turn,
    /// The path of the WebSocket is another route.
    #[error("--path {0} cannot be used: the proxy has another route or a file there; choose one such as /mux or /ws")]
    Path(RoutePath),
}
