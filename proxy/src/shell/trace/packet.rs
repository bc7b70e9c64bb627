//! A packet of a capture: the TCP segment in it, below whatever headers its link has.

use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::Linktype;

/// A TCP segment.
#[derive(Debug)]
pub struct Segment<'a> {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub sequence: u32,
    pub acknowledged: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    pub payload: &'a [u8],
    /// Bytes of its payload that the capture cut off.
    pub missing: u32,
}

impl<'a> Segment<'a> {
    /// The segment in a packet; nothing where it is none, or not all of its headers are there.
    pub fn read(link: Linktype, packet: &'a [u8]) -> Option<Self> {
        let sliced = match link {
            Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(packet).ok()?,
            // Four bytes say which family it is, and so does the IP header.
            Linktype::NULL | Linktype::LOOP => LaxSlicedPacket::from_ip(packet.get(4..)?).ok()?,
            Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | Linktype(12 | 14) => LaxSlicedPacket::from_ip(packet).ok()?,
            Linktype::LINUX_SLL => LaxSlicedPacket::from_ether_type(ether_type(packet.get(14..16)?), packet.get(16..)?),
            Linktype::LINUX_SLL2 => LaxSlicedPacket::from_ether_type(ether_type(packet.get(..2)?), packet.get(20..)?),
            _ => return None,
        };
        let (from, to, declared) = addresses(sliced.net.as_ref()?)?;
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { return None };
        let payload = tcp.payload();
        let whole = declared.map_or(payload.len(), |bytes| bytes.saturating_sub(tcp.header_slice().len()));
        Some(Self {
            from: SocketAddr::new(from, tcp.source_port()),
            to: SocketAddr::new(to, tcp.destination_port()),
            sequence: tcp.sequence_number(),
            acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
            syn: tcp.syn(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            payload,
            missing: u32::try_from(whole.saturating_sub(payload.len())).unwrap_or_default(),
        })
    }
}

/// The link kinds that are understood, for who has a capture of another.
pub fn is_known(link: Linktype) -> bool {
    use Linktype as L;
    matches!(link, L::ETHERNET | L::NULL | L::LOOP | L::RAW | L::IPV4 | L::IPV6 | L::LINUX_SLL | L::LINUX_SLL2 | Linktype(12 | 14))
}

fn ether_type(bytes: &[u8]) -> EtherType {
    EtherType(bytes.iter().fold(0, |value, byte| value << 8 | u16::from(*byte)))
}

/// From where, to where, and how many bytes of TCP the IP header promises; that is left open where a card cuts packets by itself.
fn addresses(net: &LaxNetSlice<'_>) -> Option<(IpAddr, IpAddr, Option<usize>)> {
    match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let authentication = ip.extensions().auth.map_or(0, |auth| auth.slice().len());
            let payload = usize::from(header.total_len()).checked_sub(header.slice().len() + authentication);
            Some((header.source_addr().into(), header.destination_addr().into(), payload))
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let payload = usize::from(header.payload_length()).checked_sub(ip.extensions().slice().len()).filter(|bytes| *bytes > 0);
            Some((header.source_addr().into(), header.destination_addr().into(), payload))
        }
        LaxNetSlice::Arp(_) => None,
    }
}
