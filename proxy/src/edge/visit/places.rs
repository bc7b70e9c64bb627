//! How many requests are under way: in all, to a name, and from an address.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use browser_stream_protocol::Name;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::addresses::{self, Addresses};
use crate::{config::Network, counters::Refusal, limits::Limits};

/// The places that there are.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    per_name_max: usize,
    names: Mutex<HashMap<Name, usize>>,
    addresses: Arc<Addresses>,
}

/// A request's places, freed when it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    _all: OwnedSemaphorePermit,
    _name: OfName,
    _address: Option<addresses::Place>,
}

#[derive(Debug)]
struct OfName {
    places: Arc<Places>,
    name: Name,
}

impl Places {
    pub(super) fn new(limits: &Limits, trusted: &[Network]) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits.http_requests_max.min(Semaphore::MAX_PERMITS))),
            per_name_max: limits.http_requests_per_name_max,
            names: Mutex::default(),
            addresses: Arc::new(Addresses::new(limits.http_requests_per_address_max, trusted)),
        }
    }

    /// Places for one more request, or which there are none of.
    pub(super) fn take(self: &Arc<Self>, name: &Name, visitor: Option<IpAddr>) -> Result<Taken, Refusal> {
        let address = visitor.map(|visitor| self.addresses.enter(visitor)).transpose().map_err(|_| Refusal::HttpRequestsPerAddress)?;
        let name = self.of_name(name).ok_or(Refusal::HttpRequestsPerName)?;
        let all = self.all.clone().try_acquire_owned().map_err(|_| Refusal::HttpRequests)?;
        Ok(Taken { _all: all, _name: name, _address: address.flatten() })
    }

    fn of_name(self: &Arc<Self>, name: &Name) -> Option<OfName> {
        let mut names = self.names.lock();
        let count = names.get(name).copied().unwrap_or(0);
        if count >= self.per_name_max {
            return None;
        }
        names.insert(name.clone(), count + 1);
        Some(OfName { places: self.clone(), name: name.clone() })
    }
}

impl Drop for OfName {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.places.names.lock().entry(self.name.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_holds_by_itself_and_a_freed_place_is_taken_again() {
        let mut limits = Limits::default();
        (limits.http_requests_max, limits.http_requests_per_name_max, limits.http_requests_per_address_max) = (4, 3, 2);
        let places = Arc::new(Places::new(&limits, &["10.0.0.0/8".parse().expect("a network")]));
        let take = |name: &str, from: Option<&str>| {
            places.take(&Name::try_from(name).expect("a name"), from.map(|from| from.parse().expect("an address")))
        };
        let first = take("a", Some("192.0.2.1")).expect("a place");
        let _second = take("a", Some("192.0.2.1")).expect("a place");
        assert_eq!(take("b", Some("192.0.2.1")).err(), Some(Refusal::HttpRequestsPerAddress));
        let _third = take("a", Some("10.0.0.1")).expect("behind a proxy in front no address counts");
        assert_eq!(take("a", Some("192.0.2.2")).err(), Some(Refusal::HttpRequestsPerName));
        let _fourth = take("b", None).expect("a place");
        assert_eq!(take("b", Some("192.0.2.2")).err(), Some(Refusal::HttpRequests));
        drop(first);
        assert!(take("b", Some("192.0.2.1")).is_ok());
        assert_eq!(places.names.lock().len(), 2);
    }
}
