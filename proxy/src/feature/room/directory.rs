//! Which public rooms there are, and who watches that.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use browser_stream_mux::Code;
use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::sleep,
};

use crate::{
    counters::Refusal,
    error::OpenError,
    limits::Limits,
    route::Name,
    session::{Note, Opening, Reply, encode},
    token::Verb,
};

/// The public rooms.
pub(super) struct Directory {
    shown: Mutex<Shown>,
    changed: watch::Sender<u64>,
    places: Arc<Semaphore>,
}

/// Each room, with the number of its last change; a room that is gone stays for a while, for who has not heard of that.
#[derive(Default)]
struct Shown {
    rooms: HashMap<Name, (usize, u64)>,
    changes: BTreeMap<u64, Name>,
    last: u64,
    /// Rooms that are gone.
    gone: usize,
    /// What changed up to here is not known any more.
    forgotten: u64,
}

/// So many rooms that are gone are remembered.
const GONE_MAX: usize = 4096;

/// Rooms in one frame: at most 17 KiB.
const AT_ONCE: usize = 64;

impl Directory {
    pub fn new(limits: &Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.room_watchers_max.min(Semaphore::MAX_PERMITS)));
        Self { shown: Mutex::default(), changed: watch::Sender::new(0), places }
    }

    /// A public room has so many members now; with none it is gone.
    pub fn set(&self, name: &Name, members: usize) {
        let mut shown = self.shown.lock();
        shown.set(name, members);
        let last = shown.last;
        drop(shown);
        self.changed.send_replace(last);
    }

    fn enter(&self, opening: &Opening) -> Result<OwnedSemaphorePermit, OpenError> {
        self.places.clone().try_acquire_owned().map_err(|_| {
            opening.session().count(Refusal::RoomWatchers);
            OpenError::new(Code::Limit, "too many watch the rooms at this moment: try again")
        })
    }

    /// Tells a peer which rooms there are, and then what changes, never faster than it takes that.
    pub async fn watch(&self, opening: Opening, limits: &Limits) {
        let _place = match self.enter(&opening) {
            Ok(place) => place,
            Err(error) => return opening.refuse(error).await,
        };
        let session = opening.session().clone();
        let mut stream = opening.accept_aside(&Reply::default());
        let cell = stream.cell().clone();
        let mut changed = self.changed.subscribe();
        let (mut seen, mut is_first) = (0, true);
        loop {
            let told = async {
                changed.borrow_and_update();
                let Some((mut rooms, last)) = self.since(seen, is_first) else { return false };
                seen = last;
                rooms.retain(|(name, _)| session.sees(Verb::Join, name));
                for some in rooms.chunks(AT_ONCE) {
                    if !stream.write_frame(&encode(&json!({ "rooms": some }))) {
                        return true;
                    }
                    cell.drained().await;
                }
                if std::mem::take(&mut is_first) {
                    stream.write_frame(&encode(&Note::new("listed")));
                }
                true
            };
            // What it says makes no difference; that it goes does.
            let is_known = tokio::select! {
                () = cell.peer_done() => break,
                is_known = told => is_known,
            };
            if !is_known {
                return stream.reset(Code::Lagging);
            }
            let next = async {
                cell.drained().await;
                sleep(limits.room_list_interval).await;
                // The directory lives as long as this.
                let _ = changed.changed().await;
            };
            tokio::select! {
                () = cell.peer_done() => break,
                () = next => {}
            }
        }
        stream.finish();
    }

    /// What changed since then, and the newest change; `None` if that is not known any more.
    fn since(&self, seen: u64, is_first: bool) -> Option<(Vec<(String, usize)>, u64)> {
        let shown = self.shown.lock();
        if !is_first && seen < shown.forgotten {
            return None;
        }
        let changed = shown.changes.range(seen + 1..).filter_map(|(_, name)| Some((name.as_str().to_owned(), shown.rooms.get(name)?.0)));
        Some((changed.filter(|(_, members)| !is_first || *members > 0).collect(), shown.last))
    }
}

impl Shown {
    fn set(&mut self, name: &Name, members: usize) {
        self.last += 1;
        let before = self.rooms.insert(name.clone(), (members, self.last));
        if let Some((count, change)) = before {
            self.changes.remove(&change);
            self.gone -= usize::from(count == 0);
        }
        self.changes.insert(self.last, name.clone());
        self.gone += usize::from(members == 0);
        if self.gone > GONE_MAX {
            self.forget_the_gone();
        }
    }

    /// Half of them at once, so it is seldom; the newest stay, for who watches has yet to hear of them.
    fn forget_the_gone(&mut self) {
        let mut gone: Vec<u64> = self.rooms.values().filter(|(members, _)| *members == 0).map(|&(_, change)| change).collect();
        gone.sort_unstable();
        gone.truncate(gone.len().saturating_sub(GONE_MAX / 2));
        self.gone -= gone.len();
        for change in gone {
            if let Some(name) = self.changes.remove(&change) {
                self.rooms.remove(&name);
            }
            self.forgotten = change;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_up_hears_of_all_rooms_however_many_come_and_go_and_who_does_not_is_known() {
        let directory = Directory::new(&Limits::default());
        let (mut seen, mut heard) = (0, 0);
        for number in 0..3 * GONE_MAX {
            let name = Name::try_from(format!("room {number}").as_str()).unwrap();
            directory.set(&name, 1);
            directory.set(&name, 0);
            if number % 1000 == 999 {
                let (rooms, last) = directory.since(seen, false).expect("what it has not heard of is there");
                heard += rooms.len();
                seen = last;
            }
        }
        assert_eq!(heard, 3 * GONE_MAX / 1000 * 1000);
        assert!(directory.since(1, false).is_none());
        assert!(directory.since(0, true).unwrap().0.is_empty());
        assert!(directory.shown.lock().rooms.len() <= GONE_MAX);
    }
}
