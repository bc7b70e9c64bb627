//! The way in: headers put together, each frame judged by its header, payload given out as it arrives.

use std::time::Instant;

use bytes::{Buf, Bytes};

use crate::{
    Flags, Header, Kind, StreamId, Violation,
    connection::{
        Connection, Event,
        entry::{Entry, Fin},
    },
};

/// Where the input stands between two frames or inside one.
#[derive(Default)]
pub(super) struct Decoder {
    partial: [u8; Header::BYTES],
    filled: usize,
    tail: Option<Tail>,
}

/// What is left of a frame whose header was taken.
#[derive(Clone, Copy)]
struct Tail {
    id: StreamId,
    /// The stream that it belongs to; `None`: nobody wants it.
    serial: Option<u32>,
    payload: u32,
    fin: bool,
}

impl Decoder {
    /// The next header, once all of it is here.
    fn header(&mut self, input: &mut Bytes) -> Option<[u8; Header::BYTES]> {
        if self.filled == 0
            && let Some((&header, _)) = input.split_first_chunk()
        {
            input.advance(Header::BYTES);
            return Some(header);
        }
        let room = self.partial.get_mut(self.filled..)?;
        let taken = room.len().min(input.len());
        room.get_mut(..taken)?.copy_from_slice(input.get(..taken)?);
        input.advance(taken);
        self.filled += taken;
        if self.filled < Header::BYTES {
            return None;
        }
        self.filled = 0;
        Some(self.partial)
    }
}

impl<T: Default> Connection<T> {
    /// Takes the next event off the front of `input`. `None` when the input is used up, so call it until then, even when `input` is empty:
    /// one frame may mean several events. What is no whole header yet is kept.
    ///
    /// After a violation only its GO_AWAY is sent, and every further call fails with it.
    pub fn receive(&mut self, input: &mut Bytes, now: Instant) -> Result<Option<Event>, Violation> {
        self.receive_with(input, now, |_, _, input, length| input.split_to(length))
    }

    /// As [`receive`](Self::receive), with payload that `cut` takes off the front of the input, so many bytes of it, knowing the stream and what is kept for it: for a
    /// caller that would rather copy what is short, or passes it on at once.
    #[inline]
    pub fn receive_with<P>(
        &mut self,
        input: &mut Bytes,
        now: Instant,
        mut cut: impl FnMut(StreamId, &mut T, &mut Bytes, usize) -> P,
    ) -> Result<Option<Event<P>>, Violation> {
        if let Some(violation) = self.violation {
            return Err(violation);
        }
        if !input.is_empty() {
            self.liveness.heard(now);
        }
        let event = self.decode(input, now, &mut cut);
        if let Err(violation) = event {
            self.violation = Some(violation);
            self.go_away(1);
        }
        event
    }

    /// Payload of a frame on this stream whose header has come and whose bytes have not: neither credit any more nor data yet.
    pub fn arriving(&self, id: StreamId) -> u32 {
        self.decoder.tail.filter(|tail| tail.id == id).map_or(0, |tail| tail.payload)
    }

    #[inline]
    fn decode<P>(
        &mut self,
        input: &mut Bytes,
        now: Instant,
        cut: &mut impl FnMut(StreamId, &mut T, &mut Bytes, usize) -> P,
    ) -> Result<Option<Event<P>>, Violation> {
        loop {
            if let Some(tail) = self.decoder.tail {
                if tail.payload > 0 && input.is_empty() {
                    return Ok(None);
                }
                if let Some(event) = self.tail(tail, input, cut) {
                    return Ok(Some(event));
                }
                continue;
            }
            let Some(bytes) = self.decoder.header(input) else { return Ok(None) };
            self.counts.frames += 1;
            if let Some(event) = self.frame(Header::decode(bytes)?, input, now, cut)? {
                return Ok(Some(event));
            }
        }
    }

