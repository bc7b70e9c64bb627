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
pub trait Pins: Send + Sync {
    /// The key of the server with that name, if it was ever pinned.
    ///
    /// # Errors
    /// The pins cannot be read: nothing is connected to then.
    fn get(&self, name: &str) -> io::Result<Option<PublicKey>>;

    /// Pins it.
    ///
    /// # Errors
    /// It cannot be kept: nothing is connected to then.
    fn set(&self, name: &str, key: PublicKey) -> io::Result<()>;
}

/// Pins for as long as they live: what a client has that is given no others.
#[derive(Debug, Default)]
pub struct MemoryPins(Mutex<HashMap<String, PublicKey>>);

impl Pins for MemoryPins {
    fn get(&self, name: &str) -> io::Result<Option<PublicKey>> {
        Ok(self.0.lock().get(name).copied())
    }

    fn set(&self, name: &str, key: PublicKey) -> io::Result<()> {
        self.0.lock().entry(name.to_owned()).or_insert(key);
        Ok(())
    }
}

/// Pins in a file that many programs share: a line for each, key, proxy and name. To forget a pin, remove its line.
#[derive(Clone, Debug)]
pub struct FilePins {
    file: PathBuf,
    proxy: String,
}

impl FilePins {
    /// Those of the servers at this proxy, which is any text without white space; the file is made with the first of them.
    pub fn new(file: impl Into<PathBuf>, proxy: impl Into<String>) -> Self {
        Self { file: file.into(), proxy: proxy.into() }
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
}

impl Pins for FilePins {
    fn get(&self, name: &str) -> io::Result<Option<PublicKey>> {
        let name = Self::written(name)?;
        let text = match std::fs::read_to_string(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let line = text.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let (key, proxy, pinned) = (words.next()?, words.next()?, words.next()?);
            (proxy == self.proxy && pinned == name).then_some(key)
        });
        // One that was damaged is no reason to believe the next that comes.
        line.map(|key| key.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))).transpose()
    }

    /// One line at the end, in one write: of two programs at once the first one's counts.
    fn set(&self, name: &str, key: PublicKey) -> io::Result<()> {
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.file)?.write_all(format!("{key} {} {}\n", self.proxy, Self::written(name)?).as_bytes())
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
            pins.set("été 日本", one).unwrap();
            pins.set("été 日本", two).unwrap();
            pins.set("NAME", two).unwrap();
            assert_eq!((pins.get("été 日本").unwrap(), pins.get("NAME").unwrap()), (Some(one), Some(two)));
        }
        assert_eq!(b.get("NAME").unwrap(), None, "another proxy's names are other names");
        std::fs::write(&file, "damaged ws://a/mux NAME\n").unwrap();
        assert!(a.get("NAME").is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
