//! Keys of sealed streams: where they are kept, and `bss keygen`.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use browser_stream_client::seal::{FilePins, Keys};
use browser_stream_server::private;
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

/// The keys of a file that only its owner may read; made if it is not there, never overwritten. Of several runs at once one makes it, and all read the same.
pub fn read_or_make(file: &Path) -> io::Result<Keys> {
    let made = match read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match make(file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(file),
            made => made,
        },
        read => read,
    };
    made.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))
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

/// Not where others may read it, as after a careless copy: they may be the server then.
fn read(file: &Path) -> io::Result<Keys> {
    let mut opened = File::open(file)?;
    let metadata = opened.metadata()?;
    let mode = metadata.permissions().mode() & 0o777;
    // A pipe is read by who has its other end.
    if metadata.is_file() && mode & 0o077 != 0 {
        let why = format!(
            "others may read it (mode {mode:o}): if nobody has, chmod 600 it; else delete it to have a new one made, and give away the new address"
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let mut text = String::new();
    opened.read_to_string(&mut text)?;
    Keys::from_text(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn make(file: &Path) -> io::Result<Keys> {
    let keys = Keys::generate();
    private::make(file, format!("{}\n", *keys.to_text()).as_bytes())?;
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        sync::Barrier,
        thread,
    };

    use super::*;

    #[test]
    fn of_many_first_runs_at_once_one_makes_the_key_and_the_others_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        for round in 0..32 {
            let (file, start) = (folder.path().join(round.to_string()), Barrier::new(4));
            let run = || {
                start.wait();
                read_or_make(&file).map(|keys| keys.public().to_string())
            };
            let made: Vec<_> = thread::scope(|scope| [(); 4].map(|()| scope.spawn(run)).map(|run| run.join().expect("no panic")).into());
            let first = made[0].as_ref().expect("a key");
            for key in &made {
                assert_eq!(key.as_ref().expect("a key"), first);
            }
        }
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 32, "nothing is left beside them");
    }

    #[test]
    fn a_key_that_others_may_read_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        let keys = read_or_make(&file).expect("made");
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).expect("ours");
            let error = read_or_make(&file).expect_err("exposed");
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            assert!(error.to_string().contains(&format!("(mode {mode:o})")) && error.to_string().contains("chmod 600"), "{error}");
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).expect("ours");
            assert_eq!(read_or_make(&file).expect("read"), keys);
        }
    }
}
