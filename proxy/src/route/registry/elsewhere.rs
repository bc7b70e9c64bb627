//! Names at other nodes of a cluster: what the table tells of them, for those who want one or watch it here.

use std::sync::{Arc, Weak, atomic::Ordering};

use browser_stream_mux::Code;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{Duration, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

#[cfg(feature = "admin")]
use super::SeenName;
use super::{
    Applicant, Claim, Freed, Name, Presence, Registry, Right, draining, operator, refused,
    seat::{Found, Waiter},
    slot::{Hold, Slot, Standing},
    standby::Standby,
};
use crate::{
    cluster::{Node, NodeId, Place, State, Title, Whereabouts, Why},
    error::OpenError,
    session::Session,
};

/// The cluster, as the names of one prefix see it.
pub(in super::super) struct Elsewhere {
    node: Node,
    prefix: Arc<str>,
    _hears: AbortOnDropHandle<()>,
}

/// Where a name is served that is not here.
#[derive(Clone)]
pub(in super::super) struct There {
    pub node: NodeId,
    pub address: Arc<str>,
}

impl Elsewhere {
    fn place(&self, name: &Name) -> Place {
        Place { prefix: self.prefix.clone(), name: name.as_str().into() }
    }

    fn find(&self, name: &Name) -> Option<Whereabouts> {
        self.node.elsewhere(&self.place(name))
    }

    /// Where a client goes that wants the name; nowhere, as long as its owner is away.
    fn there(&self, name: &Name) -> Option<There> {
        let Whereabouts { node, address, state, .. } = self.find(name)?;
        let address = address.filter(|_| state == State::Up)?;
        Some(There { node, address })
    }

    pub(super) fn presence(&self, name: &Name) -> Presence {
        self.find(name).map_or(Presence::Gone, |found| found.state.into())
    }

    /// Names that are kept for owners whose nodes are dead, where it falls to this node to tell of them.
    #[cfg(feature = "admin")]
    pub(super) fn kept(&self) -> impl Iterator<Item = SeenName> {
        let kept = self.node.kept(&self.prefix).into_iter();
        kept.filter_map(|(name, node, generation)| Some(SeenName::kept(Name::try_from(&*name).ok()?, node.process, generation)))
    }

    /// Names that are not here and `wanted`, in no order: at most so many.
    pub(super) fn held(&self, most: usize, wanted: impl Fn(&Name) -> bool) -> Vec<(Name, Presence)> {
        let is_wanted = |name: &str| Name::try_from(name).is_ok_and(|name| wanted(&name));
        let found = self.node.all_elsewhere(&self.prefix, most, is_wanted);
        found.into_iter().filter_map(|(name, state)| Some((Name::try_from(&*name).ok()?, state.into()))).collect()
    }
}

impl From<State> for Presence {
    fn from(state: State) -> Self {
        match state {
            State::Up => Self::Up,
            State::Suspended => Self::Suspended,
        }
    }
}

impl Registry {
    /// These are names of a cluster from now on; to be called in a runtime. The first time counts.
    pub fn join(self: &Arc<Self>, node: &Node) {
        self.elsewhere.get_or_init(|| {
            let prefix: Arc<str> = self.accept.strip_suffix(super::ACCEPT).unwrap_or_default().into();
            let hears = tokio::spawn(hear(Arc::downgrade(self), node.news(), prefix.clone()));
            Elsewhere { node: node.clone(), prefix, _hears: AbortOnDropHandle::new(hears) }
        });
    }

    /// Whether this is a node of a cluster.
    pub fn is_of_many(&self) -> bool {
        self.elsewhere.get().is_some()
    }

    /// Why nobody can be told here that a name is free: nothing is heard of the other nodes.
    pub(super) fn unheard(&self) -> Option<OpenError> {
        self.elsewhere.get().filter(|elsewhere| !elsewhere.node.is_in()).map(|_| {
            OpenError::new(
                Code::Draining,
                "nobody serves under this name here, and this node of the cluster does not reach NATS to hear of others: try again on a new connection, or in a few seconds",
            )
        })
    }

    /// Whether another node has the name, or keeps it for its owner.
    pub(super) fn is_elsewhere(&self, name: &Name) -> bool {
        self.elsewhere.get().is_some_and(|elsewhere| elsewhere.find(name).is_some())
    }

    /// Whether whoever has the name at another node, or may come back to it, lets in who comes by HTTP.
    pub(super) fn takes_http_elsewhere(&self, name: &Name) -> bool {
        self.elsewhere.get().and_then(|elsewhere| elsewhere.find(name)).is_some_and(|found| found.http)
    }

    /// Where the name is served, if that is at another node.
    pub fn there(&self, name: &Name) -> Option<There> {
        self.elsewhere.get()?.there(name)
    }

    /// Has the table of the cluster give the name to this session, then serves it here: of all that race at all nodes exactly one gets it. Who
    /// stands by waits. Dropping the future gives the claim up.
    pub async fn claim_of_all(self: &Arc<Self>, name: &Name, mut applicant: Applicant, stands_by: bool) -> Result<Claim, OpenError> {
        let Some(elsewhere) = self.elsewhere.get() else { return Err(draining()) };
        let place = self.place(&applicant.session)?;
        let mut number = None;
        loop {
            let refusal = match self.look(name, &mut applicant) {
                Err(refusal) => refusal,
                Ok(title) => match elsewhere.node.claim(&elsewhere.place(name), title, applicant.http).await {
                    Ok(tenure) => {
                        applicant.tenure = tenure.into();
                        return self.take(name, applicant, place);
                    }
                    Err(why) => not_given(why),
                },
            };
            if !stands_by || ![Code::NameTaken, Code::NameReserved].iter().any(|code| refusal.is(*code)) {
                return Err(refusal);
            }
            self.stand_by_for_all(name, &applicant.session, &mut number).await?;
        }
    }

    /// What the claim goes by if the table has the name free; else why this node knows that it is not.
    fn look(&self, name: &Name, applicant: &mut Applicant) -> Result<Title, OpenError> {
        if self.draining.load(Ordering::Acquire) {
            return Err(draining());
        }
        if let Some(slot) = self.slots.get(name) {
            let standing = slot.judge(applicant, 0).map_err(|code| slot.refusal(code))?;
            // The lease that its owner never heard of: the other nodes know of no other.
            if let (Right::New | Right::Made(_), Standing::Same(_), Some(title)) = (applicant.right, standing, slot.title()) {
                applicant.right = title.generation.map_or(Right::None, Right::Made);
            }
        }
        if applicant.right == Right::New {
            applicant.right = Right::Made(self.next_generation());
        }
        let generation = match applicant.right {
            Right::None | Right::New => None,
            Right::Made(generation) | Right::Held(generation) => Some(generation),
        };
        let instance = Uuid::from_bytes(*applicant.instance.bytes());
        Ok(Title { instance, attempt: applicant.attempt, generation, sub: applicant.sub.clone() })
    }

    /// Serves a name here that the table has given to this claim, unless a later claim of its owner was quicker.
    fn take(self: &Arc<Self>, name: &Name, applicant: Applicant, place: super::Place) -> Result<Claim, OpenError> {
        let mut slot = self.slots.entry(name.clone()).or_default();
        let judged = if self.draining.load(Ordering::Acquire) {
            Err(draining())
        } else {
            slot.judge(&applicant, 0).map_err(|code| slot.refusal(code))
        };
        match judged {
            Ok(standing) => Ok(self.install(&mut slot, name, applicant, place, standing)),
            Err(refusal) => {
                drop(slot);
                self.tidy(name);
                Err(refusal)
            }
        }
    }

    /// Waits in the queue for a name until it may be free; who waits again has the place that it had.
    async fn stand_by_for_all(self: &Arc<Self>, name: &Name, session: &Session, number: &mut Option<u64>) -> Result<(), OpenError> {
        let turn = {
            let mut slot = self.slots.entry(name.clone()).or_default();
            if self.draining.load(Ordering::Acquire) {
                drop(slot);
                self.tidy(name);
                return Err(draining());
            }
            if number.is_none() {
                self.check_queue(&slot, session)?;
            }
            let number = *number.get_or_insert_with(|| self.tickets.fetch_add(1, Ordering::Relaxed));
            self.line_up(&mut slot, name, number, Standby::Called)
        };
        // One that was called and is gone by now calls nobody else: so each looks for itself now and then.
        timeout(LOOKS_EVERY, turn.come()).await.unwrap_or(Ok(()))
    }

    /// Clients that want a name which another node serves, and where that is; to be told when the slot's lock is free.
    pub(super) fn sends_on(&self, slot: &mut Slot, name: &Name) -> Vec<(Waiter, There)> {
        let is_wanted = matches!(slot.hold, Hold::Free) && slot.waiting.values().any(|waiter| waiter.roams);
        let Some(there) = is_wanted.then(|| self.there(name)).flatten() else { return Vec::new() };
        slot.waiting.extract_if(.., |_, waiter| waiter.roams).map(|(_, waiter)| (waiter, there.clone())).collect()
    }

    /// Tells clients that want a name where it is, if that is at another node.
    pub(super) fn send_on(self: &Arc<Self>, name: &Name) {
        let Some(mut slot) = self.slots.get_mut(name) else { return };
        let found = self.sends_on(&mut slot, name);
        drop(slot);
        tell(found);
    }

    /// Something about the name is different in the table.
    fn heard(self: &Arc<Self>, name: &Name) {
        let Some(mut slot) = self.slots.get_mut(name) else { return };
        self.announce(&slot, name);
        let freed = matches!(slot.hold, Hold::Free).then(|| self.hand_on(&mut slot, name));
        drop(slot);
        freed.into_iter().for_each(Freed::settle);
        self.tidy(name);
    }
}

/// Hears what the table tells for as long as there are these names.
async fn hear(registry: Weak<Registry>, mut news: broadcast::Receiver<Place>, prefix: Arc<str>) {
    loop {
        let told = news.recv().await;
        let Some(registry) = registry.upgrade() else { return };
        match told {
            Ok(place) if place.prefix == prefix => {
                // What is no name here nobody waits for.
                if let Ok(name) = Name::try_from(&*place.name) {
                    registry.heard(&name);
                }
            }
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => {
                let names: Vec<Name> = registry.slots.iter().map(|slot| slot.key().clone()).collect();
                names.iter().for_each(|name| registry.heard(name));
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Tells clients where the name is that they want; with no lock held.
pub(super) fn tell(found: Vec<(Waiter, There)>) {
    for (waiter, there) in found {
        let _ = waiter.answer.send(Ok(Found::There(there)));
    }
}

/// Why the table did not give the name.
fn not_given(why: Why) -> OpenError {
    match why {
        Why::Taken => refused(Code::NameTaken),
        Why::Reserved => refused(Code::NameReserved),
        Why::Superseded => refused(Code::Superseded),
        Why::Unavailable => OpenError::new(
            Code::Draining,
            "this node of the cluster does not reach NATS and takes no claims: try again on a new connection, or in a few seconds",
        ),
    }
}

impl Slot {
    fn refusal(&self, code: Code) -> OpenError {
        if self.is_reserved { operator::reserved() } else { refused(code) }
    }
}

/// So often a claim that stands by asks the table whether or not it was called.
const LOOKS_EVERY: Duration = Duration::from_secs(5);
