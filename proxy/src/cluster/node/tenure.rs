//! A name that a node has, and whether it still does.

use std::sync::Arc;

use tokio::sync::SetOnce;

use super::{Node, Shared};
use crate::cluster::{Hold, Place, State, Why};

/// A name that this node has, until this is dropped or it is lost.
#[must_use = "dropping it frees the name"]
pub struct Tenure {
    pub(super) node: Node,
    pub(super) place: Place,
    pub(super) granted: Granted,
}

#[derive(Clone)]
pub(super) struct Granted {
    pub hold: Hold,
    pub lost: Arc<SetOnce<Why>>,
    pub terms: Option<Arc<str>>,
}

/// Whether a name is still served by the right of a [`Tenure`], for those who do not have that. Cheap to clone.
#[derive(Clone)]
pub struct Validity {
    shared: Arc<Shared>,
    lost: Arc<SetOnce<Why>>,
}

impl Tenure {
    /// Whether the name may be served at this moment: to be asked whenever it is.
    pub fn is_valid(&self) -> bool {
        self.granted.lost.get().is_none() && self.node.is_in()
    }

    /// The same, for those who have the name only as long as it is this one's.
    pub fn validity(&self) -> Validity {
        Validity { shared: self.node.shared.clone(), lost: self.granted.lost.clone() }
    }

    /// What tells this claim of the name from all before it: no later one has a lower number.
    pub fn fencing_token(&self) -> u64 {
        self.granted.hold.revision
    }

    /// What holds for a name that several nodes may have: what was asked for, or what held already.
    pub fn terms(&self) -> Option<&Arc<str>> {
        self.granted.terms.as_ref()
    }

    /// Resolves when the name was lost, with why. Cancel-safe.
    pub async fn lost(&self) -> Why {
        *self.granted.lost.wait().await
    }

    /// Tells others that the owner is away, or back.
    pub fn tell(&self, state: State) {
        self.node.shared.stir(|inner, now| inner.core.tell(now, &self.place, self.granted.hold, state));
    }
}

impl Validity {
    /// As [`Tenure::is_valid`].
    pub fn is_valid(&self) -> bool {
        !self.is_lost() && self.shared.serves_now()
    }

    /// Whether the name was lost for good.
    pub fn is_lost(&self) -> bool {
        self.lost.get().is_some()
    }

    /// As [`Tenure::lost`]; never for a name that was given up.
    pub async fn lost(&self) -> Why {
        *self.lost.wait().await
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.node.shared.free(&self.place, self.granted.hold.serial);
    }
}
