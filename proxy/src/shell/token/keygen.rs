//! `bss token keygen`.

use std::{
    io::{self, Write, stderr},
    path::PathBuf,
    process::ExitCode,
};

use browser_stream_server::{private, token::SigningKey};
use clap::{Args, ValueEnum};

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
        private::make(&self.out, format!("{}\n", key.to_json()).as_bytes())
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.out.display())))?;
        if key.is_shared() {
            writeln!(
                stderr(),
                "bss: with HS256 what is printed is the secret itself: let nobody read it but the proxy, and chmod 600 the file"
            )?;
        }
        println!("{}", key.jwks());
        Ok(ExitCode::SUCCESS)
    }
}
