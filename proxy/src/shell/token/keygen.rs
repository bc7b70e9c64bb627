//! `bss token keygen`.

use std::{io, path::PathBuf, process::ExitCode};

use browser_stream_server::{private, token::SigningKey};
use clap::{Args, ValueEnum};

use super::public::tell;

/// What it is told.
#[derive(Debug, Args)]
pub struct Keygen {
    /// How tokens are made: with EdDSA who knows them cannot make any, with HS256 it can
    #[arg(long, value_enum, default_value = "EdDSA")]
    alg: Algorithm,
    /// Where the secret key is put, which `bss token mint` needs; never over one that is there
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Algorithm {
    #[value(name = "EdDSA")]
    EdDsa,
    #[value(name = "HS256")]
    Hs256,
}

impl Keygen {
    /// Makes the key, and prints what the proxy is to know of it.
    pub fn run(self) -> io::Result<ExitCode> {
        let key = match self.alg {
            Algorithm::EdDsa => SigningKey::ed25519(),
            Algorithm::Hs256 => SigningKey::hs256().map_err(io::Error::other)?,
        };
        private::make(&self.out, format!("{}\n", key.to_json()).as_bytes()).map_err(|error| self.not_put(&error))?;
        tell(&key);
        Ok(ExitCode::SUCCESS)
    }

    fn not_put(&self, error: &io::Error) -> io::Error {
        let file = self.out.display();
        let said = match error.kind() {
            // Where the shell wrote to a file what is printed, that one is empty now.
            io::ErrorKind::AlreadyExists => {
                format!("{file} is there already, and was kept as it was; `bss token public {file}` prints what the proxy is to know of it")
            }
            _ => format!("{file}: {error}"),
        };
        io::Error::new(error.kind(), said)
    }
}
