//! A cluster, as it is said: by flags, in the environment, and in the table `[cluster]` of the file.

use std::{borrow::Cow, convert::Infallible, fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use clap::Args;
use serde::{Deserialize, Serialize, Serializer};

use super::Bind;

/// How the proxy is one of several that have their names in common.
///
/// See [`Config`](super::Config).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cluster {
    /// Servers of the NATS that all nodes use, one or several of the same.
    pub nats: Vec<NatsUrl>,
    /// A file with the credentials of a NATS user, as `nsc` writes it.
    pub credentials: Option<PathBuf>,
    /// Who vouches for the certificate of NATS, a PEM file, beside those whom the system believes.
    pub ca: Option<PathBuf>,
    /// The bucket with the names: one for each cluster.
    pub bucket: String,
    /// Where other nodes reach this one.
    pub listen: SocketAddr,
    /// The same as they dial it, `HOST:PORT`.
    pub address: String,
    /// A file with what all nodes know, and nobody else.
    pub secret: PathBuf,
}

/// Where a NATS server is: `nats://HOST:PORT`, or `tls://`; a user and password may stand in front of the host.
///
/// Made by parsing. Its [`Debug`] does not show the password.
///
/// ```
/// use browser_stream_server::config::NatsUrl;
///
/// let url: NatsUrl = "nats://bss:secret@nats.example:4222".parse().unwrap();
/// assert!(!format!("{url:?}").contains("secret"));
/// assert!("http://nats.example".parse::<NatsUrl>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct NatsUrl(String);

/// The same as it was said, which may be anything. Neither a log nor what is printed shows its user and password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
struct Url(String);

/// Settings of a cluster that do not fit one another.
///
/// See [`ConfigError`](super::ConfigError).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// What is for a cluster, and there is none.
    #[error(
        "--cluster-listen and its like (the table [cluster]) need --cluster (nats): the NATS server that all nodes use, such as nats://127.0.0.1:4222"
    )]
    Alone,
    /// A text that is no NATS server.
    #[error("--cluster (nats) takes the URL of a NATS server: write it as nats://127.0.0.1:4222, or tls://USER:PASSWORD@nats.example:4222")]
    Nats,
    /// A text that `--print-config` printed.
    #[error("--cluster (nats) has *** where --print-config hides a user and password: write those, or use --cluster-credentials FILE")]
    Hidden,
    /// No place for other nodes.
    #[error("--cluster needs --cluster-listen (listen): where other nodes reach this one, such as 10.0.0.1:7070")]
    Listen,
    /// A text that is no address to listen at, and why.
    #[error("--cluster-listen (listen): {0}")]
    Bind(String),
    /// Others cannot know where that is.
    #[error("--cluster-listen {0} does not say by which address other nodes reach this one: add --cluster-address HOST:PORT")]
    Address(SocketAddr),
    /// A text that nobody can dial.
    #[error("--cluster-address (address) takes a host and a port, such as node-1.internal:7070")]
    HostPort,
    /// No secret.
    #[error(
        "--cluster needs --cluster-secret (secret): a file that all nodes have and nobody else; `openssl rand -hex 32` makes what to put into it"
    )]
    Secret,
    /// A name that no bucket can have.
    #[error("--cluster-bucket (bucket) takes letters, digits, - and _")]
    Bucket,
}

/// What one layer of the settings says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Said {
    /// Have the names in common with other nodes, by this NATS server; may be given several times, for servers of one NATS
    #[arg(long = "cluster", env = "BSS_CLUSTER", value_name = "nats://HOST:PORT", value_delimiter = ',', hide_env_values = true)]
    nats: Vec<Url>,
    /// A file with the credentials of a NATS user
    #[arg(long = "cluster-credentials", env = "BSS_CLUSTER_CREDENTIALS", value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Who vouches for the certificate of NATS, a PEM file [default: those whom the system believes]
    #[arg(long = "cluster-ca", env = "BSS_CLUSTER_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The bucket of NATS with the names [default: bss]
    #[arg(long = "cluster-bucket", env = "BSS_CLUSTER_BUCKET", value_name = "NAME")]
    bucket: Option<String>,
    /// Where other nodes reach this one, such as 10.0.0.1:7070
    #[arg(long = "cluster-listen", env = "BSS_CLUSTER_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The same as they dial it [default: that of --cluster-listen]
    #[arg(long = "cluster-address", env = "BSS_CLUSTER_ADDRESS", value_name = "HOST:PORT")]
    address: Option<String>,
    /// The file with a secret that all nodes have and nobody else
    #[arg(long = "cluster-secret", env = "BSS_CLUSTER_SECRET", value_name = "FILE")]
    secret: Option<PathBuf>,
}

