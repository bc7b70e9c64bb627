//! The files of keys and of tokens that were taken back, and whether they have changed.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use parking_lot::Mutex;

use super::{KeyError, keys::Keys};

/// A file of keys, or of tokens that were taken back, that cannot be used; the text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// It cannot be read.
    #[error("cannot read {0:?}: {1}; check the path, and whose file it is")]
    Read(PathBuf, io::Error),
    /// Its keys cannot be used.
    #[error("the keys {0:?} cannot be used: {1}")]
    Keys(PathBuf, KeyError),
}

/// A file as it was when it was last looked at.
pub(super) struct Seen {
    pub path: PathBuf,
    state: Mutex<Option<State>>,
}

/// When a file was last written, and how long it is; a file that was put in its place is another one.
type State = (SystemTime, u64);

/// Tokens that were taken back.
#[derive(Default)]
pub(super) struct Withdrawn {
    ids: HashSet<String>,
    subs: HashSet<String>,
}

impl Seen {
    /// To be called before the file is read, so that no change is missed.
    pub fn look(path: &Path) -> Self {
        Self { path: path.to_owned(), state: Mutex::new(state(path)) }
    }

    /// Whether it is another than when it was last asked.
    pub fn has_changed(&self) -> bool {
        let now = state(&self.path);
        std::mem::replace(&mut *self.state.lock(), now) != now
    }
}

fn state(path: &Path) -> Option<State> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

pub(super) fn keys(path: &Path) -> Result<Keys, KeysError> {
    Keys::parse(&read(path)?).map_err(|error| KeysError::Keys(path.to_owned(), error))
}

pub(super) fn withdrawn(path: &Path) -> Result<Withdrawn, KeysError> {
    let text = read(path)?;
    let mut withdrawn = Withdrawn::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("sub:") {
            Some(sub) => withdrawn.subs.insert(sub.to_owned()),
            None => withdrawn.ids.insert(line.to_owned()),
        };
    }
    Ok(withdrawn)
}

fn read(path: &Path) -> Result<String, KeysError> {
    fs::read_to_string(path).map_err(|error| KeysError::Read(path.to_owned(), error))
}

impl Withdrawn {
    /// Whether that token is one of them, or all of that `sub` are.
    pub fn names(&self, sub: Option<&str>, id: Option<&str>) -> bool {
        sub.is_some_and(|sub| self.subs.contains(sub)) || id.is_some_and(|id| self.ids.contains(id))
    }
}
