//! What the program says of itself: what it was built from, completions for shells, pages for `man`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args as Arguments, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{args::Args, failure::Failure};

/// The version, and behind it a line for each fact of the build. No path is among them.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit  ",
    env!("BSS_BUILT_COMMIT"),
    "\ntarget  ",
    env!("BSS_BUILT_TARGET"),
    "\nrustc   ",
    env!("BSS_BUILT_RUSTC"),
    "\nprofile ",
    env!("BSS_BUILT_PROFILE"),
);

/// Which shell completes.
#[derive(Debug, Arguments)]
#[command(after_help = "Where a shell looks for them:

  bss completions bash > ~/.local/share/bash-completion/completions/bss
  bss completions zsh > ~/.zfunc/_bss              that folder being one of fpath
  bss completions fish > ~/.config/fish/completions/bss.fish")]
pub struct Completions {
    /// The shell that reads them
    shell: Shell,
}

/// Which page is wanted.
#[derive(Debug, Arguments)]
#[command(after_help = "To read it, and to keep it where man looks:

  bss man | man -l -
  bss man > /usr/local/share/man/man1/bss.1
  bss man serve > /usr/local/share/man/man1/bss-serve.1")]
pub struct Page {
    /// The command that it is about; without one it is about all of bss
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

impl Completions {
    /// Prints them.
    pub fn run(&self) -> ExitCode {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Args::command(), "bss", &mut text);
        print(&text)
    }
}

impl Page {
    /// Prints the page.
    pub fn run(&self) -> ExitCode {
        let mut bss = Args::command().disable_help_subcommand(true);
        bss.build();
        let about = match &self.command {
            None => Some(&bss),
            Some(name) => bss.find_subcommand(name),
        };
        let Some(about) = about else {
            let names = bss.get_subcommands().map(Command::get_name).collect::<Vec<_>>();
            return Failure::unknown_command(&names).exit();
        };
        let mut text = Vec::new();
        let source = concat!("bss ", env!("CARGO_PKG_VERSION"));
        match Man::new(about.clone()).source(source).render(&mut text) {
            Ok(()) => print(&text),
            Err(error) => Failure::local("the page", &error).exit(),
        }
    }
}

/// All of it at once, so that a reader that goes away is noticed.
fn print(text: &[u8]) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => Failure::output(&error).exit(),
    }
}
