//! Tokens: `bss token` makes keys and tokens and looks at them, and `bss serve --tokens` knows peers by them.

mod guard;
mod inspect;
mod keygen;
mod mint;
mod public;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::{inspect::Inspect, keygen::Keygen, mint::Mint, public::Public};
use super::Failure;

pub use guard::{authorizer, keep_fresh};

/// What `bss token` is told.
#[derive(Debug, Args)]
pub struct Token {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Make a key that makes tokens, and print the JWKS by which a proxy knows them: `bss serve --tokens`
    Keygen(Keygen),
    /// Print the JWKS of a key that was made before
    Public(Public),
    /// Make a token and print it
    Mint(Box<Mint>),
    /// Print what a token says, and whether it holds
    Inspect(Inspect),
}

impl Token {
    /// Does it.
    pub fn run(self) -> ExitCode {
        let done = match self.task {
            Task::Keygen(keygen) => keygen.run(),
            Task::Public(public) => public.run(),
            Task::Mint(mint) => mint.run(),
            Task::Inspect(inspect) => inspect.run(),
        };
        match done {
            Ok(code) => code,
            Err(error) => Failure::local("the token", &error).exit(),
        }
    }
}
