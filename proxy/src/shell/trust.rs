//! Whose certificates are believed.

use std::{io, path::Path, str::FromStr, sync::Arc};

use data_encoding::{HEXLOWER, HEXUPPER};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use sha2::{Digest, Sha256};

use super::Failure;

/// Believes those that the certificates of this PEM file vouch for, and no others.
pub fn trusting(file: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let cannot =
        |why: &dyn std::fmt::Display| Failure::local(format_args!("cannot trust {}", file.display()), &io::Error::other(why.to_string()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| cannot(&error))? {
        roots.add(certificate.map_err(|error| cannot(&error))?).map_err(|error| cannot(&error))?;
    }
    if roots.is_empty() {
        return Err(cannot(&"it has no certificate: a PEM file is needed"));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    Ok(Arc::new(builder.map_err(|error| cannot(&error))?.with_root_certificates(roots).with_no_client_auth()))
}

/// The SHA-256 of a certificate: the only one that is believed, whatever its names and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Believes this certificate and no other.
    pub fn trusting(self) -> Result<Arc<ClientConfig>, Failure> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| Failure::local("TLS", &io::Error::other(error)))?;
        let pinned = Arc::new(Pinned { fingerprint: self, provider });
        Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(pinned).with_no_client_auth()))
    }
}

impl FromStr for Fingerprint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let digits: String = text.chars().filter(|digit| *digit != ':').map(|digit| digit.to_ascii_lowercase()).collect();
        let bytes = HEXLOWER.decode(digits.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("write the SHA-256 of a certificate as 64 hex digits, with colons or without, as `bss serve --tls` prints it")
    }
}

/// Looks at nothing but the fingerprint; that the far side has the certificate's key is proved by its signature, as ever.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

/// The certificate is another one.
#[derive(Debug, thiserror::Error)]
#[error("its fingerprint is {0}, and not the one that was given")]
struct Another(String);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found: [u8; 32] = Sha256::digest(certificate).into();
        if found == self.fingerprint.0 {
            return Ok(ServerCertVerified::assertion());
        }
        let another = Another(HEXUPPER.encode(&found));
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(another)))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why the far side's certificate is not believed, where that is what went wrong.
pub fn distrust(error: &io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref()? {
        Error::InvalidCertificate(CertificateError::Other(OtherError(another))) => Some(another.to_string()),
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => Some("nobody whom this machine trusts vouches for it".into()),
        error @ Error::InvalidCertificate(_) => Some(error.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_browsers_and_tools_write_it() {
        let colons = ["AB"; 32].join(":");
        for text in [&colons, &"ab".repeat(32), &"Ab".repeat(32)] {
            assert_eq!(text.parse(), Ok(Fingerprint([0xab; 32])), "{text}");
        }
        for text in ["", "ab", &"xy".repeat(32), &"ab".repeat(33)] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }
}
