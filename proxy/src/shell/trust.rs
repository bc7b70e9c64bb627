//! Whose certificates are believed.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

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
