//! A certificate that the proxy makes for itself, and keeps.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use super::{IdentityError, certificates};
use crate::private;

/// What is in the folder now.
pub(super) struct Made {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// All that the certificate is for.
    pub(super) names: Vec<String>,
}

/// What every such certificate is for.
const ALWAYS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// So many names are remembered: those of networks where the machine was before, so that it may come back with the same certificate.
const NAMES_MAX: usize = 64;
/// Apple's systems take none that lasts longer.
const LASTS: Duration = Duration::from_secs(820 * DAY);
/// One that ends sooner is made anew.
const LEFT_MIN: Duration = Duration::from_secs(30 * DAY);
/// For clocks that are behind ours.
const BEFORE: Duration = Duration::from_secs(DAY);
const DAY: u64 = 24 * 60 * 60;
/// Before the names, in front of the certificate.
const FOR: &str = "browser-stream-server, for: ";

/// The certificate in this folder if it holds for all of `names`, else a new one for these and those of before.
pub(super) fn read_or_make(folder: &Path, names: &[String]) -> Result<Made, IdentityError> {
    let failed = |why: &dyn std::fmt::Display| IdentityError::Make { folder: folder.to_owned(), why: why.to_string() };
    make_folder(folder).map_err(|error| failed(&error))?;
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let wanted = || ALWAYS.into_iter().map(str::to_owned).chain(names.iter().cloned()).filter(|name| is_name(name));
    let pair = key_pair(&key, &failed)?;
    let before = fs::read_to_string(&certificate).unwrap_or_default();
    let mut known: Vec<String> =
        before.lines().find_map(|line| line.strip_prefix(FOR)).unwrap_or_default().split(' ').map(str::to_owned).collect();
    known.retain(|name| is_name(name));
    if certificates_fit(&certificate, &key) && holds(before.as_bytes(), wanted()) {
        return Ok(Made { certificate, key, names: known });
    }
    let mut all: Vec<String> = Vec::new();
    for name in wanted().chain(known) {
        if !all.contains(&name) && all.len() < NAMES_MAX {
            all.push(name);
        }
    }
    let pem = issue(&all, &pair).map_err(|error| failed(&error))?;
    private::replace(&certificate, format!("{FOR}{}\n{pem}", all.join(" ")).as_bytes()).map_err(|error| failed(&error))?;
    Ok(Made { certificate, key, names: all })
}

pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn key_pair(path: &Path, failed: &dyn Fn(&dyn std::fmt::Display) -> IdentityError) -> Result<KeyPair, IdentityError> {
    let made = KeyPair::generate().map_err(|error| failed(&error))?;
    match private::make(path, made.serialize_pem().as_bytes()) {
        Ok(()) => return Ok(made),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(&error)),
    }
    check_owned(path)?;
    let malformed = |why: String| IdentityError::Malformed { path: path.to_owned(), why };
    let pem = String::from_utf8(certificates::pem(path)?).map_err(|error| malformed(error.to_string()))?;
    KeyPair::from_pem(&pem).map_err(|error| malformed(format!("{error}; delete it to have a new one made")))
}

/// Refuses a key that somebody else may read, as after a careless copy.
#[cfg(unix)]
fn check_owned(path: &Path) -> Result<(), IdentityError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(path).map_err(|source| IdentityError::Read { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(IdentityError::Exposed { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn check_owned(_: &Path) -> Result<(), IdentityError> {
    Ok(())
}

fn certificates_fit(certificate: &Path, key: &Path) -> bool {
    certificates::Certificates::of_files(certificate, key).is_ok()
}

/// Whether it is valid for a while and for all these names; but for addresses of IPv6, of which machines take new ones every day.
fn holds(pem: &[u8], names: impl Iterator<Item = String>) -> bool {
    let Ok(certificate) = CertificateDer::from_pem_slice(pem) else { return false };
    let mut roots = RootCertStore::empty();
    if roots.add(certificate.clone()).is_err() {
        return false;
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()));
    let (Ok(verifier), Ok(now)) = (builder.build(), SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)) else { return false };
    let then = UnixTime::since_unix_epoch(now + LEFT_MIN);
    names
        .filter(|name| !matches!(name.parse(), Ok(IpAddr::V6(_))))
        .map(|name| name.replacen('*', "any", 1))
        .all(|name| ServerName::try_from(name).is_ok_and(|name| verifier.verify_server_cert(&certificate, &[], &name, &[], then).is_ok()))
}

/// What can stand in a certificate. A wildcard must have two labels behind it, or hardly any client takes it: not `*.localhost`.
fn is_name(name: &str) -> bool {
    let whole = name.strip_prefix("*.").filter(|domain| domain.contains('.')).unwrap_or(name);
    ServerName::try_from(whole).is_ok()
}

fn issue(names: &[String], key: &KeyPair) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, "browser-stream-server");
    params.distinguished_name = subject;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = SystemTime::now();
    (params.not_before, params.not_after) = ((now - BEFORE).into(), (now + LASTS).into());
    Ok(params.self_signed(key)?.pem())
}
