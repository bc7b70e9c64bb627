//! The files that are served: the three that the page knows, and no others.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::fs::File;

const NAMES: [&str; 3] = ["video.webm", "audio.wav", "image.jpg"];

pub struct Library {
    folder: PathBuf,
    files: Vec<(&'static str, u64)>,
}

impl Library {
    pub fn open(folder: &Path) -> Result<Self> {
        let measure = |name| {
            let path = folder.join(name);
            let known = fs::metadata(&path)
                .with_context(|| format!("{}: make it with examples/media/make.sh {}", path.display(), folder.display()))?;
            Ok((name, known.len()))
        };
        Ok(Self { folder: folder.to_owned(), files: NAMES.into_iter().map(measure).collect::<Result<_>>()? })
    }

    pub fn list(&self) -> impl Iterator<Item = Value> {
        self.files.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes }))
    }

    /// The file of that name, if it is one of ours.
    pub async fn file(&self, name: &str) -> io::Result<Option<File>> {
        match self.files.iter().find(|(known, _)| *known == name) {
            Some((known, _)) => File::open(self.folder.join(known)).await.map(Some),
            None => Ok(None),
        }
    }
}
