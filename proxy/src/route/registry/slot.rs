//! One name: who holds it, and what a claim gets.

use std::{collections::BTreeMap, sync::Arc};

use browser_stream_mux::Code;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Applicant, ClaimInfo, Presence, Right, claim::Place, seat::Waiter, standby::Standby};
use crate::{route::tenure::Tenure, session::Instance};

/// One name: who holds it, and who waits for it, first come first served.
#[derive(Default)]
pub(super) struct Slot {
    pub hold: Hold,
    pub waiting: BTreeMap<u64, Waiter>,
    pub standby: BTreeMap<u64, Standby>,
    /// An operator keeps it: nobody gets it.
    pub is_reserved: bool,
    pub watchers: Option<watch::Sender<Presence>>,
}

/// Whose a name is.
#[derive(Default)]
pub(super) enum Hold {
    #[default]
    Free,
    Up(Arc<ClaimInfo>),
    /// Its owner's session is gone, and may come back.
    Suspended(Suspended),
}

/// What is left of a claim while its owner may come back.
pub(super) struct Suspended {
    pub title: Title,
    pub sub: Option<Arc<str>>,
    pub http: bool,
    pub heard: bool,
    /// No two suspensions are alike.
    pub serial: u64,
    pub _lapse: AbortOnDropHandle<()>,
    /// Kept for it.
    pub tenure: Tenure,
    /// A session that lets its names go by resets has them counted.
    pub _place: Option<Place>,
    pub _permit: OwnedSemaphorePermit,
}

/// What a claim goes by.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Title {
    /// The same from when the name was free until it is free again.
    pub id: Uuid,
    pub instance: Instance,
    pub attempt: u64,
    /// The generation of its lease, if it has one.
    pub generation: Option<u64>,
    /// In milliseconds since 1970: since when the name was not free.
    pub since_ms: u64,
}

/// What an applicant is to a name that it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its owner, who comes back: the claim of this id goes on.
    Same(Uuid),
    /// Somebody new.
    New,
}

impl Slot {
    /// Whether this applicant may have the name now. `honoured_before`: leases older than that have it back from one who has none.
    pub fn judge(&self, applicant: &Applicant, honoured_before: u64) -> Result<Standing, Code> {
        if self.is_reserved {
            return Err(Code::NameReserved);
        }
        let (title, sub, heard, taken) = match &self.hold {
            Hold::Free => return Ok(Standing::New),
            // Its task has not seen to that yet.
            Hold::Up(claim) if claim.validity().is_lost() => return Ok(Standing::New),
            Hold::Suspended(suspended) if suspended.tenure.validity().is_lost() => return Ok(Standing::New),
            Hold::Up(claim) => (&claim.title, &claim.sub, claim.was_heard(), Code::NameTaken),
            Hold::Suspended(suspended) => (&suspended.title, &suspended.sub, suspended.heard, Code::NameReserved),
        };
        // A name goes on as what it is only as long as it is the same one's.
        let alike = applicant.instance == title.instance && applicant.sub == *sub;
        let later = applicant.attempt > title.attempt;
        match (applicant.right, title.generation) {
            (Right::Held(held), Some(generation)) if alike && held == generation => {
                if later {
                    Ok(Standing::Same(title.id))
                } else {
                    Err(Code::Superseded)
                }
            }
            (Right::Held(held), None) if held < honoured_before => Ok(Standing::New),
            // The reply with the lease got lost: nobody but the owner can know this instance.
            (Right::New | Right::Made(_), Some(_)) if alike && later && !heard => Ok(Standing::Same(title.id)),
            _ => Err(taken),
        }
    }

    /// What whoever has the name goes by, or had it and may come back.
    pub fn title(&self) -> Option<&Title> {
        match &self.hold {
            Hold::Free => None,
            Hold::Up(claim) => Some(&claim.title),
            Hold::Suspended(suspended) => Some(&suspended.title),
        }
    }

    /// Whether whoever has the name lets in who comes by HTTP.
    pub fn takes_http(&self) -> bool {
        match &self.hold {
            Hold::Free => false,
            Hold::Up(claim) => claim.http,
            Hold::Suspended(suspended) => suspended.http,
        }
    }

    /// Whether the name is held by this very claim.
    pub fn is_held_by(&self, claim: &Arc<ClaimInfo>) -> bool {
        matches!(&self.hold, Hold::Up(holder) if Arc::ptr_eq(holder, claim))
    }

    /// Tells the watchers what holds now.
    pub fn announce(&self, now: Presence) {
        if let Some(watchers) = &self.watchers {
            watchers.send_if_modified(|told| std::mem::replace(told, now) != now);
        }
    }

    /// Whether the name is served here.
    pub fn presence(&self) -> Presence {
        match self.hold {
            Hold::Free => Presence::Gone,
            Hold::Up(_) => Presence::Up,
            Hold::Suspended(_) => Presence::Suspended,
        }
    }

    /// Whether nothing is lost by forgetting it.
    pub fn is_idle(&self) -> bool {
        let watched = self.watchers.as_ref().is_some_and(|watchers| watchers.receiver_count() > 0);
        matches!(self.hold, Hold::Free) && !self.is_reserved && self.waiting.is_empty() && self.standby.is_empty() && !watched
    }
}
