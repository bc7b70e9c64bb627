//! ACME, as it is said: by flags, in the environment, and in the table `[acme]` of the file.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;
use rustls::pki_types::DnsName;
use serde::{Deserialize, Serialize};

use super::TlsError;
use crate::tls::{Acme, LETS_ENCRYPT};

/// What one layer of the settings says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Said {
    /// With --tls acme: a name that the certificate is for, whose port 443 leads here; may be given several times
    #[arg(long = "acme-domain", env = "BSS_ACME_DOMAIN", value_name = "NAME", value_delimiter = ',')]
    domain: Vec<String>,
    /// Whom the authority writes to, such as me@example.com; may be given several times
    #[arg(long = "acme-contact", env = "BSS_ACME_CONTACT", value_name = "ADDRESS", value_delimiter = ',')]
    contact: Vec<String>,
    /// Keep the certificate and its keys in this folder [default: acme in $STATE_DIRECTORY, which systemd sets, else browser-stream-server/acme in ~/.local/state]
    #[arg(long = "acme-cache", env = "BSS_ACME_CACHE", value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// The directory of the authority [default: that of Let's Encrypt]
    #[arg(long = "acme-directory", env = "BSS_ACME_DIRECTORY", value_name = "URL")]
    directory: Option<String>,
    /// Who vouches for that directory, a PEM file [default: those whom browsers believe]
    #[arg(long = "acme-ca", env = "BSS_ACME_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Said {
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Every file and folder that it names.
    pub(super) fn paths(&mut self) -> [&mut Option<PathBuf>; 2] {
        [&mut self.cache, &mut self.ca]
    }

    /// What it comes to.
    pub(super) fn acme(self) -> Result<Acme, TlsError> {
        let Self { domain, contact, cache, directory, ca } = self;
        let domains: Vec<_> = domain.iter().map(|name| name.to_ascii_lowercase()).collect();
        // An address is written like a name, and authorities have none for what is known in one network only.
        let has_none = |name: &String| DnsName::try_from(name.as_str()).is_err() || !name.contains('.') || name.parse::<IpAddr>().is_ok();
        if domains.is_empty() || domains.iter().any(has_none) {
            return Err(TlsError::AcmeDomain);
        }
        let directory = directory.unwrap_or_else(|| LETS_ENCRYPT.to_owned());
        if !directory.starts_with("https://") {
            return Err(TlsError::AcmeDirectory);
        }
        let contacts = contact.into_iter().map(|address| if address.contains(':') { address } else { format!("mailto:{address}") });
        Ok(Acme { domains, contacts: contacts.collect(), directory, ca, cache })
    }
}

impl From<Acme> for Said {
    fn from(acme: Acme) -> Self {
        let Acme { domains, contacts, directory, ca, cache } = acme;
        Self { domain: domains, contact: contacts, cache, directory: Some(directory), ca }
    }
}
