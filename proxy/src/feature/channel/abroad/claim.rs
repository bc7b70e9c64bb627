//! Who may publish in a channel, and by which policy: where several nodes are asked in one moment, a write into the table that all of them share decides it.
//!
//! A node claims a channel when somebody begins to publish in it here, and gives it up with the last who does. Whoever comes meanwhile at the node needs no claim of its own.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use browser_stream_mux::Code;
use browser_stream_protocol::channel::{ChannelOptions, Policy, Publishers};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::super::{Channels, Inner, hub::NOT_ALONE};
use crate::{
    cluster::{Node, Place, Share, Tenure, Validity, Why},
    error::OpenError,
    route::Name,
};

/// The channels that this node has, or is about to have, as one of many.
pub(in super::super) struct Claims {
    node: Node,
    /// A prefix of names is a path, which this is not.
    prefix: Arc<str>,
    slots: Mutex<HashMap<Name, Slot>>,
}

/// One of them.
#[derive(Default)]
struct Slot {
    /// Who looks at it; with the last it is forgotten.
    seats: usize,
    /// One claims at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
    held: Option<Held>,
}

struct Held {
    tenure: Tenure,
    terms: Terms,
    publishers: usize,
    keeper: AbortOnDropHandle<()>,
}

/// What holds in a channel, as the table has it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Terms {
    policy: Policy,
    replay: u32,
    publishers: Publishers,
}

/// A look at one of them.
struct Seat {
    claims: Arc<Claims>,
    name: Name,
}

/// The right to publish in a channel at this node.
#[must_use = "with the last that is dropped the node gives the channel up"]
pub(in super::super) struct Right(Seat);

/// What a publisher that comes finds at its own node.
enum Found {
    /// It is let in, by these terms.
    In(Terms),
    /// Not both allow others.
    Closed,
    /// The node has lost the channel, and claims it again.
    Lost,
    /// The node has not got it.
    Nothing,
}

/// One that has left gives its right up in the same moment, or a little later; and a channel that is over at another node is mirrored here a little longer.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: usize = 100;
/// A channel that was lost is claimed again after so long.
const AGAIN: Duration = Duration::from_millis(500);

impl Channels {
    /// The right to publish in a channel, with what holds there then. Of a process that is alone it is nothing.
    pub(in super::super) async fn claim(&self, name: &Name, asked: &ChannelOptions) -> Result<(Option<Right>, ChannelOptions), OpenError> {
        let Some(abroad) = self.inner.abroad.get() else { return Ok((None, asked.clone())) };
        let (right, terms) = abroad.claims.claim(self, name, Terms::of(asked)).await?;
        let mut holds = asked.clone();
        (holds.policy, holds.replay, holds.publishers) = (terms.policy, terms.replay, terms.publishers);
        for _ in 0..LOOKS {
            if self.inner.registry.find(name).is_none_or(|hub| hub.suits(&holds)) {
                return Ok((Some(right), holds));
            }
            sleep(LOOK).await;
        }
        // Its node has lost it, and goes on.
        Err(taken())
    }
}

impl Claims {
    pub(super) fn new(node: Node, prefix: &str) -> Arc<Self> {
        Arc::new(Self { node, prefix: format!("channel:{prefix}").into(), slots: Mutex::default() })
    }

    fn place(&self, name: &Name) -> Place {
        Place { prefix: self.prefix.clone(), name: name.as_str().into() }
    }

