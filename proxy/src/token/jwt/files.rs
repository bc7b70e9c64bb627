//! The files of keys and of tokens that were taken back, and whether they have changed.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use parking_lot::Mutex;

use super::{KeyError, keys::Keys};

/// A file of keys, or of tokens that were taken back, that cannot be used; the text says what to do.
///
/// ```
/// use browser_stream_server::token::{JwtAuthorizer, KeysError};
///
/// match JwtAuthorizer::open("/nowhere/keys.json") {
///     Err(KeysError::Read(path, error)) => println!("{path:?}: {error}"),
///     Err(error) => println!("{error}"), // it says what to do
///     Ok(authorizer) => drop(authorizer),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// It cannot be read.
    #[error("cannot read {0:?}: {1}; check the path, and whose file it is")]
    Read(PathBuf, io::Error),
    /// Its keys cannot be used.
    #[error("the keys {0:?} cannot be used: {1}")]
    Keys(PathBuf, KeyError),
    /// Others than its owner may read a key that makes tokens, too.
    #[error(
        "others may read the keys {0:?} (mode {1:o}), and with the one of HS256 make tokens: if nobody has, chmod 600 it; else make a new one"
    )]
    Exposed(PathBuf, u32),
    /// It named tokens that were taken back, and is empty now: maybe it is only being written.
    #[error(
        "{0:?} is empty and was not: if that is meant, it counts when it is looked at once more; to change it write another file and rename that"
    )]
    Emptied(PathBuf),
}

/// No more lines are told that look wrong.
const LINES_MAX: usize = 16;

/// A file as it was when it was last looked at.
pub(super) struct Seen {
    pub path: PathBuf,
    state: Mutex<Option<State>>,
    /// It was found empty, and was not believed.
    is_doubted: AtomicBool,
}

/// When a file was last written, and how long it is; a file that was put in its place is another one.
type State = (SystemTime, u64);

/// Tokens that were taken back.
#[derive(Default)]
pub(super) struct Withdrawn {
    ids: HashSet<String>,
    subs: HashSet<String>,
    /// Lines, from 1, that take something back which hardly any token has.
    doubtful: Vec<usize>,
    /// There is nothing in the file, not even a word for people.
    is_blank: bool,
}

impl Seen {
    /// To be called before the file is read, so that no change is missed.
    pub fn look(path: &Path) -> Self {
        Self { path: path.to_owned(), state: Mutex::new(state(path)), is_doubted: AtomicBool::new(false) }
    }

    /// Whether it is another than when it was last asked.
    pub fn has_changed(&self) -> bool {
        let now = state(&self.path);
        std::mem::replace(&mut *self.state.lock(), now) != now
    }

    /// What takes the place of `before`. Who writes the file anew in place empties it first: so what was taken back holds on until it is looked at once more.
    pub fn withdrawn(&self, before: &Withdrawn) -> Result<Withdrawn, KeysError> {
        let withdrawn = withdrawn(&self.path)?;
        let is_emptied = withdrawn.is_blank && !before.is_blank;
        if is_emptied && !self.is_doubted.swap(is_emptied, Ordering::Relaxed) {
            // Other than whatever it is then.
            *self.state.lock() = None;
            return Err(KeysError::Emptied(self.path.clone()));
        }
        self.is_doubted.store(false, Ordering::Relaxed);
        Ok(withdrawn)
    }
}

fn state(path: &Path) -> Option<State> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

pub(super) fn keys(path: &Path) -> Result<Keys, KeysError> {
    let keys = Keys::parse(&read(path)?).map_err(|error| KeysError::Keys(path.to_owned(), error))?;
    match exposure(path) {
        Some(mode) if keys.are_secret() => Err(KeysError::Exposed(path.to_owned(), mode)),
        _ => Ok(keys),
    }
}

/// Who may do what with a file that others may read. A pipe is read by who has its other end.
#[cfg(unix)]
fn exposure(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn exposure(_: &Path) -> Option<u32> {
    None
}

pub(super) fn withdrawn(path: &Path) -> Result<Withdrawn, KeysError> {
    let text = read(path)?;
    let mut withdrawn = Withdrawn { is_blank: text.is_empty(), ..Withdrawn::default() };
    for (index, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        if is_doubtful(line) {
            withdrawn.doubtful.push(index + 1);
        }
        match line.strip_prefix("sub:") {
            Some(sub) => withdrawn.subs.insert(sub.trim_start().to_owned()),
            None => withdrawn.ids.insert(line.to_owned()),
        };
    }
    Ok(withdrawn)
}

/// Whether a line is no `jti` and no `sub:` with a name, or one only together with what was not meant as a part of it.
fn is_doubtful(line: &str) -> bool {
    let named = line.strip_prefix("sub:").map(str::trim_start);
    let is_of_another_form = |line: &str| {
        line.split_once([':', '=']).is_some_and(|(form, _)| ["sub", "jti", "kid", "key"].contains(&form.to_ascii_lowercase().trim()))
    };
    let what = named.unwrap_or(line);
    what.is_empty() || what.chars().any(|c| c.is_whitespace() || c.is_control()) || named.is_none() && is_of_another_form(line)
}

fn read(path: &Path) -> Result<String, KeysError> {
    fs::read_to_string(path).map_err(|error| KeysError::Read(path.to_owned(), error))
}

impl Withdrawn {
    /// Says what there is, and which lines look wrong.
    pub fn tell(&self, file: &Path) {
        let doubtful = &self.doubtful;
        tracing::info!(?file, subs = self.subs.len(), jtis = self.ids.len(), "tokens that are taken back");
        if !doubtful.is_empty() {
            let lines = &doubtful[..doubtful.len().min(LINES_MAX)];
            tracing::warn!(
                ?file,
                ?lines,
                in_all = doubtful.len(),
                "lines that may take nothing back: each is to be a jti, or sub: and whose, with nothing behind it"
            );
        }
    }

    /// Whether that token is one of them, or all of that `sub` are.
    pub fn names(&self, sub: Option<&str>, id: Option<&str>) -> bool {
        sub.is_some_and(|sub| self.subs.contains(sub)) || id.is_some_and(|id| self.ids.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_17_lines_that_take_nothing_back_are_known_by_their_number() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text = "# people\nsub:ann\nsub: bob \nsub:carl extra\n\n6f2\nsub:\njti:7\nSub:dan\nsub = eve\n7 # bob's\na:b\n";
        fs::write(file.path(), text).expect("written");
        let withdrawn = withdrawn(file.path()).expect("readable");
        assert_eq!(withdrawn.doubtful, [4, 7, 8, 9, 10, 11]);
        assert!(withdrawn.names(Some("bob"), None) && withdrawn.names(Some("carl extra"), None) && withdrawn.names(None, Some("a:b")));
    }
}
