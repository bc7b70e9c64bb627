//! The files that are served, by what is in them.

use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use browser_stream_client::swarm::{Announced, ContentId, Extent, Manifest, PIECE_BYTES, Portion};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{sync::watch, task::spawn_blocking};

use crate::shell::{Failure, standard::say};

/// All that is served.
pub struct Shelf {
    books: Mutex<HashMap<ContentId, Arc<Book>>>,
    /// How many were taken off.
    gone: watch::Sender<usize>,
}

/// One file, as it was when it was hashed.
pub struct Book {
    pub manifest: Manifest,
    path: PathBuf,
    as_it_was: (u64, Option<SystemTime>),
}

impl Shelf {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { books: Mutex::default(), gone: watch::Sender::new(0) }
    }

    /// Hashes these files.
    pub fn of(paths: &[PathBuf]) -> Result<Self, Failure> {
        let shelf = Self::new();
        for path in paths {
            shelf.add(path).map_err(|error| Failure::local(format_args!("cannot seed {}", path.display()), &error))?;
        }
        Ok(shelf)
    }

    /// Hashes one more, and says what it is called.
    pub fn add(&self, path: &Path) -> io::Result<ContentId> {
        let path = fs::canonicalize(path)?;
        let file = File::open(&path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let manifest = Manifest::of(&file).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => io::Error::other("it is larger than 16 GiB"),
            _ => error,
        })?;
        let book = Book { as_it_was: seen(&metadata), path, manifest };
        if book.as_it_was != seen(&fs::metadata(&book.path)?) || book.manifest.size() != metadata.len() {
            return Err(io::Error::other("it changed while it was read"));
        }
        let id = book.manifest.id();
        self.books.lock().insert(id, Arc::new(book));
        Ok(id)
    }

    /// One of them.
    pub fn find(&self, id: &ContentId) -> Option<Arc<Book>> {
        self.books.lock().get(id).cloned()
    }

    /// What there is, for the tracker.
    pub fn announced(&self) -> Vec<Announced> {
        let extent = |book: &Book| Extent { pieces: u32::try_from(book.manifest.pieces()).unwrap_or(u32::MAX), portion: Portion::All };
        self.books.lock().iter().map(|(&id, book)| Announced { id, extent: extent(book) }).collect()
    }

    /// What there is, for people: the id of one alone, else each with its file.
    pub fn listed(&self) -> String {
        let books = self.books.lock();
        let mut lines: Vec<_> = books.iter().map(|(id, book)| (&book.path, id)).collect();
        lines.sort_unstable();
        let line =
            |(path, id): &(&PathBuf, &ContentId)| if books.len() == 1 { format!("{id}\n") } else { format!("{id}  {}\n", path.display()) };
        lines.iter().map(line).collect()
    }

    /// Writes the manifest of the one file.
    pub fn write_manifest(&self, out: &Path) -> Result<(), Failure> {
        let book = self.books.lock().values().next().cloned();
        let written = book.map_or(Ok(()), |book| fs::write(out, book.manifest.bytes()));
        written.map_err(|error| Failure::write(out, &error))
    }

    /// Takes off what is not any more what it was.
    pub async fn look(&self) {
        let books: Vec<_> = self.books.lock().values().cloned().collect();
        let changed = spawn_blocking(move || books.into_iter().filter(|book| !book.is_as_it_was()).collect::<Vec<_>>()).await;
        changed.unwrap_or_default().iter().for_each(|book| self.take_off(book));
    }

    /// A file is not what it was.
    pub fn take_off(&self, book: &Book) {
        if self.books.lock().remove(&book.manifest.id()).is_some() {
            say(&format!("{}: it has changed since it was hashed, and is served no longer; seed it again", book.path.display()));
            self.gone.send_modify(|gone| *gone += 1);
        }
    }

    /// Hears when something was taken off.
    pub fn changes(&self) -> watch::Receiver<usize> {
        self.gone.subscribe()
    }

    /// Resolves when nothing is left. Cancel-safe.
    pub async fn emptied(&self) {
        // The sender is our own.
        let _ = self.gone.subscribe().wait_for(|_| self.books.lock().is_empty()).await;
    }
}

impl Book {
    /// One piece, if it is still what it was. Reads the disk: to be called where that harms nobody.
    pub fn piece(&self, index: usize) -> Option<Bytes> {
        let mut piece = vec![0; self.manifest.piece_bytes(index)];
        let read = File::open(&self.path).and_then(|file| file.read_exact_at(&mut piece, index as u64 * PIECE_BYTES as u64));
        (read.is_ok() && self.manifest.verifies(index, &piece)).then(|| piece.into())
    }

    fn is_as_it_was(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| seen(&metadata) == self.as_it_was)
    }
}

/// What changes with a file.
fn seen(metadata: &Metadata) -> (u64, Option<SystemTime>) {
    (metadata.len(), metadata.modified().ok())
}
