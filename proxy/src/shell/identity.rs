//! The certificate with which `bss serve` speaks TLS.

use std::{env, path::PathBuf};

use browser_stream_server::{Config, config::Tls, tls::Identity};

use super::here;

/// The folder in that of the user's state.
const FOLDER: &str = "browser-stream-server";

/// Reads it, or makes one and keeps it: for this machine, and the hosts of names.
pub fn identity(tls: &Tls, config: &Config) -> anyhow::Result<Identity> {
    let self_signed = |folder: PathBuf| {
        let hosts = config.http_hosts().into_iter().map(|host| host.to_string());
        let names: Vec<_> = here::names().into_iter().chain(hosts).collect();
        Ok(Identity::self_signed(&folder, &names)?)
    };
    match tls {
        Tls::Files { certificate, key } => Ok(Identity::of_files(certificate, key)?),
        Tls::SelfSigned(Some(folder)) => self_signed(folder.clone()),
        #[cfg(feature = "acme")]
        Tls::Acme(acme) => match acme.cache.clone().or_else(|| Some(state()?.join("acme"))) {
            Some(folder) => Ok(Identity::acme(acme, &folder)?),
            None => anyhow::bail!("there is no folder to keep the certificate in, for HOME is not set: name one with --acme-cache"),
        },
        Tls::SelfSigned(None) => match state() {
            Some(folder) => self_signed(folder),
            None => anyhow::bail!("there is no folder to keep the certificate in, for HOME is not set: name one with --tls-dir"),
        },
    }
}

/// The folder of the user's state, if there can be one.
pub fn state() -> Option<PathBuf> {
    usual(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

/// Where state is kept: by what systemd says, by XDG, or in the home folder.
fn usual(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local").join("state")));
    variable("STATE_DIRECTORY").or_else(|| Some(state?.join(FOLDER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_kept_where_the_system_says() {
        let folder = |said: &[(&str, &str)]| {
            let said: Vec<_> = said.iter().map(|(name, value)| ((*name).to_owned(), PathBuf::from(value))).collect();
            usual(|name| said.iter().find(|(said, _)| said == name).map(|(_, value)| value.clone()))
        };
        assert_eq!(folder(&[("HOME", "/me")]), Some("/me/.local/state/browser-stream-server".into()));
        assert_eq!(folder(&[("HOME", "/me"), ("XDG_STATE_HOME", "/s")]), Some("/s/browser-stream-server".into()));
        assert_eq!(folder(&[("HOME", "/me"), ("STATE_DIRECTORY", "/var/lib/bss")]), Some("/var/lib/bss".into()));
        assert_eq!(folder(&[]), None);
    }
}
