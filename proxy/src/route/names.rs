//! A peer asks which names there are, where it may know (PROTOCOL.md, section 5).

use std::sync::atomic::{AtomicBool, Ordering};

use browser_stream_mux::{Cell, Code, Stream};
use tokio::{
    sync::{Mutex, Semaphore, SemaphorePermit},
    time::sleep,
};

use super::{Name, StreamServerProxy, registry::Presence};
use crate::{
    counters::Refusal,
    error::OpenError,
    limits::Limits,
    session::{Note, Opening, Reply, encode},
    token::Verb,
};

/// Who may list the names of a prefix, and when.
pub(super) struct Listing {
    is_allowed: AtomicBool,
    places: Semaphore,
    /// All names are looked through for one at a time.
    turn: Mutex<()>,
}

impl Listing {
    /// Nobody may, until it is allowed.
    pub fn new(limits: &Limits) -> Self {
        Self {
            is_allowed: AtomicBool::new(false),
            places: Semaphore::new(limits.listings_max.min(Semaphore::MAX_PERMITS)),
            turn: Mutex::default(),
        }
    }

    pub fn allow(&self, is_allowed: bool) {
        self.is_allowed.store(is_allowed, Ordering::Relaxed);
    }

    /// A place among those who list names at this moment.
    fn enter(&self, opening: &Opening) -> Result<SemaphorePermit<'_>, OpenError> {
        if !self.is_allowed.load(Ordering::Relaxed) && !opening.session().is_admin("names") {
            return Err(OpenError::new(
                Code::Forbidden,
                "this proxy tells nobody its names: start it with --list-names if all may know them, or show a token with the right admin=names",
            ));
        }
        self.places.try_acquire().map_err(|_| {
            opening.session().count(Refusal::Listings);
            OpenError::new(Code::Limit, "too many list the names at this moment: try again")
        })
    }
}

/// Tells the peer each name that is held and that it may connect to, then that it has heard all, then finishes.
pub(super) async fn names(proxy: StreamServerProxy, opening: Opening) {
    let (listing, limits) = (&proxy.inner.listing, &proxy.inner.limits);
    let _place = match listing.enter(&opening) {
        Ok(place) => place,
        Err(error) => return opening.refuse(error).await,
    };
    let session = opening.session().clone();
    let mut stream = opening.accept_aside(&Reply::accept(uuid::Uuid::new_v4().to_string()));
    let (names, is_all) = {
        let _turn = listing.turn.lock().await;
        // Who asks on and on waits longer, and costs no more.
        sleep(limits.list_interval).await;
        let sees_all = session.is_admin("names");
        proxy.inner.registry.held(limits.listed_names_max, |name| sees_all || session.sees(Verb::Connect, name.as_str()))
    };
    let cell = stream.cell().clone();
    for some in names.chunks(AT_ONCE) {
        if !tell(&mut stream, &cell, some).await {
            return;
        }
    }
    stream.write_frame(&encode(&Note::new(if is_all { "all" } else { "more" })));
    stream.finish();
    // A stream that is let go of before its peer finished is reset, which would say something else.
    stream.peer_done().await;
}

/// Tells some names, and waits until that has left; false where the stream has ended.
async fn tell(stream: &mut Stream, cell: &Cell, names: &[(Name, Presence)]) -> bool {
    for (name, presence) in names {
        if !stream.write_frame(&encode(&Note::with(presence.as_str(), name.as_str()))) {
            return false;
        }
    }
    cell.drained().await;
    true
}

/// Names that are told without looking whether the peer takes them: at most 20 KiB.
const AT_ONCE: usize = 64;
