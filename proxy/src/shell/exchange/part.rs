//! What has come of a file: in a `.part` until it is whole, or on stdout.

use std::{
    fs::{self, File as Disk, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::{fs::OFlags, io::Errno};

use super::{name, wire};

/// Where the pieces of one file go. Blocking: to be used where that harms nobody.
pub enum Part {
    Disk {
        file: Disk,
        path: PathBuf,
        held: u64,
    },
    /// Once written it is gone: what the last piece was is remembered.
    Stdout {
        held: u64,
        last: Option<String>,
    },
}

impl Part {
    /// The part of this file in this folder, as far as whole pieces of it are there: `NAME.ID.part`, so that only the same file of the same sender is continued.
    pub fn open(folder: &Path, file: &wire::File, piece: u32) -> io::Result<Self> {
        let path = folder.join(format!("{}.{}.part", name::safe(&file.name), file.id));
        let disk = open_own(&path)?;
        let there = disk.metadata()?.len();
        // What is behind the last whole piece was not verified. All of the file may be there.
        let held = if there == file.size { there } else { there.min(file.size) / u64::from(piece) * u64::from(piece) };
        disk.set_len(held)?;
        Ok(Self::Disk { file: disk, path, held })
    }

    pub fn stdout() -> Self {
        Self::Stdout { held: 0, last: None }
    }

    /// Bytes that are there.
    pub fn held(&self) -> u64 {
        match self {
            Self::Disk { held, .. } | Self::Stdout { held, .. } => *held,
        }
    }

    /// The digest of the last piece, in hex; `None` without one.
    pub fn last(&self, piece: u32) -> io::Result<Option<String>> {
        match self {
            Self::Stdout { last, .. } => Ok(last.clone()),
            Self::Disk { held: 0, .. } => Ok(None),
            Self::Disk { file, held, .. } => {
                let from = (held - 1) / u64::from(piece) * u64::from(piece);
                let mut bytes = vec![0; usize::try_from(held - from).map_err(io::Error::other)?];
                file.read_exact_at(&mut bytes, from)?;
                Ok(Some(wire::hex(&wire::digest(&bytes))))
            }
        }
    }

    /// Puts a piece behind the others.
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Disk { file, held, .. } => {
                file.write_all_at(bytes, *held)?;
                *held += bytes.len() as u64;
            }
            Self::Stdout { held, last } => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()?;
                *held += bytes.len() as u64;
                *last = Some(wire::hex(&wire::digest(bytes)));
            }
        }
        Ok(())
    }

    /// Forgets all that is there; what stdout has cannot be taken back.
    pub fn restart(&mut self) -> io::Result<()> {
        match self {
            Self::Disk { file, held, .. } => {
                *held = 0;
                file.set_len(0)
            }
            Self::Stdout { held: 0, .. } => Ok(()),
            Self::Stdout { .. } => Err(io::Error::other("the file is another one now, and a part of the first was written already")),
        }
    }

    /// The file is whole: it gets its name, or that with a number where it is taken. Where it is now; `None` on stdout.
    pub fn complete(self, file: &wire::File, overwrite: bool) -> io::Result<Option<PathBuf>> {
        let Self::Disk { file: disk, path, .. } = self else { return Ok(None) };
        disk.sync_all()?;
        if let Some(modified) = file.modified {
            // A disk that keeps no such time keeps the file all the same.
            let _ = disk.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(modified));
        }
        mark(&disk, file);
        let folder = path.parent().unwrap_or(Path::new("."));
        let wanted = name::safe(&file.name);
        if overwrite {
            let whole = folder.join(wanted);
            return fs::rename(&path, &whole).map(|()| Some(whole));
        }
        for candidate in name::candidates(&wanted) {
            let whole = folder.join(candidate);
            // Unlike a rename, a link never takes the place of another file.
            match fs::hard_link(&path, &whole) {
                Ok(()) => return fs::remove_file(&path).map(|()| Some(whole)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // Disks without links, such as those of cameras.
                Err(_) if !whole.try_exists()? => return fs::rename(&path, &whole).map(|()| Some(whole)),
                Err(_) => {}
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// Opens a file of ours, or makes it: never what a link leads to, which others may have put into the folder, and nothing but a file.
fn open_own(path: &Path) -> io::Result<Disk> {
    let foreign = || io::Error::other(format!("{} is there, and it is no file of its own: remove it", path.display()));
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).custom_flags(flags.bits().cast_signed()).open(path);
    let disk = opened.map_err(|error| if Errno::from_io_error(&error) == Some(Errno::LOOP) { foreign() } else { error })?;
    if disk.metadata()?.is_file() { Ok(disk) } else { Err(foreign()) }
}

/// Notes the file's type where desktops look for it. A disk that keeps no such attribute keeps the file all the same.
fn mark(disk: &Disk, file: &wire::File) {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    if let Some(kind) = file.known_type() {
        let _ = rustix::fs::fsetxattr(disk, "user.mime_type", kind.as_bytes(), rustix::fs::XattrFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    const PIECE: u32 = 4;

    fn file(name: &str, size: u64) -> wire::File {
        wire::File { id: "9f2c4e8a01b7d365".into(), name: name.into(), size, kind: String::new(), modified: Some(1000) }
    }

    #[test]
    fn a_part_is_continued_behind_its_last_whole_piece() {
        let folder = tempdir().expect("a folder");
        let file = file("a/b.txt", 10);
        let path = folder.path().join("b.txt.9f2c4e8a01b7d365.part");
        fs::write(&path, "0123456").expect("written");
        let mut part = Part::open(folder.path(), &file, PIECE).expect("a part");
        assert_eq!((part.held(), part.last(PIECE).expect("read")), (4, Some(wire::hex(&wire::digest(b"0123")))));
        part.put(b"4567").expect("written");
        part.put(b"89").expect("written");
        drop(part);
        let part = Part::open(folder.path(), &file, PIECE).expect("a part");
        assert_eq!((part.held(), part.last(PIECE).expect("read")), (10, Some(wire::hex(&wire::digest(b"89")))));
        let whole = part.complete(&file, false).expect("named").expect("on disk");
        assert_eq!(
            (whole.file_name().and_then(|name| name.to_str()), fs::read(&whole).expect("read")),
            (Some("b.txt"), b"0123456789".to_vec())
        );
        assert_eq!(fs::metadata(&whole).and_then(|data| data.modified()).expect("a time"), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_there_is_left_alone_unless_it_shall_be_overwritten() {
        let folder = tempdir().expect("a folder");
        fs::write(folder.path().join("a.txt"), "mine").expect("written");
        let received = |overwrite| {
            let mut part = Part::open(folder.path(), &file("a.txt", 3), PIECE).expect("a part");
            part.put(b"new").expect("written");
            part.complete(&file("a.txt", 3), overwrite).expect("named").expect("on disk")
        };
        assert_eq!(received(false), folder.path().join("a (1).txt"));
        assert_eq!(fs::read(folder.path().join("a.txt")).expect("read"), b"mine");
        assert_eq!(received(true), folder.path().join("a.txt"));
        assert_eq!(fs::read(folder.path().join("a.txt")).expect("read"), b"new");
    }
}
