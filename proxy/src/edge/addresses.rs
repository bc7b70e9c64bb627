//! How much comes from one address: its sessions, and its connections that are none.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use http::{HeaderMap, HeaderName};
use parking_lot::Mutex;

use crate::config::Network;

/// How many there are of one kind by address, and how many one may have. As large as there are of them, and no larger.
#[derive(Debug)]
pub(super) struct Addresses {
    max: usize,
    trusted: Vec<Network>,
    live: Mutex<HashMap<IpAddr, usize>>,
}

/// A place among those of an address, until it is dropped.
#[derive(Debug)]
#[must_use = "dropping a place frees it"]
pub(super) struct Place {
    addresses: Arc<Addresses>,
    holder: IpAddr,
}

/// Where proxies in front say whom they heard from.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address has as many as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Addresses {
    /// Room for `max` from each address that is not one of `trusted`.
    pub(super) fn new(max: usize, trusted: &[Network]) -> Self {
        Self { max, trusted: trusted.to_vec(), live: Mutex::default() }
    }

    /// Who comes with these headers from `remote`: that address, or whom a trusted proxy there names. `None` where it names nobody but others like itself, or nothing that is an address.
    ///
    /// Each proxy adds at the end whom it heard from, so the last one there that is not trusted is the visitor, and what stands before that is the visitor's own word.
    pub(super) fn visitor(&self, remote: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.trusts(remote) {
            return Some(remote);
        }
        let said = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut named = said.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')).map(named);
        named.find(|address| address.is_none_or(|address| !self.trusts(address))).flatten()
    }

    /// Whether it is that of a proxy in front.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// A place for one more from `remote`; none is needed behind a trusted proxy, whose address says nothing about the peer.
    pub(super) fn enter(self: &Arc<Self>, remote: IpAddr) -> Result<Option<Place>, Full> {
        if self.trusts(remote) {
            return Ok(None);
        }
        let holder = holder(remote);
        let mut live = self.live.lock();
        let count = live.get(&holder).copied().unwrap_or(0);
        if count >= self.max {
            return Err(Full);
        }
        live.insert(holder, count + 1);
        Ok(Some(Place { addresses: self.clone(), holder }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.addresses.live.lock().entry(self.holder) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// The address that a proxy wrote there, with a port behind it or not. What the visitor said stands beside it, and may be anything.
fn named(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?.trim();
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Who an address stands for. A household or a machine is given an IPv6 /64 at least and may take any address of it, so that is what counts.
pub(super) fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn addresses(max: usize) -> Arc<Addresses> {
        Arc::new(Addresses::new(max, &["10.0.0.0/8".parse().expect("a network")]))
    }

    fn enter(addresses: &Arc<Addresses>, from: &str) -> Result<Option<Place>, Full> {
        addresses.enter(from.parse().expect("an address"))
    }

    #[test]
    fn an_address_has_so_many_places_and_a_freed_one_is_taken_again() {
        let addresses = addresses(2);
        let first = enter(&addresses, "192.0.2.1").expect("a place");
        let _second = enter(&addresses, "::ffff:192.0.2.1").expect("a place");
        assert!(enter(&addresses, "192.0.2.1").is_err());
        assert!(enter(&addresses, "192.0.2.2").is_ok_and(|place| place.is_some()));
        drop(first);
        assert!(enter(&addresses, "192.0.2.1").is_ok());
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address() {
        let addresses = addresses(1);
        let _place = enter(&addresses, "2001:db8:1:2::1").expect("a place");
        assert!(enter(&addresses, "2001:db8:1:2:ffff:ffff:ffff:ffff").is_err());
        assert!(enter(&addresses, "2001:db8:1:3::1").is_ok());
    }

    #[test]
    fn peers_behind_a_trusted_proxy_are_not_counted() {
        let addresses = addresses(1);
        let places: Vec<_> = (0..10).map(|_| enter(&addresses, "10.1.2.3")).collect();
        assert!(places.iter().all(|place| matches!(place, Ok(None))));
    }

    #[test]
    fn threat_18_trusted_proxies_alone_name_who_comes_and_nobody_names_somebody_else() {
        let addresses = addresses(1);
        let visitor = |remote: &str, said: &[&str]| {
            let value = |said: &str| HeaderValue::from_bytes(said.as_bytes()).expect("a value");
            let headers = said.iter().map(|said| (FORWARDED_FOR, value(said))).collect();
            addresses.visitor(remote.parse().expect("an address"), &headers).map(|address| address.to_string())
        };
        for (remote, said, who) in [
            ("192.0.2.1", &["192.0.2.9"][..], Some("192.0.2.1")),
            ("10.0.0.1", &["192.0.2.9"], Some("192.0.2.9")),
            ("::ffff:10.0.0.1", &["2001:db8::1"], Some("2001:db8::1")),
            // Two of them one behind the other, and what the visitor itself says of others.
            ("10.0.0.1", &["192.0.2.8, 192.0.2.9,10.7.7.7"], Some("192.0.2.9")),
            ("10.0.0.1", &["192.0.2.8", "nonsense, 192.0.2.9", "10.7.7.7"], Some("192.0.2.9")),
            // Bytes that are no address do not hide the one behind them.
            ("10.0.0.1", &["\u{e9}, 192.0.2.9"], Some("192.0.2.9")),
            ("10.0.0.1", &["\u{e9}", "192.0.2.9, 10.7.7.7"], Some("192.0.2.9")),
            // As some load balancers write it.
            ("10.0.0.1", &["192.0.2.8, 192.0.2.9:5678"], Some("192.0.2.9")),
            ("10.0.0.1", &["192.0.2.9, 10.7.7.7:443"], Some("192.0.2.9")),
            ("10.0.0.1", &["[2001:db8::1]:5"], Some("2001:db8::1")),
            ("10.0.0.1", &["192.0.2.8, \u{e9}"], None),
            ("10.0.0.1", &["192.0.2.8, unknown"], None),
            ("10.0.0.1", &["192.0.2.8, unknown, 10.7.7.7"], None),
            ("10.0.0.1", &["10.7.7.7"], None),
            ("10.0.0.1", &[""], None),
            ("10.0.0.1", &[], None),
        ] {
            assert_eq!(visitor(remote, said).as_deref(), who, "{remote} {said:?}");
        }
    }

    #[test]
    fn addresses_without_places_take_no_memory() {
        let addresses = addresses(1);
        for last in 0..=255 {
            let place = addresses.enter(IpAddr::from([192, 0, 2, last])).expect("a place");
            drop(place);
        }
        assert!(addresses.live.lock().is_empty());
    }
}
