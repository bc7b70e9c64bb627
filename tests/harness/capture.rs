//! A capture of one TCP connection, written byte by byte: what a recorder of packets would have kept of it.

use crate::Way;

/// A connection from 10.0.0.1:4000 to 10.0.0.2:8080, as packets of Ethernet.
#[derive(Clone, Debug)]
pub struct Capture {
    /// In the order in which they were captured. May be changed: what a network does, or a recorder that comes late.
    pub packets: Vec<Vec<u8>>,
    next: [u32; 2],
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// Bytes of a packet before its IP header, and before what its segment carries.
pub const LINK: usize = 14;
pub const HEADERS: usize = LINK + 40;

impl Capture {
    /// From the handshake on.
    pub fn new() -> Self {
        let packets = vec![segment(Way::Up, 99, 0, SYN, b""), segment(Way::Down, 499, 100, SYN | ACK, b"")];
        Self { packets, ..Self::midway() }
    }

    /// Whose handshake was not seen.
    pub fn midway() -> Self {
        Self { packets: Vec::new(), next: [100, 500] }
    }

    /// One side says this, in one segment that acknowledges all that the other said; at most 65,000 bytes.
    pub fn says(&mut self, way: Way, bytes: &[u8]) {
        self.segment(way, ACK, bytes);
        self.next[way as usize] += bytes.len() as u32;
    }

    /// One side says no more.
    pub fn finishes(&mut self, way: Way) {
        self.segment(way, ACK | FIN, b"");
        self.next[way as usize] += 1;
    }

    /// One side resets the connection.
    pub fn resets(&mut self, way: Way) {
        self.segment(way, RST, b"");
    }

    fn segment(&mut self, way: Way, flags: u8, bytes: &[u8]) {
        let other = 1 - way as usize;
        self.packets.push(segment(way, self.next[way as usize], self.next[other], flags, bytes));
    }

    /// As pcap, with a millisecond between packets.
    pub fn pcap(&self) -> Vec<u8> {
        pcap(1, &self.packets)
    }

    /// As pcap in the other byte order.
    pub fn pcap_of_another_machine(&self) -> Vec<u8> {
        pcap_in(1, &self.packets, u32::to_be_bytes, u16::to_be_bytes)
    }

    /// As pcapng, with a clock of nanoseconds.
    pub fn pcapng(&self) -> Vec<u8> {
        let section = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
        let interface = [1, 0, 0, 0, 0xff, 0xff, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        let mut bytes = [block(0x0a0d_0d0a, &section), block(1, &interface)].concat();
        for (number, packet) in self.packets.iter().enumerate() {
            let at = 1_700_000_000_000_000_000_u64 + number as u64 * 1_000_000;
            let mut body = [0, (at >> 32) as u32, at as u32, packet.len() as u32, packet.len() as u32].map(u32::to_le_bytes).concat();
            body.extend(packet);
            body.resize(body.len().next_multiple_of(4), 0);
            bytes.extend(block(6, &body));
        }
        bytes
    }
}

impl Default for Capture {
    fn default() -> Self {
        Self::new()
    }
}

/// Packets of this kind of link as pcap.
pub fn pcap(link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    pcap_in(link, packets, u32::to_le_bytes, u16::to_le_bytes)
}

fn pcap_in(link: u32, packets: &[Vec<u8>], word: fn(u32) -> [u8; 4], half: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mut bytes = [word(0xa1b2_c3d4).as_slice(), &half(2), &half(4), &word(0), &word(0), &word(65_535), &word(link)].concat();
    for (number, packet) in packets.iter().enumerate() {
        let length = word(packet.len() as u32);
        bytes.extend([word(1_700_000_000 + number as u32 / 1000), word(number as u32 % 1000 * 1000), length, length].concat());
        bytes.extend(packet);
    }
    bytes
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = (12 + body.len() as u32).to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &length].concat()
}

/// A TCP segment in IPv4 in Ethernet.
fn segment(way: Way, sequence: u32, acknowledged: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let ends = [([10, 0, 0, 1], 4000_u16), ([10, 0, 0, 2], 8080)];
    let (from, to) = (ends[way as usize], ends[1 - way as usize]);
    let mut bytes = [&[0; 12][..], &[8, 0, 0x45, 0]].concat();
    bytes.extend((40 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    bytes.extend([from.0, to.0].concat());
    bytes.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
    bytes.extend([sequence.to_be_bytes(), acknowledged.to_be_bytes()].concat());
    bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}