    async fn claim(self: &Arc<Self>, channels: &Channels, name: &Name, asked: Terms) -> Result<(Right, Terms), OpenError> {
        let seat = Seat::take(self, name);
        let turn = seat.turn();
        let _turn = match turn.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                let turn = turn.lock().await;
                // What the one in front has just waited for in vain.
                if !self.node.is_well() {
                    return Err(unavailable());
                }
                turn
            }
        };
        let mut looks = 0;
        loop {
            match self.enter(name, asked) {
                Found::In(terms) => return Ok((Right(seat), terms)),
                Found::Lost => return Err(unavailable()),
                Found::Nothing => break,
                // Unless that one has left.
                Found::Closed if looks == LOOKS || channels.inner.registry.find(name).is_some_and(|hub| hub.is_native()) => {
                    return Err(taken());
                }
                Found::Closed => sleep(LOOK).await,
            }
            looks += 1;
        }
        let (tenure, terms) = self.ask(name, asked).await?;
        let keeper = keep(Arc::downgrade(&channels.inner), Seat::take(self, name));
        self.with(name, |slot| {
            // It looks at what is held first of all, so not before that is there.
            let keeper = AbortOnDropHandle::new(tokio::spawn(keeper));
            slot.held = Some(Held { tenure, terms, publishers: 1, keeper });
        });
        Ok((Right(seat), terms))
    }

    /// Has the table give the channel to this node, by these terms or those that hold already.
    async fn ask(&self, name: &Name, asked: Terms) -> Result<(Tenure, Terms), OpenError> {
        match self.node.share(&self.place(name), asked.share()).await {
            Ok(tenure) => {
                // Those of a node of another version may be none that are known here.
                let terms = tenure.terms().and_then(|terms| serde_json::from_str(terms).ok()).ok_or_else(taken)?;
                Ok((tenure, terms))
            }
            Err(Why::Unavailable) => Err(unavailable()),
            Err(_) => Err(taken()),
        }
    }

    /// One more publisher, if the node has the channel and that is open to it.
    fn enter(&self, name: &Name, asked: Terms) -> Found {
        self.with(name, |slot| match &mut slot.held {
            None => Found::Nothing,
            Some(held) if !(held.terms.is_open() && asked.is_open()) => Found::Closed,
            Some(held) if !held.tenure.is_valid() => Found::Lost,
            Some(held) => {
                held.publishers += 1;
                Found::In(held.terms)
            }
        })
    }

    /// One of the publishers has left.
    fn leave(&self, name: &Name) {
        let keeper = self.with(name, |slot| {
            let is_last = slot.held.as_mut().is_some_and(|held| {
                held.publishers -= 1;
                held.publishers == 0
            });
            // Who comes next finds the name given up.
            slot.held.take_if(|_| is_last).map(|held| held.keeper)
        });
        drop(keeper);
    }

    fn with<T>(&self, name: &Name, act: impl FnOnce(&mut Slot) -> T) -> T {
        act(self.slots.lock().entry(name.clone()).or_default())
    }
}

/// Sees that the node has the channel again where it lost that, as long as somebody publishes there; where another has it by then, it is over here.
async fn keep(channels: Weak<Inner>, seat: Seat) {
    let Seat { claims, name } = &seat;
    while let Some((validity, terms)) = seat.held() {
        validity.lost().await;
        let turn = seat.turn();
        let turn = turn.lock().await;
        match claims.node.share(&claims.place(name), terms.share()).await {
            Ok(tenure) if tenure.terms() == Some(&terms.text()) => {
                let before = claims.with(name, |slot| slot.held.as_mut().map(|held| std::mem::replace(&mut held.tenure, tenure)));
                drop(before);
            }
            Err(Why::Unavailable) => {
                drop(turn);
                sleep(AGAIN).await;
            }
            _ => {
                if let Some(inner) = channels.upgrade() {
                    tracing::warn!("a channel ends: while this node was out of touch with its cluster, another began it anew");
                    Channels { inner }.end(name.as_str());
                }
                return;
            }
        }
    }
}

impl Terms {
    fn of(options: &ChannelOptions) -> Self {
        Self { policy: options.policy, replay: options.replay, publishers: options.publishers }
    }

    fn is_open(self) -> bool {
        self.publishers == Publishers::Many
    }

    fn text(self) -> Arc<str> {
        // What it is made of has no way to fail.
        serde_json::to_string(&self).unwrap_or_default().into()
    }

    fn share(self) -> Share {
        Share { terms: self.text(), is_open: self.is_open(), also: Vec::new() }
    }
}

impl Seat {
    fn take(claims: &Arc<Claims>, name: &Name) -> Self {
        claims.with(name, |slot| slot.seats += 1);
        Self { claims: claims.clone(), name: name.clone() }
    }

    fn turn(&self) -> Arc<tokio::sync::Mutex<()>> {
        self.claims.with(&self.name, |slot| slot.turn.clone())
    }

    fn held(&self) -> Option<(Validity, Terms)> {
        self.claims.with(&self.name, |slot| slot.held.as_ref().map(|held| (held.tenure.validity(), held.terms)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut slots = self.claims.slots.lock();
        if let Some(slot) = slots.get_mut(&self.name) {
            slot.seats -= 1;
            if slot.seats == 0 {
                slots.remove(&self.name);
            }
        }
    }
}

impl Drop for Right {
    fn drop(&mut self) {
        self.0.claims.leave(&self.0.name);
    }
}

fn taken() -> OpenError {
    OpenError::new(Code::NameTaken, NOT_ALONE)
}

fn unavailable() -> OpenError {
    OpenError::new(
        Code::Draining,
        "this node of the cluster lost touch with NATS, and nobody begins to publish here: try again on a new connection, or in a few seconds",
    )
}