impl Said {
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Every file that it names.
    pub(super) fn paths(&mut self) -> [&mut Option<PathBuf>; 3] {
        [&mut self.credentials, &mut self.ca, &mut self.secret]
    }

    /// This, over what another layer said.
    fn over(self, other: Self) -> Self {
        Self {
            nats: if self.nats.is_empty() { other.nats } else { self.nats },
            credentials: self.credentials.or(other.credentials),
            ca: self.ca.or(other.ca),
            bucket: self.bucket.or(other.bucket),
            listen: self.listen.or(other.listen),
            address: self.address.or(other.address),
            secret: self.secret.or(other.secret),
        }
    }

    /// What it comes to, over what was said before.
    pub(super) fn cluster(self, before: Option<Cluster>) -> Result<Option<Cluster>, ClusterError> {
        let said = self.over(before.map(Self::from).unwrap_or_default());
        if said.is_nothing() {
            return Ok(None);
        }
        let Self { nats, credentials, ca, bucket, listen, address, secret } = said;
        if nats.is_empty() {
            return Err(ClusterError::Alone);
        }
        let nats = nats.iter().map(|Url(url)| url.parse()).collect::<Result<_, _>>()?;
        let bucket = bucket.unwrap_or_else(|| BUCKET.to_owned());
        let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(is_token) {
            return Err(ClusterError::Bucket);
        }
        let Bind(listen) =
            listen.ok_or(ClusterError::Listen)?.parse().map_err(|error: super::bind::BindError| ClusterError::Bind(error.to_string()))?;
        let address = match address {
            Some(address) if is_dialable(&address) => address,
            Some(_) => return Err(ClusterError::HostPort),
            // A port that is not known yet is told when it is.
            None if listen.ip().is_unspecified() => return Err(ClusterError::Address(listen)),
            None => listen.to_string(),
        };
        let secret = secret.ok_or(ClusterError::Secret)?;
        Ok(Some(Cluster { nats, credentials, ca, bucket, listen, address, secret }))
    }
}

impl From<Cluster> for Said {
    fn from(cluster: Cluster) -> Self {
        let Cluster { nats, credentials, ca, bucket, listen, address, secret } = cluster;
        Self {
            nats: nats.into_iter().map(|NatsUrl(url)| Url(url)).collect(),
            credentials,
            ca,
            bucket: Some(bucket),
            listen: Some(listen.to_string()),
            address: Some(address).filter(|address| *address != listen.to_string()),
            secret: Some(secret),
        }
    }
}

impl NatsUrl {
    /// As it was written, with what is secret.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NatsUrl {
    type Err = ClusterError;

    fn from_str(text: &str) -> Result<Self, ClusterError> {
        let rest = ["nats://", "tls://"].iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or(ClusterError::Nats)?;
        let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        if user == HIDDEN {
            return Err(ClusterError::Hidden);
        }
        let is_url = !host.trim_matches('/').is_empty() && text.parse::<async_nats::ServerAddr>().is_ok();
        if is_url { Ok(Self(text.to_owned())) } else { Err(ClusterError::Nats) }
    }
}

impl fmt::Debug for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

impl FromStr for Url {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

impl Serialize for Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&shown(&self.0))
    }
}

/// A URL without its user and password, of which the user alone may be a token.
fn shown(url: &str) -> Cow<'_, str> {
    let Some((secret, host)) = url.rsplit_once('@') else { return url.into() };
    let scheme = secret.split_inclusive("//").next().filter(|scheme| scheme.ends_with("//")).unwrap_or_default();
    format!("{scheme}{HIDDEN}@{host}").into()
}

