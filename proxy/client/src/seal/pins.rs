//! Keys that were believed once, and from then on are the only ones that are.

use std::{
    collections::HashMap,
    fs::OpenOptions,
    io::{self, Write},
    path::PathBuf,
};

use browser_stream_protocol::Name;
use parking_lot::Mutex;

use super::PublicKey;

/// Remembers the key that each server showed first. For who has a name and no address: the first answer is believed.
///
/// ```
/// use browser_stream_client::seal::{Keys, MemoryPins, Pins};
///
/// let (pins, first, second) = (MemoryPins::default(), Keys::generate().public(), Keys::generate().public());
/// assert!(pins.get("NAME")?.is_none());
/// assert_eq!(pins.set("NAME", first)?, first);
/// assert_eq!(pins.set("NAME", second)?, first, "the first one stays");
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Pins: Send + Sync {
    /// The key of the server with that name, if it was ever pinned.
    ///
    /// # Errors
    /// The pins cannot be read: nothing is connected to then.
    fn get(&self, name: &str) -> io::Result<Option<PublicKey>>;

    /// Pins it, unless the name has a key by now: the one that counts from now on, which is the first.
    ///
    /// # Errors
    /// It cannot be kept: nothing is connected to then.
    fn set(&self, name: &str, key: PublicKey) -> io::Result<PublicKey>;
}

/// Pins for as long as they live: what a client has that is given no others.
///
/// See [`Pins`].
#[derive(Debug, Default)]
pub struct MemoryPins(Mutex<HashMap<String, PublicKey>>);

impl Pins for MemoryPins {
    fn get(&self, name: &str) -> io::Result<Option<PublicKey>> {
        Ok(self.0.lock().get(name).copied())
    }

    fn set(&self, name: &str, key: PublicKey) -> io::Result<PublicKey> {
        Ok(*self.0.lock().entry(name.to_owned()).or_insert(key))
    }
}

/// Pins in a file that many programs share: a line for each, key, proxy and name. To forget a pin, remove its line. Empty lines and such as begin with `#` are
/// yours; with any other in it no pin is believed, for it may have been one.
///
/// ```no_run
/// use browser_stream_client::{Peer, seal::{FilePins, Sealing}};
///
/// # async fn example() -> anyhow::Result<()> {
/// let url = "wss://host/mux";
/// let client = Peer::dial(url).await?.client().with_pins(FilePins::new("known-servers", url));
/// let stream = client.connect("NAME").sealed(Sealing::new().meta(&"for the server alone")).await?;
/// # drop(stream);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct FilePins {
    file: PathBuf,
    proxy: String,
}

impl FilePins {
    /// Those of the servers at this proxy, which is any text without white space, as its URL, of which what follows a `?` does not count: it may be a token. The file
    /// is made with the first of them.
    pub fn new(file: impl Into<PathBuf>, proxy: impl Into<String>) -> Self {
        let mut proxy = proxy.into();
        proxy.truncate(proxy.find(['?', '#']).unwrap_or(proxy.len()));
        Self { file: file.into(), proxy }
    }

    /// Where they are.
    pub fn file(&self) -> &std::path::Path {
        &self.file
    }

    /// A name as it stands in a line: percent-encoded, as in a path.
    fn written(name: &str) -> io::Result<String> {
        let name = Name::try_from(name).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(name.segment())
    }

    fn read(&self) -> io::Result<String> {
        match std::fs::read_to_string(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            text => text,
        }
    }

    /// The first key that this text has for the name. One that was damaged is no reason to believe the next that comes, and nobody can tell whose it was.
    fn find(&self, text: &str, name: &str) -> io::Result<Option<PublicKey>> {
        let mut found = None;
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let no_pin = |why: &dyn std::fmt::Display| {
                let why = format!("{}, line {number}: {why}; a pin is key, proxy and name: mend or remove it", self.file.display());
                io::Error::new(io::ErrorKind::InvalidData, why)
            };
            let words: Vec<&str> = line.split_whitespace().collect();
            let &[key, proxy, pinned] = &words[..] else { return Err(no_pin(&format_args!("{} words", words.len()))) };
            let key: PublicKey = key.parse().map_err(|error| no_pin(&error))?;
            if found.is_none() && proxy == self.proxy && pinned == name {
                found = Some(key);
            }
        }
        Ok(found)
    }
}

