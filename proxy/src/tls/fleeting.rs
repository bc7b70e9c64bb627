//! A certificate that nobody signed and that is soon over: what a page takes for WebTransport when it was told its hash (`serverCertificateHashes`).

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::{
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};

/// Shows every client a certificate of its own making, which lives in memory only.
#[derive(Debug)]
pub(crate) struct Fleeting(Mutex<Shown>);

#[derive(Clone, Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    hash: [u8; 32],
    /// Another is shown from then on.
    until: SystemTime,
}

impl Fleeting {
    /// # Errors
    /// The system has no randomness, or not the time of day.
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self(Mutex::new(make(SystemTime::now())?)))
    }

    /// The SHA-256 of the certificate that is shown now, in DER.
    pub(crate) fn hash(&self) -> [u8; 32] {
        self.at(SystemTime::now()).hash
    }

    /// What is shown at this time: another where the one before has been for long enough.
    fn at(&self, now: SystemTime) -> Shown {
        let mut shown = self.0.lock();
        if now >= shown.until {
            match make(now) {
                Ok(made) => *shown = made,
                Err(error) => tracing::warn!("the certificate for WebTransport stays what it was: {error}"),
            }
        }
        shown.clone()
    }
}

impl ResolvesServerCert for Fleeting {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.at(SystemTime::now()).key)
    }
}

fn make(now: SystemTime) -> Result<Shown, String> {
    // ECDSA on P-256: browsers take no RSA here.
    let pair = KeyPair::generate().map_err(|error| error.to_string())?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).map_err(|error| error.to_string())?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, "browser-stream-server");
    params.distinguished_name = subject;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = ((now - BEFORE).into(), (now + LASTS).into());
    let certificate = params.self_signed(&pair).map_err(|error| error.to_string())?.der().clone();
    let hash = Sha256::digest(&certificate).into();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.serialize_der()));
    let key = CertifiedKey::from_der(vec![certificate], private, &ring::default_provider()).map_err(|error| error.to_string())?;
    Ok(Shown { key: Arc::new(key), hash, until: now + SHOWN })
}

/// Clocks differ.
const BEFORE: Duration = Duration::from_secs(24 * 60 * 60);
/// With the day before it less than the fourteen days that browsers allow.
const LASTS: Duration = Duration::from_secs(12 * 24 * 60 * 60);
/// Who was told its hash has days to come.
const SHOWN: Duration = Duration::from_secs(6 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_shown_for_some_days_and_then_another() {
        let now = SystemTime::now();
        let fleeting = Fleeting(Mutex::new(make(now).expect("a certificate")));
        let first = fleeting.at(now).hash;
        assert_eq!(fleeting.at(now + SHOWN - Duration::from_secs(1)).hash, first);
        let second = fleeting.at(now + SHOWN).hash;
        assert_ne!(second, first);
        assert_eq!(fleeting.at(now + SHOWN + SHOWN - Duration::from_secs(1)).hash, second);
        assert!(BEFORE + LASTS <= Duration::from_secs(14 * 24 * 60 * 60), "browsers take none that lasts longer");
        assert!(SHOWN < LASTS / 2 + Duration::from_secs(1), "whoever was told its hash has as long again");
    }
}
