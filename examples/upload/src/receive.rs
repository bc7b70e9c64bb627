//! One file: its stream's meta says what it is, its bytes follow, and the answer says under which name it lies here.

use std::{io, sync::Arc};

use browser_stream_server::{Code, OpenError, Opening, Stream};
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::{
    folder::{Coming, Folder},
    name::SafeName,
};

/// What a page says of a file.
#[derive(Deserialize)]
struct Meta {
    name: String,
    size: u64,
}

/// More or fewer bytes came than the page had said.
const WRONG_SIZE: u32 = 4001;
/// The disk is full, or fails.
const NO_DISK: u32 = 4002;

pub async fn receive(folder: Arc<Folder>, opening: Opening) {
    let (name, size) = match check(&folder, opening.meta()) {
        Ok(checked) => checked,
        Err(error) => return opening.refuse(error).await,
    };
    let coming = match folder.begin() {
        Ok(coming) => coming,
        Err(error) => {
            eprintln!("no file can be made: {error}");
            return opening.refuse(OpenError::new(Code::Busy, "no file can be made there now")).await;
        }
    };
    let mut stream = opening.accept();
    match take(&mut stream, coming, size).await {
        Ok(Some(coming)) => answer(&folder, stream, coming, &name).await,
        // The page gave it up, or went away: the file is gone with `coming`.
        Ok(None) => {}
        Err(code) => stream.reset(code),
    }
}

fn check(folder: &Folder, meta: Option<Meta>) -> Result<(SafeName, u64), OpenError> {
    let bad = |why: &str| OpenError::new(Code::BadRequest, why);
    let meta = meta.ok_or_else(|| bad("the meta of an upload is {name, size}"))?;
    let name = SafeName::try_from(meta.name.as_str()).map_err(|error| bad(&error.to_string()))?;
    let max = folder.file_bytes_max();
    if meta.size > max {
        return Err(OpenError::new(Code::Limit, format!("a file has at most {max} bytes here")));
    }
    Ok((name, meta.size))
}

/// Writes what comes, at the disk's speed: the page may send on as far as it was read here. None if the stream broke.
async fn take(stream: &mut Stream, mut coming: Coming, size: u64) -> Result<Option<Coming>, u32> {
    let mut left = size;
    loop {
        match stream.read_chunk().await {
            Ok(Some(chunk)) => {
                left = left.checked_sub(chunk.len() as u64).ok_or(WRONG_SIZE)?;
                coming.write(&chunk).await.map_err(no_disk)?;
            }
            Ok(None) if left > 0 => return Err(WRONG_SIZE),
            Ok(None) => return Ok(Some(coming)),
            Err(_) => return Ok(None),
        }
    }
}

/// Keeps the file and says so; a page that hears nothing knows that it is not kept.
async fn answer(folder: &Folder, mut stream: Stream, coming: Coming, name: &SafeName) {
    match folder.keep(coming, name).await {
        Ok(kept) => {
            println!("{kept}");
            let said = json!({ "name": kept }).to_string();
            // The page may have gone: the file is here all the same.
            let _ = stream.write_all(said.as_bytes()).await;
            stream.finish();
        }
        Err(error) => stream.reset(no_disk(error)),
    }
}

fn no_disk(error: io::Error) -> u32 {
    eprintln!("a file cannot be written: {error}");
    NO_DISK
}
