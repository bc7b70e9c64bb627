//! Files that only their owner may read, put there whole, and what a build lacks. The program needs it beside the API; no part of that.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Puts the file there, or finds that there is one: an error of [`io::ErrorKind::AlreadyExists`]. Of several processes one makes it.
///
/// # Errors
/// It is there, or cannot be put there; nothing is left of it then.
pub fn make(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Unlike a rename, a link never takes the place of another's file.
    put(path, bytes, |new| fs::hard_link(new, path).and_then(|()| fs::remove_file(new)))
}

/// Puts the file there, in place of one that is there.
#[cfg(feature = "tls")]
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, |new| fs::rename(new, path))
}

/// What to do about a setting that other builds have, and this one has not: a flag, a variable, or a table or key of the file.
pub fn lacking(setting: &str) -> Option<String> {
    let name = setting.trim_start_matches('-').trim_start_matches("BSS_").to_ascii_lowercase().replace('_', "-");
    let (_, feature, _) = FEATURES
        .iter()
        .find(|(of, _, is_there)| !is_there && name.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))?;
    Some(format!(
        "{setting} is not in this build of bss: build it with `cargo build --release -p browser-stream-server --features {feature}`"
    ))
}

/// How settings begin that a feature has, which that is, and whether it is in this build.
const FEATURES: [(&str, &str, bool); 3] = [
    ("cluster", "cluster", cfg!(feature = "cluster")),
    ("webtransport", "webtransport", cfg!(feature = "webtransport")),
    ("acme", "acme", cfg!(feature = "acme")),
];

fn put(path: &Path, bytes: &[u8], place: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let new = beside(path);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let put = options.open(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        place(&new)
    });
    if put.is_err() {
        // What failed is what counts; where nothing was made, nothing is there.
        let _ = fs::remove_file(&new);
    }
    put
}

/// A name of its own in the same folder.
fn beside(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    folder.join(format!(".bss-{}", uuid::Uuid::new_v4()))
}
