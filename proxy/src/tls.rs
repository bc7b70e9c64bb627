//! TLS of the proxy's own: with a certificate from files, or one that it makes for itself.
//!
//! See [`Identity`].

#[cfg(feature = "acme")]
mod acme;
mod certificates;
#[cfg(feature = "webtransport")]
mod fleeting;
mod made;

use std::{io, path::Path, path::PathBuf, sync::Arc};

use data_encoding::HEXUPPER;
use rustls::{ServerConfig, crypto::ring, server::ResolvesServerCert};
use sha2::{Digest, Sha256};

#[cfg(feature = "acme")]
pub use acme::{Acme, LETS_ENCRYPT};
use certificates::Certificates;
#[cfg(feature = "webtransport")]
pub(crate) use fleeting::Fleeting;

/// Who the proxy is over TLS: a certificate and its key. For [`Proxy::with_tls`](crate::Proxy::with_tls).
///
/// Cheap to clone. TLS 1.2 and 1.3, HTTP/2 for pages and HTTP/1.1 (ALPN), ring's cryptography whatever else the program has.
///
/// ```no_run
/// use std::path::Path;
///
/// use browser_stream_server::{Config, Proxy, StreamRouter, tls::Identity};
///
/// # fn example(config: Config, router: StreamRouter) -> Result<(), browser_stream_server::tls::IdentityError> {
/// let identity = Identity::of_files(Path::new("fullchain.pem"), Path::new("privkey.pem"))?;
/// let proxy = Proxy::with_tls(config, router, identity);
/// # drop(proxy);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    source: Source,
    /// Names by which it may be called, for they are in a certificate that was made for it.
    pub(crate) names: Arc<[String]>,
}

/// Where what is shown comes from.
#[derive(Clone, Debug)]
enum Source {
    Files(Arc<Certificates>),
    #[cfg(feature = "acme")]
    Authority(Arc<acme::Ordered>),
}

/// Why there is no identity; the text says what to do.
///
/// ```no_run
/// use std::path::Path;
///
/// use browser_stream_server::tls::{Identity, IdentityError};
///
/// match Identity::of_files(Path::new("cert.pem"), Path::new("key.pem")) {
///     Ok(identity) => println!("{:?}", identity.fingerprint()),
///     Err(IdentityError::Exposed { path, mode }) => println!("others may read {path:?} ({mode:o})"),
///     Err(error) => println!("{error}"), // it says what to do
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read {path:?}: {source}; check the path, and whose file it is")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{path:?} cannot be used: {why}; a PEM file is needed")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate is another key's, or of a kind that is not known.
    #[error("the certificate {certificate:?} and the key {key:?} do not fit: {why}")]
    Unfit {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
        /// What is wrong with them.
        why: String,
    },
    /// Others than its owner may read the key that the proxy keeps for itself.
    #[error("others may read the key {path:?} (mode {mode:o}): if nobody has, chmod 600 it; else delete it to have a new one made")]
    Exposed {
        /// The key's file.
        path: PathBuf,
        /// Who may do what with it.
        mode: u32,
    },
    /// A certificate cannot be made, or not be kept.
    #[error("cannot keep a certificate in {folder:?}: {why}; give a folder that may be written to with --tls-dir")]
    Make {
        /// The folder.
        folder: PathBuf,
        /// What is in the way.
        why: String,
    },
    /// There is no folder for what an authority gives.
    #[cfg(feature = "acme")]
    #[error("cannot keep the certificate of the authority in {folder:?}: {why}; or name another folder with --acme-cache")]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// What is in the way.
        why: String,
    },
}

impl Identity {
    /// From two PEM files: the certificate with those that vouch for it behind it, and its key. While a proxy serves with it, both are looked at once a
    /// minute and read again when they have changed.
    ///
    /// # Errors
    /// Where they cannot be read, hold something else, or do not fit.
    pub fn of_files(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        Self::new(Certificates::of_files(certificate, key)?, &[])
    }