/// Whether a text is a host and a port.
fn is_dialable(address: &str) -> bool {
    let parts = address.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
    matches!(parts, Some((host, Ok(1..))) if !host.is_empty() && (!host.contains(':') || host.starts_with('[') && host.ends_with(']')))
}

/// In the place of a user and password.
const HIDDEN: &str = "***";
/// Where nothing else is said.
const BUCKET: &str = "bss";

#[cfg(test)]
mod tests {
    use super::*;

    fn said(nats: &str, listen: &str, address: Option<&str>) -> Said {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Said {
            nats: text(nats).map(Url).into_iter().collect(),
            listen: text(listen),
            address: address.map(str::to_owned),
            secret: Some("/etc/bss/secret".into()),
            ..Said::default()
        }
    }

    const NATS: &str = "nats://127.0.0.1:4222";

    #[test]
    fn a_node_says_where_nats_is_and_where_others_reach_it() {
        let cluster = said(NATS, "10.0.0.1:7070", None).cluster(None).expect("it fits").expect("a cluster");
        assert_eq!((cluster.bucket.as_str(), cluster.address.as_str()), ("bss", "10.0.0.1:7070"));
        let cluster = said(NATS, "0.0.0.0:7070", Some("node-1.internal:7071")).cluster(None).expect("it fits").expect("a cluster");
        assert_eq!(cluster.address, "node-1.internal:7071");
        // As another layer says, which says less.
        let said = Said { address: Some("node-2.internal:7071".to_owned()), ..Said::default() };
        let over = said.cluster(Some(cluster.clone())).expect("it fits").expect("a cluster");
        assert_eq!(over, Cluster { address: "node-2.internal:7071".to_owned(), ..cluster.clone() });
        assert_eq!(Said::from(cluster.clone()).cluster(None), Ok(Some(cluster)));
        assert_eq!(Said::default().cluster(None), Ok(None));
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_said() {
        let refused = |said: Said| said.cluster(None).expect_err("it does not fit");
        assert_eq!(refused(said("", "10.0.0.1:7070", None)), ClusterError::Alone);
        assert_eq!(refused(said(NATS, "", None)), ClusterError::Listen);
        assert!(matches!(refused(said(NATS, "here", None)), ClusterError::Bind(_)));
        assert!(matches!(refused(said(NATS, "0.0.0.0:7070", None)), ClusterError::Address(_)));
        for address in ["node", "node:0", ":7070", "::1:7070", "node:port"] {
            assert_eq!(refused(said(NATS, "0.0.0.0:7070", Some(address))), ClusterError::HostPort, "{address}");
        }
        assert_eq!(refused(Said { secret: None, ..said(NATS, "10.0.0.1:7070", None) }), ClusterError::Secret);
        assert_eq!(refused(Said { bucket: Some("a.b".to_owned()), ..said(NATS, "10.0.0.1:7070", None) }), ClusterError::Bucket);
        for other in ["127.0.0.1:4222", "http://127.0.0.1", "nats://", "nats://user@", "ws://a"] {
            assert_eq!(refused(said(other, "10.0.0.1:7070", None)), ClusterError::Nats, "{other}");
        }
    }

    #[test]
    fn threat_33_neither_a_log_nor_what_is_printed_shows_the_password_of_nats() {
        for (nats, shows) in [
            ("tls://bss:SECRET@nats.example:4222", "tls://***@nats.example:4222"),
            ("nats://SECRET@nats.example", "nats://***@nats.example"),
            ("nats://bss:SECRET@SECRET@nats.example", "nats://***@nats.example"),
            (NATS, NATS),
        ] {
            let said = said(nats, "10.0.0.1:7070", None);
            let printed = toml::to_string(&said).expect("TOML");
            assert!(printed.contains(&format!("{shows:?}")), "{printed}");
            let cluster = said.clone().cluster(None);
            for text in [printed, format!("{said:?}"), format!("{cluster:?}")] {
                assert!(!text.contains("SECRET"), "{text}");
            }
        }
        // Nobody goes on with that by mistake.
        assert_eq!(said("tls://***@nats.example", "10.0.0.1:7070", None).cluster(None), Err(ClusterError::Hidden));
        assert!(!format!("{:?}", Url("bss:SECRET@nats.example".to_owned())).contains("SECRET"), "nor what is no URL");
    }
}