    /// The payload that is here, or what follows once all of it came.
    fn tail<P>(
        &mut self,
        mut tail: Tail,
        input: &mut Bytes,
        cut: &mut impl FnMut(StreamId, &mut T, &mut Bytes, usize) -> P,
    ) -> Option<Event<P>> {
        let entry = self.streams.get_mut(tail.id).filter(|entry| !entry.over && tail.serial == Some(entry.serial));
        if tail.payload > 0 {
            let length = usize::try_from(tail.payload).unwrap_or(usize::MAX).min(input.len());
            tail.payload -= length as u32;
            self.counts.bytes += length as u64;
            self.decoder.tail = (tail.payload > 0 || tail.fin).then_some(tail);
            let Some(entry) = entry.filter(|entry| !entry.resets_behind) else {
                input.advance(length);
                return None;
            };
            return Some(Event::Data(tail.id, cut(tail.id, &mut entry.value, input, length)));
        }
        self.decoder.tail = None;
        let entry = entry?;
        let wanted = !entry.resets_behind;
        if entry.peer_finished {
            self.counts.dropped += 1;
            return None;
        }
        entry.peer_finished = true;
        if entry.fin == Fin::Sent {
            self.end(tail.id);
        }
        wanted.then_some(Event::Finished(tail.id))
    }

    #[inline]
    fn frame<P>(
        &mut self,
        header: Header,
        input: &mut Bytes,
        now: Instant,
        cut: &mut impl FnMut(StreamId, &mut T, &mut Bytes, usize) -> P,
    ) -> Result<Option<Event<P>>, Violation> {
        if header.flags.has_unknown() {
            self.counts.dropped += 1;
        }
        match header.kind {
            Kind::Data | Kind::WindowUpdate => self.stream_frame(header, input, cut),
            Kind::Ping => Ok(self.ping_frame(header, now).then_some(Event::Pong)),
            Kind::GoAway => {
                self.peer_gone = true;
                self.counts.stray += 1;
                Ok(Some(Event::GoAway(header.length)))
            }
        }
    }

    /// Takes a ping or an answer; whether the caller hears of it.
    fn ping_frame(&mut self, header: Header, now: Instant) -> bool {
        let looked_at = self.drain.deadline();
        if header.flags.contains(Flags::SYN) {
            self.counts.pings += 1;
            if !self.control.pong(header.length) {
                self.counts.dropped += 1;
            }
        } else if header.flags.contains(Flags::ACK) && self.liveness.pong(header.length, now) {
            return true;
        } else if header.flags.contains(Flags::ACK) && self.drain.pong(header.length, now) {
            // The caller looks at the deadline again.
            return looked_at.is_none();
        } else {
            self.counts.dropped += 1;
            self.counts.stray += 1;
        }
        false
    }

    #[inline]
    fn stream_frame<P>(
        &mut self,
        header: Header,
        input: &mut Bytes,
        cut: &mut impl FnMut(StreamId, &mut T, &mut Bytes, usize) -> P,
    ) -> Result<Option<Event<P>>, Violation> {
        let Header { kind, flags, stream: id, length } = header;
        let syn = flags.contains(Flags::SYN);
        let rst = flags.contains(Flags::RST);
        self.count(header);
        if syn {
            self.check_syn(id)?;
        }
        if syn && !rst {
            self.opening(header)?;
            return Ok(Some(Event::Opened(id)));
        }
        let Some(entry) = self.streams.get_mut(id).filter(|entry| !entry.over) else {
            // Also a stream that opens and resets in one frame. A payload still has to be read past.
            self.counts.dropped += 1;
            if !rst {
                self.forgive(header);
            }
            self.await_tail(header, None);
            return Ok(None);
        };
        let brought = entry.judge(header)?;
        let (serial, wanted) = (entry.serial, !entry.resets_behind);
        self.counts.dropped += u64::from(brought.needless_ack);
        if kind == Kind::Data && !rst && wanted && !input.is_empty() && length > 0 {
            // Its payload is here, or a part of it: the usual case needs no second look at the stream.
            let part = usize::try_from(length).unwrap_or(usize::MAX).min(input.len());
            let rest = length - part as u32;
            let fin = flags.contains(Flags::FIN);
            self.counts.bytes += part as u64;
            self.decoder.tail = (rest > 0 || fin).then_some(Tail { id, serial: Some(serial), payload: rest, fin });
            return Ok(Some(Event::Data(id, cut(id, &mut entry.value, input, part))));
        }
        if rst {
            self.end(id);
            self.await_tail(header, None);
            let code = if kind == Kind::WindowUpdate { length } else { 0 };
            return Ok(Some(Event::Reset(id, code)));
        }
        self.await_tail(header, Some(serial));
        if !wanted {
            self.unstick(id);
        }
        if !brought.credit {
            return Ok(None);
        }
        self.rouse(id);
        Ok(Some(Event::Credit(id)))
    }

