//! A room that has members at other nodes, too (proxy/docs/cluster.md, section 7).
//!
//! What members of this node say goes out as words of a lane (`said`), and what is said at others is handed out here as if it were said here (`heard`). How many are in which
//! room of which node is known to all (`tally`).

mod heard;
mod moves;
mod said;
mod tally;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use self::{
    heard::Departure,
    said::{Presence, Said},
};
use super::{Rooms, room::Room, state::State, word::Word};
use crate::{
    cluster::{Lane, Mail, Post, Secret, Subject},
    route::Name,
};

pub(super) use tally::Tally;

/// What a room knows of other nodes, as long as somebody has a seat in it here.
pub(super) struct Abroad {
    lane: Lane<Presence, Said>,
    /// Of each node the numbers of its members, there and here.
    numbers: HashMap<Uuid, HashMap<u32, u32>>,
    over: CancellationToken,
    _over: DropGuard,
}

/// So long a room waits to hear who is at other nodes, before it lets its first member in.
const WHOLE_MAX: Duration = Duration::from_secs(1);

impl Rooms {
    /// From now on the rooms are those of all nodes, which know one another's seats by the `secret`. To be said before anybody joins one.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[doc(hidden)]
    pub fn span(&self, post: &Post, secret: &Secret) {
        let tally = Arc::new(Tally::new(post.clone(), secret.clone(), &self.prefix));
        if self.house.tally.set(tally.clone()).is_ok() {
            tokio::spawn(tally.run(Arc::downgrade(&self.house)));
        }
    }
}

impl Abroad {
    pub fn new(tally: &Tally, name: &Name) -> Self {
        let over = CancellationToken::new();
        let lane = Lane::new(tally.post().clone(), room(tally.prefix(), name));
        Self { lane, numbers: HashMap::new(), _over: over.clone().drop_guard(), over }
    }

    /// The number here of a member of that node; 0 is its program.
    fn number(&self, node: Uuid, theirs: u32) -> Option<u32> {
        if theirs == 0 { Some(0) } else { self.numbers.get(&node)?.get(&theirs).copied() }
    }
}

impl State {
    /// Tells other nodes what was said here.
    pub fn tell_nodes(&mut self, words: Vec<Word>) {
        let Some(mut abroad) = self.abroad.take() else { return };
        let said: Vec<Said> = words.into_iter().filter_map(|word| Said::of(word, self)).collect();
        if !said.is_empty() {
            abroad.lane.words(said);
        }
        self.abroad = Some(abroad);
    }

    /// Tells them who is here.
    fn tell_presence(&mut self, asks: bool) {
        let presence = Presence::of(self);
        if let Some(abroad) = &mut self.abroad {
            abroad.lane.state(presence, asks);
        }
    }
}

impl Room {
    /// Hears other nodes until nobody has a seat here.
    pub async fn hear(self: Arc<Self>) {
        if let Some((mail, over)) = self.mail() {
            self.hear_until(mail, over).await;
        }
        // Nobody waits for one that is over; set it may be already.
        let _ = self.whole.set(());
    }

    async fn hear_until(self: &Arc<Self>, mut mail: BoxStream<'static, Mail>, over: CancellationToken) {
        let patience = Instant::now() + WHOLE_MAX;
        loop {
            let waits = !self.whole.initialized();
            if waits && (self.is_whole_now() || Instant::now() >= patience) {
                // It is not set yet.
                let _ = self.whole.set(());
                continue;
            }
            tokio::select! {
                () = over.cancelled() => return,
                () = sleep_until(patience), if waits => {}
                mail = mail.next() => match mail {
                    Some(Mail::Listening) => self.ask_nodes(),
                    Some(Mail::Parcel(parcel)) => self.take(parcel),
                    None => return,
                },
            }
        }
    }

    /// Resolves when it is known who is here at other nodes, as far as that is to be had. Cancel-safe.
    pub async fn is_whole(&self) {
        if self.house.tally.get().is_some() {
            self.whole.wait().await;
        }
    }

    fn mail(&self) -> Option<(BoxStream<'static, Mail>, CancellationToken)> {
        let tally = self.house.tally.get()?;
        let over = self.state.lock().abroad.as_ref()?.over.clone();
        Some((tally.post().bus().listen(&room(tally.prefix(), &self.name)), over))
    }

    fn is_whole_now(&self) -> bool {
        let nodes = self.house.tally.get().map(|tally| tally.nodes_with(&self.name)).unwrap_or_default();
        let state = self.state.lock();
        nodes.into_iter().all(|node| state.abroad.as_ref().is_none_or(|abroad| abroad.lane.knows(node)))
    }

    /// Tells all nodes who is here, and asks who is there.
    pub fn ask_nodes(&self) {
        let mut state = self.state.lock();
        self.flush(&mut state);
        state.tell_presence(true);
    }

    /// Says nothing, by which others find out whether they missed something.
    pub fn pulse(&self) {
        let mut state = self.state.lock();
        self.flush(&mut state);
        if let Some(abroad) = &mut state.abroad {
            abroad.lane.pulse();
        }
    }

    /// Nobody has a seat here any more: other nodes are told so, behind why the last has left.
    pub fn leave_nodes(&self, state: &mut State) {
        self.flush(state);
        if let Some(mut abroad) = state.abroad.take() {
            abroad.lane.gone();
        }
    }

    /// Takes what came of other nodes.
    fn take(self: &Arc<Self>, parcel: Bytes) {
        let departures = crate::session::together(|| {
            let mut state = self.state.lock();
            let Some(abroad) = &mut state.abroad else { return Vec::new() };
            let hearing = abroad.lane.take(parcel);
            let has_others = abroad.lane.has_others();
            // From here on it is told, and what holds now behind that.
            self.log.lock().has_nodes = has_others;
            if hearing.is_asked {
                self.flush(&mut state);
                state.tell_presence(false);
            }
            hearing.heard.map(|heard| self.heard(&mut state, heard)).unwrap_or_default()
        });
        self.rouse();
        for departure in departures {
            match departure {
                Departure::Removed(number, ending) => drop(self.remove(number, &ending)),
                Departure::Moved(node, figure) => self.give_up(node, figure),
            }
        }
    }
}

fn room(prefix: &str, name: &Name) -> Subject {
    Subject::new("room", &[prefix, name.as_str()])
}