    /// From a certificate that is made here and signed by nobody else, for `localhost`, the loopback addresses and `names`: host names or addresses of this machine, or wildcards such as
    /// `*.tabs.example.net`, but none of a single label: clients take no `*.localhost`.
    ///
    /// It is kept with its key in `folder` as `certificate.pem` and `key.pem`, which their owner alone may read, and is made anew where it does not hold
    /// for one of the names or ends within a month. The key stays.
    ///
    /// # Errors
    /// Where the folder cannot be written to, or holds a key that is none or that others than its owner may read.
    pub fn self_signed(folder: &Path, names: &[String]) -> Result<Self, IdentityError> {
        let made = made::read_or_make(folder, names)?;
        Self::new(Certificates::of_files(&made.certificate, &made.key)?, &made.names)
    }

    /// From an authority such as Let's Encrypt, which is asked as soon as a proxy serves with it, and again in time before the end; kept in `folder`, which
    /// only its owner may read. Until the first certificate is there, a handshake fails.
    ///
    /// # Errors
    /// Where the folder cannot be written to or others may read it, or the file of those who vouch for the authority cannot be used.
    #[cfg(feature = "acme")]
    pub fn acme(acme: &Acme, folder: &Path) -> Result<Self, IdentityError> {
        let ordered = Arc::new(acme::Ordered::new(acme, folder)?);
        let failed = |error: rustls::Error| IdentityError::Cache { folder: folder.to_owned(), why: error.to_string() };
        let mut config = config(ordered.resolver()).map_err(failed)?;
        config.alpn_protocols.push(acme::CHALLENGE.to_vec());
        Ok(Self::of(config, Source::Authority(ordered), &acme.domains))
    }

    fn new(certificates: Certificates, names: &[String]) -> Result<Self, IdentityError> {
        let certificates = Arc::new(certificates);
        let config = config(certificates.clone()).map_err(|error| certificates.unfit(&error))?;
        Ok(Self::of(config, Source::Files(certificates), names))
    }

    fn of(config: ServerConfig, source: Source, names: &[String]) -> Self {
        Self { config: Arc::new(config), source, names: names.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// The SHA-256 of the certificate as browsers show it, pairs of hex digits with colons; `None` for one of an authority, which nobody need compare.
    pub fn fingerprint(&self) -> Option<String> {
        let digits = HEXUPPER.encode(&Sha256::digest(self.files()?.leaf()));
        let pairs: Vec<_> = (0..digits.len()).step_by(2).filter_map(|at| digits.get(at..at + 2)).collect();
        Some(pairs.join(":"))
    }

    /// The file of the certificate: what a client may be told to trust where it is self-signed. `None` for one of an authority.
    pub fn certificate(&self) -> Option<&Path> {
        Some(self.files()?.file())
    }

    /// Whether nobody vouches for it but the proxy itself.
    #[cfg(feature = "webtransport")]
    pub(crate) fn is_self_signed(&self) -> bool {
        matches!(self.source, Source::Files(_)) && !self.names.is_empty()
    }

    fn files(&self) -> Option<&Certificates> {
        match &self.source {
            Source::Files(certificates) => Some(certificates),
            #[cfg(feature = "acme")]
            Source::Authority(_) => None,
        }
    }

    /// Reads the two files again now, changed or not: connections from then on are shown what they hold, and those that there are go on.
    ///
    /// # Errors
    /// Where the files cannot be used, as at first; then what was shown is shown on. What an authority gave needs no reading, and gives no error.
    pub fn reload(&self) -> Result<(), IdentityError> {
        self.files().map_or(Ok(()), Certificates::reload)
    }

    /// Reads the files again whenever they have changed, for ever. Cancel-safe.
    pub(crate) async fn keep_fresh(self) {
        match &self.source {
            Source::Files(certificates) => certificates.keep_fresh().await,
            #[cfg(feature = "acme")]
            Source::Authority(ordered) => ordered.keep_fresh().await,
        }
    }
}

/// What every handshake goes by.
fn config(shown: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(shown);
    config.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// HTTP/2 as it is agreed upon in the handshake (RFC 9113 section 3.2).
pub(crate) const HTTP_2: &[u8] = b"h2";

#[cfg(test)]
mod tests;