    fn opening(&mut self, header: Header) -> Result<(), Violation> {
        let mut entry = Entry::opened_by_peer(T::default());
        let brought = entry.judge(header)?;
        self.counts.dropped += u64::from(brought.needless_ack);
        let serial = self.insert(header.stream, entry);
        self.control.acknowledge(header.stream);
        self.await_tail(header, Some(serial));
        Ok(())
    }

    fn check_syn(&self, id: StreamId) -> Result<(), Violation> {
        if self.is_ours(id) {
            return Err(Violation::Parity);
        }
        if self.live(id).is_some() {
            return Err(Violation::Reuse);
        }
        Ok(())
    }

    /// Remembers what of this frame is still to come, and for whom.
    fn await_tail(&mut self, header: Header, serial: Option<u32>) {
        let payload = if header.kind == Kind::Data { header.length } else { 0 };
        let fin = serial.is_some() && header.flags.contains(Flags::FIN);
        if payload > 0 || fin {
            self.decoder.tail = Some(Tail { id: header.stream, serial, payload, fin });
        }
    }

    fn count(&mut self, Header { kind, flags, length, .. }: Header) {
        let counts = &mut self.counts;
        let counter = if flags.contains(Flags::SYN) {
            if flags.contains(Flags::RST) { &mut counts.stray } else { &mut counts.opens }
        } else if flags.contains(Flags::RST) {
            &mut counts.resets
        } else if kind == Kind::Data && length > 0 {
            return;
        } else if flags.contains(Flags::FIN) {
            &mut counts.fins
        } else if flags.contains(Flags::ACK) {
            &mut counts.acks
        } else if kind == Kind::WindowUpdate {
            &mut counts.updates
        } else {
            &mut counts.empty
        };
        *counter += 1;
    }

    /// Payload for an id that is not live: on its way when we reset a stream, or not.
    fn forgive(&mut self, header: Header) {
        if header.kind == Kind::Data && header.length > 0 {
            match self.forgiven.checked_sub(header.length.into()) {
                Some(rest) => self.forgiven = rest,
                None => self.counts.stray += 1,
            }
        }
    }
}

/// What a frame's header brought to its stream.
struct Brought {
    credit: bool,
    needless_ack: bool,
}

impl<T> Entry<T> {
    /// Holds a frame to the rules by its header, and books the credit that it takes or gives.
    fn judge(&mut self, header: Header) -> Result<Brought, Violation> {
        let needless_ack = header.flags.contains(Flags::ACK) && !self.acknowledged();
        if header.kind == Kind::Data {
            if self.peer_finished {
                return Err(Violation::AfterFin);
            }
            self.window.receive(header.length)?;
            self.moved.received += u64::from(header.length);
            return Ok(Brought { credit: false, needless_ack });
        }
        // With RST the length is a code, never credit.
        let credit = header.length > 0 && !header.flags.contains(Flags::RST);
        if credit {
            self.credit = self.credit.checked_add(header.length).ok_or(Violation::CreditOverflow)?;
        }
        Ok(Brought { credit, needless_ack })
    }
}
