//! A capture: pcap or pcapng, from a file or a pipe, packet by packet.

use std::{
    io::{self, Cursor, Read},
    time::Duration,
};

use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

use super::{
    flows::Flows,
    packet::{self, Segment},
};

/// Why a capture was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is neither pcap nor pcapng")]
    Unknown,
    #[error("it ends within a packet")]
    CutOff,
    #[error("a block of it has more than {BLOCK_MAX} bytes")]
    Block,
    #[error("a block of it cannot be read")]
    Bad,
    #[error("its packets are of a kind of link that is not understood ({0}): Ethernet, loopback, Linux cooked (v1, v2) and raw IP are")]
    Link(i32),
}

/// No packet is longer.
const BLOCK_MAX: usize = 16 << 20;
const BUFFER: usize = 256 << 10;
/// So long a section's header may be: its options are words of who captured.
const HEADER_MAX: u64 = 128 << 10;

/// An interface of a section.
#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    /// Nanoseconds since 1970 by the units of its clock.
    resolution: u8,
}

/// Where packets come from, and when the first one did.
struct Source {
    interfaces: Vec<Interface>,
    began: Option<Duration>,
    last: Duration,
    /// A packet was understood; a kind of link that none was of.
    understood: bool,
    strange: Option<Linktype>,
}

/// Reads it to its end, or as far as it can be read.
///
/// # Errors
/// Where it cannot be read any further. What was read has been told.
pub fn read(input: impl Read + Send, flows: &mut Flows<'_>) -> Result<(), CaptureError> {
    let mut source = Source { interfaces: Vec::new(), began: None, last: Duration::ZERO, understood: false, strange: None };
    let read = blocks(input, |block| source.block(block, flows));
    flows.end(source.last);
    read?;
    match source.strange {
        Some(link) if !source.understood => Err(CaptureError::Link(link.0)),
        _ => Ok(()),
    }
}

fn blocks(input: impl Read + Send, mut on: impl FnMut(PcapBlockOwned<'_>)) -> Result<(), CaptureError> {
    let mut reader = create_reader(BUFFER, whole_header(input)?).map_err(|error| wrong(&error))?;
    let mut capacity = BUFFER;
    loop {
        let stopped = match reader.next() {
            Ok((length, block)) => {
                on(block);
                reader.consume(length);
                continue;
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => None,
            Err(PcapError::BufferTooSmall) if capacity < BLOCK_MAX => {
                capacity *= 2;
                reader.grow(capacity);
                None
            }
            Err(error) => Some(wrong(&error)),
        };
        match stopped {
            None => reader.refill().map_err(|error| wrong(&error))?,
            Some(CaptureError::CutOff) if reader.data().is_empty() => return Ok(()),
            Some(error) => return Err(error),
        }
    }
}

/// The same input, the first piece of which is a whole header: a pipe gives what is there, and the reader wants all of it at once.
fn whole_header(mut input: impl Read + Send) -> io::Result<impl Read + Send> {
    let mut head = Vec::new();
    input.by_ref().take(24).read_to_end(&mut head)?;
    if let [0x0a, 0x0d, 0x0d, 0x0a, a, b, c, d, magic, ..] = head[..] {
        let length = if magic == 0x4d { u32::from_le_bytes([a, b, c, d]) } else { u32::from_be_bytes([a, b, c, d]) };
        input.by_ref().take(u64::from(length).min(HEADER_MAX).saturating_sub(24)).read_to_end(&mut head)?;
    }
    Ok(Cursor::new(head).chain(input))
}

fn wrong<I>(error: &PcapError<I>) -> CaptureError {
    match error {
        PcapError::Eof | PcapError::Incomplete(_) | PcapError::HeaderNotRecognized => CaptureError::Unknown,
        PcapError::UnexpectedEof => CaptureError::CutOff,
        PcapError::BufferTooSmall => CaptureError::Block,
        PcapError::ReadError => CaptureError::Io(io::Error::other("it cannot be read any further")),
        PcapError::NomError(..) | PcapError::OwnedNomError(..) => CaptureError::Bad,
    }
}

impl Source {
    fn block(&mut self, block: PcapBlockOwned<'_>, flows: &mut Flows<'_>) {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let resolution = if header.is_nanosecond_precision() { 9 } else { 6 };
                self.interfaces = vec![Interface { link: header.network, resolution }];
            }
            PcapBlockOwned::Legacy(packet) => {
                let units = if self.interfaces.first().is_some_and(|interface| interface.resolution == 9) { 1 } else { 1000 };
                let fraction = Duration::from_nanos(u64::from(packet.ts_usec) * units);
                let at = Duration::from_secs(u64::from(packet.ts_sec)) + fraction;
                self.packet(0, Some(at), packet.data, flows);
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => self.interfaces.clear(),
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                // More than so many have no packets of ours.
                if self.interfaces.len() < INTERFACES_MAX {
                    self.interfaces.push(Interface { link: interface.linktype, resolution: interface.if_tsresol });
                }
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let index = packet.if_id as usize;
                let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let at = self.interfaces.get(index).map(|interface| time(units, interface.resolution));
                let data = packet.data.get(..packet.caplen as usize).unwrap_or(packet.data);
                self.packet(index, at, data, flows);
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => self.packet(0, None, packet.data, flows),
            PcapBlockOwned::NG(_) => {}
        }
    }

    fn packet(&mut self, interface: usize, at: Option<Duration>, data: &[u8], flows: &mut Flows<'_>) {
        let Some(Interface { link, .. }) = self.interfaces.get(interface).copied() else { return };
        if !packet::is_known(link) {
            self.strange = Some(link);
            return;
        }
        self.understood = true;
        if let Some(at) = at {
            let began = *self.began.get_or_insert(at);
            // A clock that was set back, or packets of two interfaces: nothing is before the first.
            self.last = at.saturating_sub(began);
        }
        if let Some(segment) = Segment::read(link, data) {
            flows.segment(self.last, &segment);
        }
    }
}

const INTERFACES_MAX: usize = 65_536;

/// The time of so many units: of a power of ten, or of two where the first bit is set.
fn time(units: u64, resolution: u8) -> Duration {
    let exponent = u32::from(resolution & 0x7f);
    let per_second =
        if resolution & 0x80 == 0 { 10_u128.checked_pow(exponent) } else { 1_u128.checked_shl(exponent).filter(|units| *units > 0) };
    let Some(per_second) = per_second else { return Duration::ZERO };
    let nanoseconds = u128::from(units).checked_mul(1_000_000_000).map_or(0, |units| units / per_second);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_counts_in_the_units_of_its_interface() {
        assert_eq!(time(1_500_000, 6), Duration::from_millis(1500));
        assert_eq!(time(1_500_000_000, 9), Duration::from_millis(1500));
        assert_eq!(time(3 << 9, 0x80 | 10), Duration::from_millis(1500));
        assert_eq!(time(u64::MAX, 0x7f), Duration::ZERO);
    }
}
