//! Certificates from an authority that gives them by itself (ACME, RFC 8555), for proof in the handshake of TLS (tls-alpn-01, RFC 8737).

use std::{
    fmt, fs,
    future::pending,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::StreamExt;
use parking_lot::Mutex;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
    server::ResolvesServerCert,
};
use rustls_acme::{AcmeConfig, AcmeState, EventOk, caches::DirCache};

use super::{IdentityError, certificates, made};

/// What an authority is asked for. For [`Identity::acme`](super::Identity::acme).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The names that the certificate is for. The authority goes to port 443 of each, which must lead to the proxy.
    pub domains: Vec<String>,
    /// Who is written to when something is wrong with the account, as URLs: `mailto:me@example.com`.
    pub contacts: Vec<String>,
    /// The URL of the authority's directory.
    pub directory: String,
    /// A PEM file with those who vouch for the directory, where they are not among those whom browsers believe.
    pub ca: Option<PathBuf>,
    /// Where the certificate, its key and that of the account are kept; `bss` keeps them in the folder of the user's state where this says nothing.
    pub cache: Option<PathBuf>,
}

/// Let's Encrypt, whom every browser believes.
pub const LETS_ENCRYPT: &str = rustls_acme::acme::LETS_ENCRYPT_PRODUCTION_DIRECTORY;

/// The certificate of an authority, asked for and renewed as long as somebody waits for that.
pub(super) struct Ordered {
    resolver: Arc<dyn ResolvesServerCert>,
    /// Gone to whoever keeps it fresh.
    state: Mutex<Option<AcmeState<io::Error>>>,
}

impl Ordered {
    pub(super) fn new(acme: &Acme, folder: &Path) -> Result<Self, IdentityError> {
        let failed = |why: String| IdentityError::Cache { folder: folder.to_owned(), why };
        made::make_folder(folder).map_err(|error| failed(error.to_string()))?;
        // The keys in it are written as anybody's: the folder keeps others out.
        let mode = fs::metadata(folder).map_err(|error| failed(error.to_string()))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(failed(format!("others may read what is in it (mode {mode:o}), chmod 700 it")));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| failed(error.to_string()))?;
        let client = Arc::new(builder.with_root_certificates(roots(acme.ca.as_deref())?).with_no_client_auth());
        let config = AcmeConfig::new_with_client_config(&acme.domains, client);
        let state = config.contact(&acme.contacts).directory(&acme.directory).cache(DirCache::new(folder.to_owned())).state();
        Ok(Self { resolver: state.resolver(), state: Mutex::new(Some(state)) })
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        self.resolver.clone()
    }

    /// Asks, proves, keeps and renews, for ever. What goes wrong is said and tried again, later each time.
    pub(super) async fn keep_fresh(&self) {
        // Unless somebody does it already.
        let state = self.state.lock().take();
        let Some(mut state) = state else { return pending().await };
        while let Some(event) = state.next().await {
            match event {
                Ok(EventOk::DeployedCachedCert) => tracing::info!("the certificate that was kept is shown"),
                Ok(EventOk::DeployedNewCert) => tracing::info!("a new certificate is shown"),
                Ok(EventOk::CertCacheStore | EventOk::AccountCacheStore) => {}
                Err(error) => tracing::warn!("no certificate from the authority, it is asked again later: {error}"),
            }
        }
    }
}

impl fmt::Debug for Ordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ordered").finish_non_exhaustive()
    }
}

/// Whom to believe that it is the authority.
fn roots(file: Option<&Path>) -> Result<RootCertStore, IdentityError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = file else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    let malformed = |why: String| IdentityError::Malformed { path: path.to_owned(), why };
    for certificate in CertificateDer::pem_slice_iter(&certificates::pem(path)?) {
        let certificate = certificate.map_err(|error| malformed(error.to_string()))?;
        roots.add(certificate).map_err(|error| malformed(error.to_string()))?;
    }
    if roots.is_empty() { Err(malformed("it has no certificate".into())) } else { Ok(roots) }
}

/// How the authority says in the handshake that it looks for its proof.
pub(super) const CHALLENGE: &[u8] = rustls_acme::acme::ACME_TLS_ALPN_NAME;
