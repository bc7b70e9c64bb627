//! What this machine is called in its network.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use if_addrs::get_if_addrs;
use rustix::system::uname;

/// The addresses under which others reach this machine, the one of the default route first.
pub fn addresses() -> Vec<IpAddr> {
    // Without them only the one of the default route is known.
    let all = get_if_addrs().unwrap_or_default().into_iter().filter(|face| !face.is_loopback() && !face.is_link_local());
    let mut addresses: Vec<IpAddr> = all.map(|face| face.ip()).collect();
    let usual = usual();
    if let Some(usual) = usual.filter(|usual| !addresses.contains(usual)) {
        addresses.push(usual);
    }
    addresses.sort_by_key(|address| (Some(*address) != usual, address.is_ipv6()));
    addresses.dedup();
    addresses
}

/// The address from which this machine would speak to others: nothing is sent.
fn usual() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address of a network for documents (RFC 5737).
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

/// All that a certificate of this machine should be for.
pub fn names() -> Vec<String> {
    let addresses = addresses().into_iter().map(|address| address.to_string());
    host().into_iter().flat_map(|host| [format!("{host}.local"), host]).chain(addresses).collect()
}

/// Its own name, without a domain.
pub fn host() -> Option<String> {
    let uname = uname();
    let host = uname.nodename().to_str().ok()?.split('.').next()?.to_ascii_lowercase();
    (!host.is_empty() && host != "localhost").then_some(host)
}