impl Pins for FilePins {
    fn get(&self, name: &str) -> io::Result<Option<PublicKey>> {
        self.find(&self.read()?, &Self::written(name)?)
    }

    /// One line at the end, in one write: of two programs at once the first one's counts.
    fn set(&self, name: &str, key: PublicKey) -> io::Result<PublicKey> {
        let name = Self::written(name)?;
        let text = self.read()?;
        if let Some(first) = self.find(&text, &name)? {
            return Ok(first);
        }
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // Some editors leave no newline at the end.
        let before = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        options.open(&self.file)?.write_all(format!("{before}{key} {} {name}\n", self.proxy).as_bytes())?;
        Ok(self.find(&self.read()?, &name)?.unwrap_or(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_of_a_name_stays() {
        let folder = std::env::temp_dir().join(format!("bss-pins-{:032x}", rand::random::<u128>()));
        let file = folder.join("pins");
        let (a, b) = (FilePins::new(&file, "ws://a/mux"), FilePins::new(&file, "ws://b/mux"));
        let (one, two) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let memory = MemoryPins::default();
        for pins in [&a as &dyn Pins, &memory] {
            assert_eq!(pins.get("été 日本").unwrap(), None);
            assert_eq!(pins.set("été 日本", one).unwrap(), one);
            assert_eq!(pins.set("été 日本", two).unwrap(), one);
            assert_eq!(pins.set("NAME", two).unwrap(), two);
            assert_eq!((pins.get("été 日本").unwrap(), pins.get("NAME").unwrap()), (Some(one), Some(two)));
        }
        assert_eq!(b.get("NAME").unwrap(), None, "another proxy's names are other names");
        let asked = FilePins::new(&file, "ws://a/mux?token=secret#x");
        assert_eq!(asked.get("NAME").unwrap(), Some(two), "what stands behind a ? makes no other proxy of it");
        assert_eq!(asked.set("THIRD", one).unwrap(), one);
        assert!(!std::fs::read_to_string(&file).unwrap().contains("secret"));
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 3, "what is pinned is not pinned again");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_pin_never_joins_what_an_editor_left_without_a_newline() {
        let folder = std::env::temp_dir().join(format!("bss-pins-{:032x}", rand::random::<u128>()));
        let file = folder.join("pins");
        let (pins, one, two) = (FilePins::new(&file, "ws://a/mux"), PublicKey([1; 32]), PublicKey([2; 32]));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&file, format!("# mine\n\n{one} ws://a/mux ONE")).unwrap();
        assert_eq!(pins.set("TWO", two).unwrap(), two);
        assert_eq!((pins.get("ONE").unwrap(), pins.get("TWO").unwrap()), (Some(one), Some(two)));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_line_that_is_no_pin_is_no_reason_to_believe_the_next_key_that_comes() {
        let folder = std::env::temp_dir().join(format!("bss-pins-{:032x}", rand::random::<u128>()));
        let file = folder.join("pins");
        let (pins, key) = (FilePins::new(&file, "ws://a/mux"), PublicKey([1; 32]));
        std::fs::create_dir_all(&folder).unwrap();
        let whole = format!("{key} ws://a/mux NAME");
        let damaged = [
            "damaged ws://a/mux NAME".to_owned(),
            format!("{key} ws://a/mux"),
            key.to_string(),
            format!("{whole}{whole}"),
            format!("{whole} {key}"),
            format!("{}\n{whole}", &whole[5..]),
            format!("{}\n{}", &whole[..50], &whole[50..]),
        ];
        for text in damaged {
            std::fs::write(&file, format!("{text}\n")).unwrap();
            for error in [pins.get("NAME").unwrap_err(), pins.get("OTHER").unwrap_err(), pins.set("OTHER", key).unwrap_err()] {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text}");
                assert!(error.to_string().contains("line 1"), "{error}");
            }
            assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{text}\n"), "nothing is written behind it");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
