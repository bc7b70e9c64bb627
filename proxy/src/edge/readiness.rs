//! Whether new sessions are welcome: `/readyz`, for whoever spreads them over several proxies.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use rand::Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{counters::Refusal, limits::Limits, memory::Memory};

/// What decides whether the proxy takes new sessions.
pub(super) struct Readiness {
    /// Connections that may still come.
    places: Arc<Semaphore>,
    memory: Arc<Memory>,
    draining: CancellationToken,
    /// No file descriptor could be had when it was tried last.
    short: AtomicBool,
    /// What it is in the cluster that it is of, if any.
    #[cfg(feature = "cluster")]
    node: std::sync::OnceLock<crate::cluster::Node>,
}

/// Why new sessions are not welcome now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Draining,
    Descriptors,
    Connections,
    /// Of the one who asks: its address has as many connections as it may.
    Address,
    Memory,
    /// It takes no names.
    #[cfg(feature = "cluster")]
    Cluster,
}

impl Trouble {
    /// In one word.
    #[cfg(feature = "admin")]
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Descriptors => "descriptors",
            Self::Connections => "connections",
            Self::Address => "address",
            Self::Memory => "memory",
            #[cfg(feature = "cluster")]
            Self::Cluster => "cluster",
        }
    }

    /// What a connection counts as that is told so.
    pub(super) fn counts_as(self) -> Refusal {
        match self {
            Self::Draining => Refusal::Draining,
            Self::Descriptors => Refusal::Descriptors,
            Self::Connections => Refusal::Connections,
            Self::Address => Refusal::ConnectionsPerAddress,
            Self::Memory => Refusal::Budget,
            // Nobody who comes is told so: who wants a name is, and what that counts as.
            #[cfg(feature = "cluster")]
            Self::Cluster => Refusal::Draining,
        }
    }
}

impl Readiness {
    pub(super) fn new(limits: &Limits, memory: Arc<Memory>, draining: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
        Self {
            places,
            memory,
            draining,
            short: AtomicBool::new(false),
            #[cfg(feature = "cluster")]
            node: std::sync::OnceLock::new(),
        }
    }

    /// It is a node from now on, and not ready while that may not be able to have names.
    #[cfg(feature = "cluster")]
    pub(super) fn follows(&self, node: crate::cluster::Node) {
        let _ = self.node.set(node);
    }

    /// A connection's place, if one is free.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Notes whether file descriptors have run out; whether that is news.
    pub(super) fn set_short(&self, short: bool) -> bool {
        self.short.swap(short, Ordering::Relaxed) != short
    }

    /// The worst trouble that there is, but for a lack of places: who asks in vain for one is told so, who got one has the answer.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        if self.draining.is_cancelled() {
            Some(Trouble::Draining)
        } else if self.short.load(Ordering::Relaxed) {
            Some(Trouble::Descriptors)
        } else if self.memory.pressed() {
            Some(Trouble::Memory)
        } else {
            self.lonely()
        }
    }

    #[cfg(feature = "cluster")]
    fn lonely(&self) -> Option<Trouble> {
        self.node.get().filter(|node| !node.is_well()).map(|_| Trouble::Cluster)
    }

    /// A proxy that is alone lacks nobody.
    #[cfg(not(feature = "cluster"))]
    fn lonely(&self) -> Option<Trouble> {
        None
    }

    /// The answer of `/readyz`.
    pub(super) fn answer(&self) -> Response {
        match self.trouble() {
            Some(trouble) => trouble.into_response(),
            // Whoever asks again is to ask for a place again.
            None => ([(header::CACHE_CONTROL, "no-store"), (header::CONNECTION, "close")], "ok\n").into_response(),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let text = match self {
            Self::Draining => "draining: the proxy goes down; try again in a few seconds\n",
            Self::Descriptors => "limit: the proxy has no file descriptors left; try again later, or raise its limit (ulimit -n)\n",
            Self::Connections => "limit: the proxy has as many connections as it may; try again later, or raise connections_max\n",
            Self::Address => {
                "limit: too many connections from this address; close some, or raise connections_per_address_max; if it is that of a proxy, name it in trusted_proxies\n"
            }
            Self::Memory => "limit: the memory budget of the proxy is used up; try again later, or raise memory_budget_bytes\n",
            #[cfg(feature = "cluster")]
            Self::Cluster => {
                "cluster: this node does not reach NATS and takes no names; try another node, or look whether NATS runs and can be reached from here\n"
            }
        };
        let status = if self == Self::Address { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::SERVICE_UNAVAILABLE };
        come_back(status, text)
    }
}

/// A refusal that time may lift. Those who are told at the same moment are not to come back at the same moment.
pub(super) fn come_back(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::RETRY_AFTER, retry_after().to_string()), (header::CACHE_CONTROL, "no-store".to_owned())], text).into_response()
}

/// After how many seconds that may be.
pub(super) fn retry_after() -> u32 {
    rand::rng().random_range(RETRY_AFTER_SECONDS)
}

/// Long enough for a crowd to spread, short enough for a person to wait.
const RETRY_AFTER_SECONDS: std::ops::RangeInclusive<u32> = 2..=10;

#[cfg(test)]
mod tests {
    use super::*;

    fn readiness(connections_max: usize) -> (Readiness, Arc<Memory>, CancellationToken) {
        let (memory, stop) = (Arc::new(Memory::new(100)), CancellationToken::new());
        let limits = Limits { connections_max, ..Limits::default() };
        (Readiness::new(&limits, memory.clone(), stop.clone()), memory, stop)
    }

    #[test]
    fn threat_19_each_shortage_is_told_and_passes_by_itself() {
        let (readiness, memory, stop) = readiness(1);
        assert_eq!(readiness.trouble(), None);
        let lease = memory.lease(100);
        assert_eq!(readiness.trouble(), Some(Trouble::Memory));
        let place = readiness.place().expect("a place");
        assert!(readiness.place().is_none());
        assert!(readiness.set_short(true) && !readiness.set_short(true));
        assert_eq!(readiness.trouble(), Some(Trouble::Descriptors));
        readiness.set_short(false);
        drop((place, lease));
        assert_eq!(readiness.trouble(), None);
        stop.cancel();
        assert_eq!(readiness.trouble(), Some(Trouble::Draining));
    }

    #[test]
    fn who_is_sent_away_is_told_when_to_come_back() {
        let answer = Trouble::Memory.into_response();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        assert!(after.is_some_and(|seconds: u32| (2..=10).contains(&seconds)), "{after:?}");
    }
}
