//! How the proxy proves who it is over TLS, as it is said.

use std::{fmt, path::PathBuf, str::FromStr};

/// Where the certificate comes from with which the proxy speaks TLS itself.
///
/// See [`Config`](super::Config).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// From the proxy, which makes it, and keeps it with its key in this folder; without one in that of the user's state.
    SelfSigned(Option<PathBuf>),
    /// From two PEM files: the certificate with those that vouch for it, and its key. They are read again when they change.
    Files {
        /// The certificate, and those that vouch for it behind it.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// From an authority, which is asked for it.
    #[cfg(feature = "acme")]
    Acme(crate::tls::Acme),
}

/// What one layer of the settings says of TLS.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) mode: Option<Mode>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) folder: Option<PathBuf>,
    #[cfg(feature = "acme")]
    pub(super) acme: super::acme::Said,
}

/// TLS without files of one's own, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    SelfSigned,
    Off,
    #[cfg(feature = "acme")]
    Acme,
}

/// A text that is no [`Mode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write self-signed or off; certificates of your own are given by tls-cert and tls-key")]
pub(super) struct ModeError;

/// Settings of TLS that do not fit one another.
///
/// See [`ConfigError`](super::ConfigError).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// One file of two.
    #[error("--tls-cert and --tls-key (tls_cert and tls_key) belong together: give both PEM files")]
    Half,
    /// Files, and something else too.
    #[error("--tls-cert (tls_cert) brings a certificate, so --tls (tls) has nothing to say: leave one of them out")]
    Both,
    /// A folder for a certificate that is not made.
    #[error("--tls-dir (tls_dir) is where a self-signed certificate is kept: add --tls self-signed")]
    Folder,
    /// An authority is asked for names, and none is said that could have a certificate.
    #[cfg(feature = "acme")]
    #[error(
        "--tls acme needs --acme-domain (domain in [acme]): the names by which the proxy is reached at port 443, such as bss.example.com"
    )]
    AcmeDomain,
    /// An authority is asked over TLS.
    #[cfg(feature = "acme")]
    #[error("--acme-directory (directory in [acme]) is a URL: write it as https://acme.example.com/directory")]
    AcmeDirectory,
    /// What is for an authority, and none is asked, or something else is said too.
    #[cfg(feature = "acme")]
    #[error(
        "--acme-domain and its like (the table [acme]) are for --tls acme, which brings a certificate and a folder of its own: leave out one or the other"
    )]
    Acme,
}

impl Said {
    /// What it comes to: nothing said, TLS, or none.
    pub(super) fn tls(self) -> Result<Option<Option<Tls>>, TlsError> {
        #[cfg(feature = "acme")]
        if self.mode == Some(Mode::Acme) || !self.acme.is_nothing() {
            return match self {
                Self { mode: Some(Mode::Acme), certificate: None, key: None, folder: None, acme } => {
                    Ok(Some(Some(Tls::Acme(acme.acme()?))))
                }
                _ => Err(TlsError::Acme),
            };
        }
        match self {
            Self { mode: None, certificate: None, key: None, folder: None, .. } => Ok(None),
            Self { mode: None, certificate: Some(certificate), key: Some(key), folder: None, .. } => {
                Ok(Some(Some(Tls::Files { certificate, key })))
            }
            Self { mode: Some(Mode::SelfSigned), certificate: None, key: None, folder, .. } => Ok(Some(Some(Tls::SelfSigned(folder)))),
            Self { mode: Some(Mode::Off), certificate: None, key: None, folder: None, .. } => Ok(Some(None)),
            Self { certificate: Some(_), key: None, .. } | Self { certificate: None, key: Some(_), .. } => Err(TlsError::Half),
            Self { certificate: None, .. } => Err(TlsError::Folder),
            Self { mode: Some(_), .. } => Err(TlsError::Both),
            Self { .. } => Err(TlsError::Folder),
        }
    }

    /// All that a layer has to say to come to this.
    pub(super) fn of(tls: Option<&Tls>) -> Self {
        match tls.cloned() {
            Some(Tls::SelfSigned(folder)) => Self { mode: Some(Mode::SelfSigned), folder, ..Self::default() },
            Some(Tls::Files { certificate, key }) => Self { certificate: Some(certificate), key: Some(key), ..Self::default() },
            #[cfg(feature = "acme")]
            Some(Tls::Acme(acme)) => Self { mode: Some(Mode::Acme), acme: acme.into(), ..Self::default() },
            None => Self::default(),
        }
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        match text {
            "self-signed" => Ok(Self::SelfSigned),
            "off" => Ok(Self::Off),
            #[cfg(feature = "acme")]
            "acme" => Ok(Self::Acme),
            _ => Err(ModeError),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SelfSigned => "self-signed",
            Self::Off => "off",
            #[cfg(feature = "acme")]
            Self::Acme => "acme",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(mode: &str, certificate: &str, key: &str, folder: &str) -> Result<Option<Option<Tls>>, TlsError> {
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        Said {
            mode: mode.parse().ok(),
            certificate: path(certificate),
            key: path(key),
            folder: path(folder),
            #[cfg(feature = "acme")]
            acme: Default::default(),
        }
        .tls()
    }

    #[test]
    fn a_certificate_is_made_or_is_in_two_files() {
        assert_eq!(said("", "", "", ""), Ok(None));
        assert_eq!(said("off", "", "", ""), Ok(Some(None)));
        assert_eq!(said("self-signed", "", "", ""), Ok(Some(Some(Tls::SelfSigned(None)))));
        assert_eq!(said("self-signed", "", "", "d"), Ok(Some(Some(Tls::SelfSigned(Some("d".into()))))));
        assert_eq!(said("", "c", "k", ""), Ok(Some(Some(Tls::Files { certificate: "c".into(), key: "k".into() }))));
        for (mode, certificate, key, folder, why) in [
            ("", "c", "", "", TlsError::Half),
            ("self-signed", "", "k", "", TlsError::Half),
            ("self-signed", "c", "k", "", TlsError::Both),
            ("off", "c", "k", "", TlsError::Both),
            ("", "", "", "d", TlsError::Folder),
            ("off", "", "", "d", TlsError::Folder),
            ("", "c", "k", "d", TlsError::Folder),
        ] {
            assert_eq!(said(mode, certificate, key, folder), Err(why), "{mode} {certificate} {key} {folder}");
        }
    }

    #[test]
    fn what_a_layer_says_comes_to_the_same_again() {
        for tls in [Tls::SelfSigned(None), Tls::SelfSigned(Some("d".into())), Tls::Files { certificate: "c".into(), key: "k".into() }] {
            assert_eq!(Said::of(Some(&tls)).tls(), Ok(Some(Some(tls))));
        }
        assert_eq!(Said::of(None).tls(), Ok(None));
    }
}
