//! A peer's stream to the tracker: its notes, and what it is told.

use std::{sync::Arc, time::Duration};

use browser_stream_mux::{Code, FrameError, Stream};
use browser_stream_protocol::swarm::{Announce, ContentId, Failed, Find, Refused, Timing, Welcome, Withdraw};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

#[cfg(feature = "cluster")]
use super::abroad::{Said, Teller};
use super::{Inner, failures::Verdict, holdings::Ticket};
use crate::{
    counters::{Deed, Refusal},
    error::OpenError,
    session::{Admission, Opening, Session, encode, parse},
    token::Verb,
};

/// A note as it comes: its value is read when it is known what it has to be.
#[derive(Deserialize)]
struct Heard {
    note: String,
    #[serde(default)]
    value: Option<Box<RawValue>>,
}

/// A note as it goes.
#[derive(Serialize)]
struct Told<T> {
    note: &'static str,
    value: T,
}

/// The number of a find whose value is otherwise none.
#[derive(Deserialize)]
struct Asked {
    ask: u64,
}

/// A peer whose stream is there. Dropped, all that it announced is withdrawn.
struct Attending {
    inner: Arc<Inner>,
    session: Arc<Session>,
    ticket: Ticket,
}

/// Why a note is not followed.
struct Unheard {
    ask: Option<u64>,
    error: OpenError,
}

/// A note is as long as its length can say.
const NOTE_BYTES_MAX: usize = u16::MAX as usize;

/// The answer to the ping that is sent when a peer comes is there by then.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// Hears a peer until its stream ends.
pub(super) async fn track(inner: Arc<Inner>, opening: Opening) {
    let session = opening.session().clone();
    let Some(ticket) = inner.holdings.lock().begin(session.id(), Instant::now().into_std()) else {
        session.count(Refusal::SwarmRate);
        return opening.refuse(slower()).await;
    };
    let attending = Attending { inner, session, ticket };
    let mut stream = opening.accept_aside(&attending.welcome());
    attending.session.ping();
    attending.attend(&mut stream).await;
}

impl Attending {
    fn welcome(&self) -> Welcome {
        let limits = &self.inner.limits;
        let renew_ms = u64::try_from(limits.swarm_renew.as_millis()).unwrap_or(u64::MAX);
        let (contents_max, candidates_max) = (limits.swarm_contents_per_session_max, limits.swarm_candidates_max);
        Welcome { id: Uuid::new_v4().to_string(), swarm: Timing { renew_ms, contents_max, candidates_max } }
    }

    async fn attend(&self, stream: &mut Stream) {
        let mut look = Instant::now() + FIRST_LOOK.min(self.inner.limits.swarm_renew);
        let cell = stream.cell().clone();
        loop {
            let body = tokio::select! {
                body = stream.read_frame(NOTE_BYTES_MAX) => body,
                () = sleep_until(look) => {
                    look = Instant::now() + self.inner.limits.swarm_renew;
                    self.look();
                    continue;
                }
            };
            let body = match body {
                Ok(Some(body)) => body,
                Ok(None) => return stream.finish(),
                Err(FrameError::Stream(_)) => return,
                Err(_) => {
                    self.session.count(Refusal::SwarmNote);
                    return stream.reset(Code::BadRequest);
                }
            };
            let admission = self.inner.holdings.lock().admit(self.ticket, Instant::now().into_std());
            if admission == Admission::Cut {
                self.session.count(Refusal::SwarmRateCut);
                return stream.reset(Code::Limit);
            }
            self.hear(stream, &body, admission == Admission::Allowed);
            // Who does not take its answers is heard no further.
            cell.room().await;
        }
    }

    /// Forgets what is over, and sees how far the peer is.
    fn look(&self) {
        let rtt = self.session.rtt();
        let mut holdings = self.inner.holdings.lock();
        let over = holdings.expire(Instant::now().into_std());
        holdings.measured(self.ticket, rtt);
        #[cfg(feature = "cluster")]
        self.tell(|| Said::Measured(self.ticket.number(), rtt));
        drop(holdings);
        self.did(Deed::SwarmExpired, over);
    }

    /// Does what a note says, and answers it.
    fn hear(&self, stream: &mut Stream, body: &Bytes, is_allowed: bool) {
        let heard = match parse::<Heard>(body, self.inner.limits.open_depth_max, "note") {
            Ok(heard) => heard,
            Err(error) => return self.refuse(stream, String::new(), self.malformed(None, error)),
        };
        let value = heard.value.as_deref().map_or("{}", RawValue::get);
        let followed = match heard.note.as_str() {
            // One that we do not know belongs to a later version.
            "announce" | "withdraw" | "renew" | "find" | "failed" if !is_allowed => {
                self.session.count(Refusal::SwarmRate);
                Err(Unheard { ask: ask(value), error: slower() })
            }
            "announce" => self.announce(value),
            "withdraw" => self.withdraw(value),
            "renew" => self.renew(),
            "find" => self.find(stream, value),
            "failed" => self.failed(value),
            _ => Ok(()),
        };
        if let Err(unheard) = followed {
            self.refuse(stream, heard.note, unheard);
        }
    }

    fn refuse(&self, stream: &mut Stream, note: String, Unheard { ask, error }: Unheard) {
        stream.write_frame(&encode(&Told { note: "refused", value: Refused { ask, note, error } }));
    }

    /// What a value has to be.
    fn read<T: DeserializeOwned>(&self, value: &str) -> Result<T, Unheard> {
        let bad = |error: serde_json::Error| self.malformed(ask(value), OpenError::new(Code::BadRequest, error.to_string()));
        serde_json::from_str(value).map_err(bad)
    }

