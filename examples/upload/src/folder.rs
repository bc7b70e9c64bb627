//! The folder that the files go to. A file is there under its name when it is whole, and never before.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;
use tokio::{fs::File, io::AsyncWriteExt};

use crate::name::SafeName;

/// What a file is called while it comes: a dot in front, which no name of a page's has.
const PREFIX: &str = ".coming-";

pub struct Folder {
    path: PathBuf,
    file_bytes_max: u64,
}

/// A file that is coming. Dropped, it leaves nothing behind.
pub struct Coming {
    file: File,
    place: NamedTempFile,
}

impl Folder {
    pub fn open(path: &Path, file_bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self { path: path.to_owned(), file_bytes_max })
    }

    /// The most bytes that a file may have.
    pub fn file_bytes_max(&self) -> u64 {
        self.file_bytes_max
    }

    pub fn begin(&self) -> io::Result<Coming> {
        let place = tempfile::Builder::new().prefix(PREFIX).tempfile_in(&self.path)?;
        Ok(Coming { file: File::from_std(place.as_file().try_clone()?), place })
    }

    /// Gives the file its name, or the first with a number that nobody has; says which.
    pub async fn keep(&self, mut coming: Coming, name: &SafeName) -> io::Result<String> {
        coming.file.flush().await?;
        coming.file.sync_all().await?;
        let mut place = coming.place;
        for candidate in name.candidates() {
            match place.persist_noclobber(self.path.join(&candidate)) {
                Ok(_) => return Ok(candidate),
                Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => place = taken.file,
                Err(failed) => return Err(failed.error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Coming {
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await
    }
}
