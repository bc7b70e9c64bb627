//! One fetcher: what it wants, and what it gets.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use browser_stream_client::{
    Code, Stream,
    swarm::{ASKED_MAX, ContentId, Decoder, Held, Record, Wanted},
};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf},
    sync::Notify,
    task::spawn_blocking,
};

use super::{
    pace::Pace,
    shelf::{Book, Shelf},
};

/// What all fetchers have in common.
pub struct Desk {
    pub shelf: Shelf,
    pace: Pace,
    served: AtomicU64,
}

/// What a fetcher wants, between who reads that and who serves it.
#[derive(Default)]
struct Wishes {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// The fetcher's numbers.
    contents: HashMap<u64, Arc<Book>>,
    /// Pieces that are asked for, in the order in which that was.
    asked: VecDeque<(u64, u32)>,
    /// Contents of which it was refused a piece for want of room.
    refused: BTreeSet<u64>,
    /// What is said before the next piece.
    said: BytesMut,
    /// A piece is under way.
    gives: bool,
    /// The fetcher has no more to say: what it asked for it gets.
    is_last: bool,
}

/// Contents that one fetcher may have numbers for.
const CONTENTS_MAX: usize = 4096;
/// Answers that one fetcher may leave unread.
const SAID_MAX: usize = 8 * 1024 * 1024;
/// What is read at once.
const READ: usize = 16 * 1024;

/// Why a stream is reset.
struct Bad(Code);

impl Desk {
    pub fn new(shelf: Shelf, pace: Pace) -> Self {
        Self { shelf, pace, served: AtomicU64::new(0) }
    }

    /// How many pieces were served.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

/// Serves one fetcher until it goes.
pub async fn give(stream: Stream, desk: &Desk) {
    let wishes = Wishes::default();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let over = tokio::select! {
        over = hear(&mut reader, &wishes, desk) => over,
        // All was given; or the stream ended, and nobody is there who hears more.
        _ = serve(&mut writer, &wishes, desk) => Ok(()),
    };
    wishes.give_up(desk);
    let mut stream = reader.unsplit(writer);
    match over {
        Ok(()) => stream.finish(),
        Err(Bad(code)) => stream.reset(code),
    }
}

/// Reads what the fetcher says; resolves when the stream is over.
async fn hear(reader: &mut ReadHalf<Stream>, wishes: &Wishes, desk: &Desk) -> Result<(), Bad> {
    let mut decoder = Decoder::<Wanted>::default();
    loop {
        let mut bytes = BytesMut::with_capacity(READ);
        match reader.read_buf(&mut bytes).await {
            Ok(1..) => decoder.push(bytes.freeze()),
            Ok(0) if decoder.is_between_records() => {
                wishes.state.lock().is_last = true;
                wishes.changed.notify_one();
                return std::future::pending().await;
            }
            Ok(0) => return Err(Bad(Code::BadRequest)),
            // It was reset, or lost.
            Err(_) => return Ok(()),
        }
        while let Some(wanted) = decoder.next().map_err(|_| Bad(Code::BadRequest))? {
            wishes.take(wanted, desk)?;
        }
        wishes.changed.notify_one();
    }
}

impl Wishes {
    fn take(&self, wanted: Wanted, desk: &Desk) -> Result<(), Bad> {
        let mut state = self.state.lock();
        match wanted {
            Wanted::Want(number, id) => state.want(number, id, desk)?,
            Wanted::Drop(number) => {
                state.forget(desk, |of, _| of == number);
                state.contents.remove(&number);
            }
            Wanted::Manifest(number) => {
                let told =
                    state.contents.get(&number).map_or(Held::None(number), |book| Held::Manifest(number, book.manifest.bytes().clone()));
                state.say(&told);
            }
            Wanted::Ask(number, piece) => state.ask(number, piece, desk)?,
            Wanted::Cancel(number, piece) => state.forget(desk, |of, index| (of, index) == (number, piece)),
        }
        if state.said.len() > SAID_MAX { Err(Bad(Code::Limit)) } else { Ok(()) }
    }

    /// Nobody waits for what was promised any more.
    fn give_up(&self, desk: &Desk) {
        self.state.lock().forget(desk, |_, _| true);
    }
}

impl State {
    fn say(&mut self, held: &Held) {
        held.write(&mut self.said);
    }

    fn want(&mut self, number: u64, id: ContentId, desk: &Desk) -> Result<(), Bad> {
        if self.contents.contains_key(&number) {
            return Err(Bad(Code::BadRequest));
        }
        let found = desk.shelf.find(&id).filter(|_| self.contents.len() < CONTENTS_MAX);
        let Some(book) = found else {
            self.say(&Held::None(number));
            return Ok(());
        };
        self.have(number, &book);
        self.contents.insert(number, book);
        Ok(())
    }

    fn have(&mut self, number: u64, book: &Book) {
        let pieces = u32::try_from(book.manifest.pieces()).unwrap_or(u32::MAX);
        self.say(&Held::Have { number, pieces, have: None });
    }

    /// There is room again: what there is, said once more, makes the fetcher ask.
    fn invite(&mut self) {
        for number in std::mem::take(&mut self.refused) {
            if let Some(book) = self.contents.get(&number).cloned() {
                self.have(number, &book);
            }
        }
    }

    fn ask(&mut self, number: u64, piece: u32, desk: &Desk) -> Result<(), Bad> {
        if self.asked.len() + usize::from(self.gives) >= ASKED_MAX {
            return Err(Bad(Code::Limit));
        }
        match self.bytes(number, piece) {
            // It may have been on its way when the fetcher was told that there is nothing.
            0 => self.say(&Held::Refused(number, piece, Code::NotFound.number())),
            bytes if !desk.pace.promise(bytes) => {
                self.refused.insert(number);
                self.say(&Held::Refused(number, piece, Code::Limit.number()));
            }
            _ => self.asked.push_back((number, piece)),
        }
        Ok(())
    }

