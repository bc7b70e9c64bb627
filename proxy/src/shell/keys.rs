//! Keys of sealed streams: where they are kept, and `bss keygen`.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use browser_stream_client::seal::{FilePins, Keys};
use clap::Args;

use super::{Failure, identity::state};

/// What `bss keygen` is told.
#[derive(Debug, Args)]
pub struct Keygen {
    /// Where the secret half is kept [default: seal-key in the folder of the user's state]
    file: Option<PathBuf>,
}

impl Keygen {
    /// Prints the public half of what is there, or of what it makes.
    pub fn run(self) -> ExitCode {
        let made = match self.file {
            Some(file) => read_or_make(&file),
            None => usual(),
        };
        match made {
            Ok(keys) => {
                println!("{}", keys.public());
                ExitCode::SUCCESS
            }
            Err(error) => Failure::local("the key", &error).exit(),
        }
    }
}

/// The keys of a file that only its owner may read; made if it is not there, never overwritten.
pub fn read_or_make(file: &Path) -> io::Result<Keys> {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            Keys::from_text(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", file.display())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(file),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", file.display()))),
    }
}

/// The same for an argument.
pub fn of_file(text: &str) -> Result<Keys, String> {
    read_or_make(Path::new(text)).map_err(|error| error.to_string())
}

/// The user's own keys.
pub fn usual() -> io::Result<Keys> {
    let folder = state().ok_or_else(|| io::Error::other("there is no folder to keep it in, for HOME is not set: name a file"))?;
    std::fs::create_dir_all(&folder)?;
    read_or_make(&folder.join("seal-key"))
}

/// The user's pins for this proxy, where there is a folder for them.
pub fn pins(proxy: &str) -> Option<FilePins> {
    Some(FilePins::new(pins_file()?, proxy))
}

/// Where they are, those for other proxies, too.
pub fn pins_file() -> Option<PathBuf> {
    Some(state()?.join("seal-pins"))
}

fn make(file: &Path) -> io::Result<Keys> {
    let keys = Keys::generate();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = options.open(file).and_then(|mut made| {
        made.write_all(format!("{}\n", *keys.to_text()).as_bytes())?;
        made.sync_all()
    });
    made.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
    Ok(keys)
}
