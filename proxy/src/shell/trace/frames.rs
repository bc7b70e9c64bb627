//! The mux in one direction: frames, wherever the messages that carry them end.

use browser_stream_mux::{Flags, Header, Kind as FrameKind, Violation};
use browser_stream_protocol::RefusalCode;

use super::{
    line::{Facts, Kind},
    scribe::Scribe,
    streams::{Streams, Verdict},
};

/// Takes one side's frames apart.
#[derive(Debug, Default)]
pub struct Frames {
    head: Vec<u8>,
    /// The DATA frame that is coming, and how much of it is missing.
    data: Option<(Header, u32)>,
    /// No frame can be told from another any more.
    is_lost: bool,
}

impl Frames {
    /// Takes all of these bytes.
    pub fn take(&mut self, mut bytes: &[u8], streams: &mut Streams, scribe: &mut Scribe<'_>) {
        while !bytes.is_empty() && !self.is_lost {
            if let Some((header, left)) = &mut self.data {
                let (now, rest) = bytes.split_at((*left as usize).min(bytes.len()));
                bytes = rest;
                *left -= now.len() as u32;
                streams.payload(scribe.side, header.stream, now, scribe);
                self.end_if_whole(streams, scribe);
                continue;
            }
            let (now, rest) = bytes.split_at((Header::BYTES - self.head.len()).min(bytes.len()));
            bytes = rest;
            self.head.extend_from_slice(now);
            if let Ok(head) = <[u8; Header::BYTES]>::try_from(&self.head[..]) {
                self.head.clear();
                self.header(head, streams, scribe);
            }
        }
    }

    /// So many bytes are missing: whether what follows can be understood all the same.
    pub fn skip(&mut self, bytes: u64, streams: &mut Streams, scribe: &mut Scribe<'_>) -> bool {
        if self.is_lost {
            return false;
        }
        let Some((header, left)) = &mut self.data else { return bytes == 0 };
        let Some(rest) = u64::from(*left).checked_sub(bytes) else { return false };
        *left = rest as u32;
        streams.skip(scribe.side, header.stream, bytes, scribe);
        self.end_if_whole(streams, scribe);
        true
    }

    fn end_if_whole(&mut self, streams: &mut Streams, scribe: &mut Scribe<'_>) {
        if let Some((header, 0)) = self.data {
            self.data = None;
            streams.end(scribe.side, &header, scribe);
        }
    }

    fn header(&mut self, head: [u8; Header::BYTES], streams: &mut Streams, scribe: &mut Scribe<'_>) {
        let header = match Header::decode(head) {
            Ok(header) => header,
            Err(violation) => {
                violated(None, violation, scribe);
                // Of these the length is right; of the others nobody knows what it means.
                let Some(header) = on_stream_zero(head, violation) else {
                    self.is_lost = true;
                    streams.missed();
                    scribe.limit(None, "nothing that follows in this direction can be told apart");
                    return;
                };
                self.data = (header.kind == FrameKind::Data && header.length > 0).then_some((header, header.length));
                return;
            }
        };
        if matches!(header.kind, FrameKind::Ping | FrameKind::GoAway) {
            return told(&header, &Verdict::default(), scribe);
        }
        let verdict = streams.begin(scribe.side, &header, scribe);
        told(&header, &verdict, scribe);
        if let Some(violation) = verdict.violation {
            violated(Some(header.stream), violation, scribe);
        }
        let payload = if header.kind == FrameKind::Data { header.length } else { 0 };
        self.data = Some((header, payload));
        self.end_if_whole(streams, scribe);
    }
}

/// The header of a frame on stream 0, where nothing else is wrong with it: its payload has to be passed over.
fn on_stream_zero(mut head: [u8; Header::BYTES], violation: Violation) -> Option<Header> {
    if violation != Violation::StreamZero {
        return None;
    }
    // Any other stream does: nothing is told of it.
    head[7] = 1;
    Header::decode(head).ok().map(|header| Header { stream: 0, ..header })
}

fn violated(stream: Option<u32>, violation: Violation, scribe: &mut Scribe<'_>) {
    scribe.violation(stream, violation.as_str(), &violation.to_string());
}

/// Tells a frame.
fn told(header: &Header, verdict: &Verdict, scribe: &mut Scribe<'_>) {
    let length = u64::from(header.length);
    let facts = flags(header.flags);
    let (kind, facts) = match header.kind {
        FrameKind::Data if header.flags.contains(Flags::RST) => (Kind::Reset, facts.number("length", length)),
        FrameKind::Data => (Kind::Data, facts.number("length", length)),
        FrameKind::WindowUpdate if header.flags.contains(Flags::RST) => {
            (Kind::Reset, facts.text("code", &RefusalCode::from_number(header.length).to_string()).number("number", length))
        }
        FrameKind::WindowUpdate => (Kind::Window, facts.number("credit", length)),
        FrameKind::Ping => (Kind::Ping, facts.number("token", length)),
        FrameKind::GoAway => {
            let name = ["normal", "protocol", "internal"].get(header.length as usize);
            (Kind::Goaway, facts.text("code", name.unwrap_or(&"unknown")).number("number", length))
        }
    };
    let stream = if matches!(header.kind, FrameKind::Ping | FrameKind::GoAway) { 0 } else { header.stream };
    scribe.stream(stream, kind, if verdict.is_late { facts.flag("late") } else { facts });
}

fn flags(flags: Flags) -> Facts {
    let known = [(Flags::SYN, "SYN"), (Flags::ACK, "ACK"), (Flags::FIN, "FIN"), (Flags::RST, "RST")];
    let mut names: Vec<String> = known.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| (*name).to_owned()).collect();
    if flags.has_unknown() {
        names.push(format!("{:#06x}", flags.bits() & !15));
    }
    if names.is_empty() { Facts::new() } else { Facts::new().text("flags", &names.join("|")) }
}