    /// Bytes of a piece; 0 for one that there is not.
    fn bytes(&self, number: u64, piece: u32) -> u64 {
        self.contents.get(&number).map_or(0, |book| book.manifest.piece_bytes(piece as usize) as u64)
    }

    /// Some of what was asked for is not wanted any more.
    fn forget(&mut self, desk: &Desk, is_it: impl Fn(u64, u32) -> bool) {
        let (gone, left): (VecDeque<_>, _) = std::mem::take(&mut self.asked).into_iter().partition(|&(number, piece)| is_it(number, piece));
        self.asked = left;
        for (number, piece) in gone {
            desk.pace.keep(self.bytes(number, piece));
        }
    }

    /// What was taken off the shelf is not there for this fetcher, either.
    fn look(&mut self, desk: &Desk) {
        let gone: Vec<u64> =
            self.contents.iter().filter(|(_, book)| desk.shelf.find(&book.manifest.id()).is_none()).map(|(&number, _)| number).collect();
        for number in gone {
            self.forget(desk, |of, _| of == number);
            self.contents.remove(&number);
            self.say(&Held::None(number));
        }
    }
}

/// Writes what is to be said, and one piece after the other.
async fn serve(writer: &mut (impl AsyncWrite + Unpin), wishes: &Wishes, desk: &Desk) -> io::Result<()> {
    let mut changes = desk.shelf.changes();
    loop {
        let said = wishes.state.lock().said.split().freeze();
        writer.write_all(&said).await?;
        let asked = wishes.state.lock().next();
        let Some((number, piece, book)) = asked else {
            let rest = wishes.state.lock().rest();
            match rest {
                Rest::No => {}
                Rest::ForEver => return Ok(()),
                Rest::Until { room } => tokio::select! {
                    () = wishes.changed.notified() => {}
                    Ok(()) = changes.changed() => wishes.state.lock().look(desk),
                    () = desk.pace.room(), if room => wishes.state.lock().invite(),
                },
            }
            continue;
        };
        let bytes = book.manifest.piece_bytes(piece as usize) as u64;
        let given = one(writer, (number, piece), book, desk).await;
        desk.pace.keep(bytes);
        wishes.state.lock().gives = false;
        if !given? {
            let mut state = wishes.state.lock();
            state.say(&Held::Refused(number, piece, Code::NotFound.number()));
            state.look(desk);
        }
    }
}

/// Whether there is nothing to do.
enum Rest {
    No,
    /// Until something changes; with `room` that may be that there is room again.
    Until {
        room: bool,
    },
    ForEver,
}

impl State {
    fn rest(&self) -> Rest {
        match (self.said.is_empty() && self.asked.is_empty(), self.is_last) {
            (false, _) => Rest::No,
            (true, true) => Rest::ForEver,
            (true, false) => Rest::Until { room: !self.refused.is_empty() },
        }
    }

    fn next(&mut self) -> Option<(u64, u32, Arc<Book>)> {
        let (number, piece) = self.asked.pop_front()?;
        let book = self.contents.get(&number)?.clone();
        self.gives = true;
        Some((number, piece, book))
    }
}

/// One piece, in its turn; false where the file is not what it was.
async fn one(writer: &mut (impl AsyncWrite + Unpin), (number, piece): (u64, u32), book: Arc<Book>, desk: &Desk) -> io::Result<bool> {
    desk.pace.turn(book.manifest.piece_bytes(piece as usize) as u64).await;
    let read = spawn_blocking({
        let book = book.clone();
        move || book.piece(piece as usize)
    });
    let Some(bytes): Option<Bytes> = read.await.map_err(io::Error::other)? else {
        desk.shelf.take_off(&book);
        return Ok(false);
    };
    writer.write_all(&Held::piece_head(number, piece, bytes.len())).await?;
    writer.write_all(&bytes).await?;
    desk.served.fetch_add(1, Ordering::Relaxed);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{io::duplex, time::timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_was_refused_for_want_of_room_hears_what_there_is_once_more_when_there_is_some() {
        let folder = tempfile::tempdir().unwrap();
        let film = folder.path().join("film");
        std::fs::write(&film, [7; 1000]).unwrap();
        let shelf = Shelf::new();
        let id = shelf.add(&film).unwrap();
        let desk = Desk::new(shelf, Pace::new(Some(1)));
        let (first, second) = (Wishes::default(), Wishes::default());
        for wishes in [&first, &second] {
            assert!(wishes.take(Wanted::Want(1, id), &desk).is_ok() && wishes.take(Wanted::Ask(1, 0), &desk).is_ok());
        }
        let (mut ours, mut theirs) = duplex(4096);
        let have = Held::Have { number: 1, pieces: 1, have: None };
        let mut decoder = Decoder::<Held>::default();
        let heard = async {
            let mut heard = Vec::new();
            while heard.len() < 3 {
                let mut bytes = BytesMut::new();
                let Ok(read) = timeout(Duration::from_secs(60), theirs.read_buf(&mut bytes)).await else {
                    assert_eq!(heard, [have.clone(), Held::Refused(1, 0, Code::Limit.number())], "and no more for a minute");
                    first.give_up(&desk);
                    continue;
                };
                assert!(read.unwrap() > 0);
                decoder.push(bytes.freeze());
                while let Some(held) = decoder.next().unwrap() {
                    heard.push(held);
                }
            }
            heard
        };
        let heard = tokio::select! {
            heard = heard => heard,
            over = serve(&mut ours, &second, &desk) => panic!("{over:?}"),
        };
        assert_eq!(heard[2], have);
    }
}
