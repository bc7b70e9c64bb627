//! By what right a name is served here: that of a process which is alone, or that of a node which the table of its cluster gave it to.

use super::Reason;
#[cfg(feature = "cluster")]
use crate::cluster;

/// The right to serve a name, given back when dropped. Of a process that is alone it is nothing.
#[derive(Default)]
pub(super) struct Tenure(#[cfg(feature = "cluster")] Option<Box<cluster::Tenure>>);

/// Whether that right still holds. Does not keep it, so that whoever serves the last client of a claim keeps no name by that.
#[derive(Clone, Default)]
pub(super) struct Validity(#[cfg(feature = "cluster")] Option<cluster::Validity>);

/// How it was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The owner has the name at another node by now, or used its lease again elsewhere.
    #[cfg(feature = "cluster")]
    Moved,
    /// The node could not renew its lease in time.
    #[cfg(feature = "cluster")]
    Fenced,
}

impl Tenure {
    pub fn validity(&self) -> Validity {
        Validity(
            #[cfg(feature = "cluster")]
            self.0.as_ref().map(|tenure| tenure.validity()),
        )
    }

    /// Tells the other nodes that the owner is away.
    pub fn suspend(&self) {
        #[cfg(feature = "cluster")]
        if let Some(tenure) = &self.0 {
            tenure.tell(cluster::State::Suspended);
        }
    }
}

impl From<Loss> for Reason {
    fn from(loss: Loss) -> Self {
        match loss {
            #[cfg(feature = "cluster")]
            Loss::Moved => Self::Superseded,
            #[cfg(feature = "cluster")]
            Loss::Fenced => Self::Fenced,
        }
    }
}

#[cfg(feature = "cluster")]
impl From<cluster::Tenure> for Tenure {
    fn from(tenure: cluster::Tenure) -> Self {
        Self(Some(Box::new(tenure)))
    }
}

#[cfg(not(feature = "cluster"))]
impl Validity {
    /// Whether the name may be served at this moment.
    #[inline]
    pub fn holds(&self) -> bool {
        true
    }

    /// Whether it was lost for good.
    #[inline]
    pub fn is_lost(&self) -> bool {
        false
    }

    /// Never resolves.
    pub async fn lost(&self) -> Loss {
        std::future::pending().await
    }
}

#[cfg(feature = "cluster")]
impl Validity {
    /// Whether the name may be served at this moment.
    pub fn holds(&self) -> bool {
        self.0.as_ref().is_none_or(cluster::Validity::is_valid)
    }

    /// Whether it was lost for good.
    pub fn is_lost(&self) -> bool {
        self.0.as_ref().is_some_and(cluster::Validity::is_lost)
    }

    /// Resolves when it was lost. Cancel-safe.
    pub async fn lost(&self) -> Loss {
        match &self.0 {
            None => std::future::pending().await,
            Some(validity) => match validity.lost().await {
                cluster::Why::Superseded => Loss::Moved,
                _ => Loss::Fenced,
            },
        }
    }
}
