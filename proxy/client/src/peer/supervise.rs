//! The succession of a peer's sessions: when one ends, the next is dialled.

use std::{sync::Arc, time::Duration};

use browser_stream_mux::Session as Mux;
use tokio::time::{Instant, sleep};

use super::{
    Link, Live, Shared, reach,
    session::{Session, Told},
};
use crate::{
    DialError, State,
    backoff::Backoff,
    dial::{Dialer, Io},
    token::Shown,
};

/// Keeps a session up until the peer is closed, or nobody holds it, or the proxy refuses it for good.
pub(super) async fn supervise(shared: Arc<Shared>, dialer: Dialer, first: (Io, Shown)) {
    let stopped = async {
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = shared.unheld.cancelled() => {}
        }
    };
    let error = tokio::select! {
        () = stopped => None,
        error = succeed(&shared, dialer, first) => error,
    };
    shared.link.send_replace(Link::Closed(error.clone()));
    shared.state.send_replace(State::Closed(error));
}

/// One session behind the other; resolves when there can be no other.
async fn succeed(shared: &Arc<Shared>, dialer: Dialer, mut next: (Io, Shown)) -> Option<DialError> {
    let mut backoff = Backoff::default();
    let mut generation = 0;
    let mut is_asked_again = false;
    loop {
        generation += 1;
        let (io, shown) = next;
        let is_known = shown.is_known;
        let mut session = Session::begin(shared, io, shown);
        // What was opened before that would be refused with us.
        if !is_known || session.judged().await {
            shared.up(generation, &session.mux);
        }
        let told = tokio::select! {
            told = session.lasts(shared.stays_down) => told,
            () = shared.used_up.notified() => Told { welcome: true, ..Told::default() },
        };
        if told.refused.is_some() {
            session.mux.close();
        }
        // A session that drains goes on with the streams that it has.
        drop(session);
        shared.link.send_replace(Link::Down);
        is_asked_again &= !told.welcome;
        if let Some(error) = told.refused.clone().map(DialError::Session) {
            // Who is asked for tokens may have another.
            let may_pass = if error.is_final() { shared.tokens.are_asked_for() && !is_asked_again } else { !is_known || generation > 1 };
            if shared.stays_down || !may_pass {
                return Some(error);
            }
            is_asked_again = true;
        }
        if shared.stays_down {
            return None;
        }
        match redial(shared, &dialer, &mut backoff, &told).await {
            Ok(reached) => next = reached,
            Err(error) => return Some(error),
        }
    }
}

/// Dials until there is a connection, or an error that is final.
async fn redial(shared: &Shared, dialer: &Dialer, backoff: &mut Backoff, told: &Told) -> Result<(Io, Shown), DialError> {
    let mut delay = first_delay(backoff, told);
    let mut attempt = 1;
    loop {
        if !delay.is_zero() {
            shared.state.send_replace(State::Waiting { attempt, delay });
            sleep(delay).await;
        }
        shared.state.send_replace(State::Connecting { attempt });
        match reach(dialer, &shared.tokens).await {
            Ok(reached) => return Ok(reached),
            Err(error) if error.is_final() => return Err(error),
            Err(error) => {
                tracing::debug!(%error, attempt, "no connection yet");
                let wait = backoff.wait();
                delay = error.retry_after().unwrap_or(wait);
            }
        }
        attempt += 1;
    }
}

/// None after a session that worked, unless the proxy named one; a wait after one that it had not taken up, or ended for what we did or showed.
fn first_delay(backoff: &mut Backoff, told: &Told) -> Duration {
    if told.welcome && told.refused.is_none() && !told.bye.is_some_and(|code| BLAMING.contains(&code)) {
        backoff.reset();
        return told.drain.map(|at| at.saturating_duration_since(Instant::now())).unwrap_or_default();
    }
    backoff.wait()
}

/// What the proxy closes a connection with that it wants back later or not at all: protocol violated, text, policy, no room.
const BLAMING: [u64; 4] = [1002, 1003, 1008, 1013];

impl Shared {
    fn up(&self, generation: u64, mux: &Mux) {
        self.link.send_replace(Link::Up(Live { generation, mux: mux.clone() }));
        self.state.send_if_modified(|state| {
            let is_news = !matches!(state, State::Open);
            *state = State::Open;
            is_news
        });
    }
}
