//! The files that are sent.

use std::{
    fs::{self, File as Disk, Metadata},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sha2::{Digest, Sha256};

use super::wire::{self, PIECE};
use crate::shell::Failure;

/// All files of one exchange.
#[derive(Debug)]
pub struct Offer(Vec<Offered>);

/// One file, as it was when the exchange began.
#[derive(Clone, Debug)]
pub struct Offered {
    pub said: wire::File,
    path: PathBuf,
    modified: Option<SystemTime>,
}

/// A file that is being read. Blocking: to be used where that harms nobody.
pub struct Reader {
    disk: Disk,
    offered: Offered,
}

impl Offer {
    /// Looks at all of them; an error for what is no file that can be read. One that is named twice is offered once.
    pub fn new(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut offer = Self(Vec::new());
        for path in paths {
            let offered = Offered::new(path)?;
            if offer.file(&offered.said.id).is_none() {
                offer.0.push(offered);
            }
        }
        Ok(offer)
    }

    /// What receivers are told.
    pub fn list(&self) -> wire::Files {
        wire::Files { piece: PIECE, waits: false, files: self.0.iter().map(|offered| offered.said.clone()).collect() }
    }

    pub fn file(&self, id: &str) -> Option<&Offered> {
        self.0.iter().find(|offered| offered.said.id == id)
    }

    pub fn files(&self) -> usize {
        self.0.len()
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.0.iter().map(|offered| offered.said.size).sum()
    }
}

impl Offered {
    fn new(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: &io::Error| Failure::local(format_args!("cannot send {}", path.display()), error);
        let metadata = fs::metadata(path).map_err(|error| cannot(&error))?;
        if metadata.is_dir() {
            return Err(cannot(&io::Error::other("it is a folder: pack it into one file, as in tar cf folder.tar folder")));
        }
        if !metadata.is_file() {
            return Err(cannot(&io::Error::other("it is no file; write what comes of it into one")));
        }
        let whole = fs::canonicalize(path).and_then(|whole| Disk::open(&whole).map(|_| whole)).map_err(|error| cannot(&error))?;
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        // The same as long as the file is: a receiver goes on where it was with an exchange that came to an end.
        let mark = Sha256::new()
            .chain_update(whole.as_os_str().as_encoded_bytes())
            .chain_update(metadata.len().to_be_bytes())
            .chain_update(since.unwrap_or_default().as_nanos().to_be_bytes());
        let id = wire::hex(&mark.finalize())[..16].to_owned();
        let name = path.file_name().or(whole.file_name()).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let kind = mime_guess::from_path(path).first_or_octet_stream().to_string();
        let modified_ms = since.and_then(|since| u64::try_from(since.as_millis()).ok());
        let said = wire::File { id, name, size: metadata.len(), kind, modified: modified_ms };
        Ok(Self { said, path: whole, modified })
    }

    /// Opens it; an error if it is not what it was.
    pub fn open(&self) -> io::Result<Reader> {
        let reader = Reader { disk: Disk::open(&self.path)?, offered: self.clone() };
        reader.check()?;
        Ok(reader)
    }
}

impl Reader {
    /// The piece that begins there, shorter at the end of the file.
    pub fn piece(&self, from: u64) -> io::Result<Vec<u8>> {
        let length = self.offered.said.size.saturating_sub(from).min(PIECE.into());
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.disk.read_exact_at(&mut bytes, from)?;
        self.check()?;
        Ok(bytes)
    }

    fn check(&self) -> io::Result<()> {
        let now: Metadata = self.disk.metadata()?;
        let is_same = now.len() == self.offered.said.size && now.modified().ok() == self.offered.modified;
        if is_same { Ok(()) } else { Err(io::Error::other("it was changed")) }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn files_are_offered_under_their_names_and_folders_are_not() {
        let folder = tempdir().expect("a folder");
        let path = folder.path().join("été 日本.txt");
        fs::write(&path, "hello").expect("written");
        let offer = Offer::new(std::slice::from_ref(&path)).expect("an offer");
        let list = offer.list();
        assert!(list.is_sound());
        assert_eq!((list.files[0].name.as_str(), list.files[0].size, offer.size()), ("été 日本.txt", 5, 5));
        assert_eq!(Offer::new(&[path.clone(), path.clone()]).expect("an offer").files(), 1, "named twice, offered once");
        let id = &list.files[0].id;
        assert_eq!(Offer::new(std::slice::from_ref(&path)).expect("an offer").list().files[0].id, *id, "as long as it is the same");
        let offered = offer.file(id).expect("it is there");
        let reader = offered.open().expect("it is what it was");
        assert_eq!(reader.piece(0).expect("read"), b"hello");
        fs::write(&path, "hello!").expect("written");
        assert!(reader.piece(0).is_err() && offered.open().is_err());
        let error = Offer::new(&[folder.path().to_owned()]).expect_err("a folder").to_string();
        assert!(error.contains("it is a folder: pack it"), "{error}");
        assert!(Offer::new(&["/dev/null".into()]).expect_err("a device").to_string().contains("it is no file"));
        assert!(Offer::new(&[folder.path().join("none")]).is_err());
    }
}