    fn malformed(&self, ask: Option<u64>, error: OpenError) -> Unheard {
        self.session.count(Refusal::SwarmNote);
        Unheard { ask, error }
    }

    fn announce(&self, value: &str) -> Result<(), Unheard> {
        let announce: Announce = self.read(value)?;
        if !self.inner.names.is_held_by(&announce.name.to_string(), &self.session) {
            self.session.count(Refusal::SwarmName);
            return Err(OpenError::new(Code::Forbidden, "that name is not held by this connection: listen under it first").into());
        }
        for announced in &announce.contents {
            // What it is lets no longer is withdrawn when it renews.
            let _permit = self.session.permit(Verb::Publish, &announced.id.right())?;
        }
        let (count, now, rtt) = (announce.contents.len(), Instant::now().into_std(), self.session.rtt());
        let mut holdings = self.inner.holdings.lock();
        #[cfg(feature = "cluster")]
        let told = self.inner.abroad.get().map(|_| announce.clone());
        let refused = holdings.announce(self.ticket, announce, &self.inner.books().memory, now);
        holdings.measured(self.ticket, rtt);
        #[cfg(feature = "cluster")]
        if let Some(mut told) = told {
            told.contents.retain(|announced| !refused.iter().any(|(id, _)| *id == announced.id));
            let teller = Teller::of(self.ticket, &holdings, Some(&told));
            teller.into_iter().for_each(|teller| self.tell(|| Said::Announced(teller)));
        }
        drop(holdings);
        self.did(Deed::SwarmAnnounce, 1);
        refused.iter().for_each(|(_, why)| self.session.count(*why));
        match refused.first() {
            None => Ok(()),
            Some((id, why)) => {
                let why = format!("{} of {count} contents are not taken, the first {id}: {}", refused.len(), why.name());
                Err(OpenError::new(Code::Limit, why).into())
            }
        }
    }

    fn withdraw(&self, value: &str) -> Result<(), Unheard> {
        let withdraw: Withdraw = self.read(value)?;
        self.withdraw_now(withdraw.contents);
        self.did(Deed::SwarmWithdraw, 1);
        Ok(())
    }

    fn withdraw_now(&self, contents: Option<Vec<ContentId>>) {
        let mut holdings = self.inner.holdings.lock();
        holdings.withdraw(self.ticket, contents.as_deref());
        #[cfg(feature = "cluster")]
        self.tell(|| Said::Withdrawn(self.ticket.number(), contents));
    }

    /// Other nodes are told what happened, if there are any.
    #[cfg(feature = "cluster")]
    fn tell(&self, said: impl FnOnce() -> Said) {
        if let Some(abroad) = self.inner.abroad.get() {
            abroad.tell(said());
        }
    }

    fn renew(&self) -> Result<(), Unheard> {
        let said = self.inner.holdings.lock().said(self.ticket);
        if let Some((name, contents)) = said {
            let is_held = self.inner.names.is_held_by(&name.to_string(), &self.session);
            let may = |id: &ContentId| is_held && self.session.sees(Verb::Publish, &id.right());
            let over: Vec<_> = contents.into_iter().filter(|id| !may(id)).collect();
            if !over.is_empty() {
                self.withdraw_now(Some(over));
            }
        }
        let rtt = self.session.rtt();
        let mut holdings = self.inner.holdings.lock();
        holdings.renew(self.ticket, Instant::now().into_std());
        holdings.measured(self.ticket, rtt);
        #[cfg(feature = "cluster")]
        self.tell(|| Said::Renewed(self.ticket.number()));
        drop(holdings);
        self.did(Deed::SwarmRenew, 1);
        Ok(())
    }

    fn find(&self, stream: &mut Stream, value: &str) -> Result<(), Unheard> {
        let find: Find = self.read(value)?;
        let _permit = self.session.permit(Verb::Subscribe, &find.id.right()).map_err(|error| Unheard { ask: Some(find.ask), error })?;
        let now = Instant::now().into_std();
        let mut found = self.inner.holdings.lock().find(self.ticket, &find, &self.inner.books().memory, now);
        self.did(Deed::SwarmFind, 1);
        let mut body = encode(&Told { note: "found", value: &found });
        // As many candidates as an operator may allow, each with a long bitmap.
        while body.len() > NOTE_BYTES_MAX {
            found.candidates.truncate(found.candidates.len() / 2);
            body = encode(&Told { note: "found", value: &found });
        }
        stream.write_frame(&body);
        Ok(())
    }

    fn failed(&self, value: &str) -> Result<(), Unheard> {
        let failed: Failed = self.read(value)?;
        let verdict = self.inner.holdings.lock().failed(self.ticket, &failed, Instant::now().into_std());
        self.did(Deed::SwarmFailure, usize::from(verdict != Verdict::Nothing));
        self.did(Deed::SwarmLeftOut, usize::from(matches!(verdict, Verdict::OutForOne | Verdict::OutForAll)));
        Ok(())
    }

    fn did(&self, deed: Deed, times: usize) {
        self.inner.books().counters.did(deed, times as u64);
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        let mut holdings = self.inner.holdings.lock();
        holdings.end(self.ticket, Instant::now().into_std());
        #[cfg(feature = "cluster")]
        self.tell(|| Said::Ended(self.ticket.number()));
    }
}

impl From<OpenError> for Unheard {
    fn from(error: OpenError) -> Self {
        Self { ask: None, error }
    }
}

/// The number that whoever asked goes by, if there is one.
fn ask(value: &str) -> Option<u64> {
    serde_json::from_str::<Asked>(value).ok().map(|asked| asked.ask)
}

fn slower() -> OpenError {
    OpenError::new(Code::Limit, "too many notes: say less, and again in a moment")
}
