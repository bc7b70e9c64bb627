//! `bss token public`.

use std::{fs, io, path::Path, path::PathBuf, process::ExitCode};

use browser_stream_server::token::SigningKey;
use clap::Args;

use crate::shell::standard::say;

/// What it is told.
#[derive(Debug, Args)]
pub struct Public {
    /// The signing key, as `bss token keygen` wrote it
    #[arg(value_name = "FILE")]
    key: PathBuf,
}

impl Public {
    /// Prints what the proxy is to know of it, as when it was made.
    pub fn run(self) -> io::Result<ExitCode> {
        tell(&signing(&self.key)?);
        Ok(ExitCode::SUCCESS)
    }
}

/// The signing key of that file.
pub(super) fn signing(file: &Path) -> io::Result<SigningKey> {
    let bad = |error: String| io::Error::other(format!("{}: {error}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
    SigningKey::from_json(&text).map_err(|error| bad(error.to_string()))
}

/// Prints what the proxy is to know of a key, and says so if that is a secret.
pub(super) fn tell(key: &SigningKey) {
    if key.is_shared() {
        say("with HS256 what is printed is the secret itself: let nobody read it but the proxy, and chmod 600 the file");
    }
    println!("{}", key.jwks());
}
