//! The certificate that is shown, and its files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::RwLock;
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::time::sleep;

use super::IdentityError;

/// Shows every client the certificate of two files.
#[derive(Debug)]
pub(super) struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    shown: RwLock<Arc<CertifiedKey>>,
    /// When the files that are shown were written.
    written: RwLock<Written>,
}

type Written = [Option<SystemTime>; 2];

/// Between two looks whether the files have changed: whoever renews certificates does so weeks before their end.
const LOOK: Duration = Duration::from_secs(60);

impl Certificates {
    pub(super) fn of_files(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let written = written(certificate, key);
        let shown = RwLock::new(Arc::new(read(certificate, key)?));
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), shown, written: RwLock::new(written) })
    }

    /// The first certificate.
    pub(super) fn leaf(&self) -> CertificateDer<'static> {
        // There is one, or it had not been read.
        self.shown.read().cert.first().cloned().unwrap_or_else(|| Vec::new().into())
    }

    pub(super) fn file(&self) -> &Path {
        &self.certificate
    }

    pub(super) fn unfit(&self, error: &rustls::Error) -> IdentityError {
        unfit(&self.certificate, &self.key, error)
    }

    pub(super) async fn keep_fresh(&self) {
        loop {
            sleep(LOOK).await;
            self.refresh();
        }
    }

    /// Reads the files again if they have changed. Files that cannot be used are tried again at their next change.
    pub(super) fn refresh(&self) {
        if *self.written.read() == written(&self.certificate, &self.key) {
            return;
        }
        if let Err(error) = self.reload() {
            tracing::warn!("the certificate stays what it was: {error}");
        }
    }

    /// Reads the files again, changed or not. Those that cannot be used change nothing.
    pub(super) fn reload(&self) -> Result<(), IdentityError> {
        // Before they are read: what is written meanwhile is a change.
        *self.written.write() = written(&self.certificate, &self.key);
        *self.shown.write() = Arc::new(read(&self.certificate, &self.key)?);
        tracing::info!("the certificate {:?} was read again", self.certificate);
        Ok(())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.read().clone())
    }
}

fn written(certificate: &Path, key: &Path) -> Written {
    // A file that is not there is told when it is read.
    [certificate, key].map(|path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, IdentityError> {
    let chain = pem(certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.map_err(|error| malformed(certificate, &error))?;
    if chain.is_empty() {
        return Err(IdentityError::Malformed { path: certificate.to_owned(), why: "it has no certificate".into() });
    }
    let private = PrivateKeyDer::from_pem_slice(&pem(key)?).map_err(|error| malformed(key, &error))?;
    CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(|error| unfit(certificate, key, &error))
}

pub(super) fn pem(path: &Path) -> Result<Vec<u8>, IdentityError> {
    fs::read(path).map_err(|source: io::Error| IdentityError::Read { path: path.to_owned(), source })
}

fn malformed(path: &Path, error: &pem::Error) -> IdentityError {
    let why = match error {
        pem::Error::NoItemsFound => "it has no key".into(),
        other => other.to_string(),
    };
    IdentityError::Malformed { path: path.to_owned(), why }
}

fn unfit(certificate: &Path, key: &Path, error: &rustls::Error) -> IdentityError {
    IdentityError::Unfit { certificate: certificate.to_owned(), key: key.to_owned(), why: error.to_string() }
}
