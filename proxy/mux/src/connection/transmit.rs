//! The way out: control frames first, then the streams in turn.

use std::{collections::VecDeque, time::Instant};

use crate::{
    FRAME_MAX, Flags, Header, Kind, Outbound, PRIORITY, StreamId, TURN,
    connection::{
        Connection, View,
        entry::{Fin, Handshake},
        round::Turn,
    },
};

/// Control frames that wait to leave.
#[derive(Default)]
pub(super) struct Control {
    pongs: VecDeque<u32>,
    ping: Option<u32>,
    go_away: Option<u32>,
    /// Streams with credit for the peer.
    news: VecDeque<StreamId>,
    /// Streams with an acknowledgement for it: they wait for something that leaves anyway, as long as there are few.
    acks: VecDeque<StreamId>,
    resets: VecDeque<(StreamId, u32)>,
}

/// Pongs that wait at most; a peer that asks more often without reading gets no answer to the rest.
const PONGS_MAX: usize = 1024;

/// Acknowledgements that wait for company: stock peers open no more at 256 that they miss.
const ACKS_MAX: usize = 64;

impl Control {
    pub(super) fn pong(&mut self, token: u32) -> bool {
        let fits = self.pongs.len() < PONGS_MAX;
        if fits {
            self.pongs.push_back(token);
        }
        fits
    }

    pub(super) fn ping(&mut self, token: u32) {
        self.ping = Some(token);
    }

    pub(super) fn go_away(&mut self, code: u32) {
        self.go_away = Some(code);
    }

    pub(super) fn announce(&mut self, id: StreamId) {
        self.news.push_back(id);
    }

    pub(super) fn acknowledge(&mut self, id: StreamId) {
        self.acks.push_back(id);
    }

    pub(super) fn reset(&mut self, id: StreamId, code: u32) {
        self.resets.push_back((id, code));
    }

    pub(super) fn bytes(&self) -> usize {
        let single = usize::from(self.ping.is_some()) + usize::from(self.go_away.is_some());
        (single + self.pongs.len() + self.news.len() + self.acks.len() + self.resets.len()) * Header::BYTES
    }

    pub(super) fn shrink_to(&mut self, streams: usize) {
        self.news.shrink_to(streams);
        self.acks.shrink_to(streams);
        self.resets.shrink_to(streams);
        self.pongs.shrink_to(streams);
    }

    /// Whether nothing is to leave now.
    fn is_empty(&self) -> bool {
        let patient = if self.acks.len() < ACKS_MAX { self.acks.len() * Header::BYTES } else { 0 };
        self.bytes() == patient
    }
}

impl<T: Default> Connection<T> {
    /// Whether [`transmit`](Self::transmit) has something that should leave now. A few acknowledgements have time: the next frame takes them along.
    pub fn wants_transmit(&self) -> bool {
        match self.violation {
            Some(_) => self.control.go_away.is_some(),
            None => !self.control.is_empty() || (!self.round.is_empty() && (self.drain.is_open() || self.drain.is_ping_due())),
        }
    }

    /// Whether something waits only until the peer has taken more of what was transmitted.
    pub fn is_held(&self) -> bool {
        !self.round.is_empty() && !self.drain.is_open()
    }

    /// Nothing is held back any more for the peer to take what was transmitted: the connection is about to be closed.
    pub fn hasten(&mut self) {
        self.drain.lift();
    }

    /// Puts a ping behind what was transmitted, if one is due: from the answer on, [`transmit`](Self::transmit) holds back what would only pile up on
    /// the way to the peer ([`Drain`](crate::Drain)); whether there is one. A caller that never asks for pings is never held back.
    pub fn mark(&mut self, now: impl FnOnce() -> Instant, out: &mut Outbound) -> bool {
        let token = if self.violation.is_some() { None } else { self.drain.ping(now) };
        if let Some(length) = token {
            out.header(Header { kind: Kind::Ping, flags: Flags::SYN, stream: 0, length });
            out.flush();
        }
        token.is_some()
    }

    /// Appends whole frames to `out` until it has about `max` bytes more (at most one frame beyond) or nothing may leave; whether it put out any.
    ///
    /// PING, GO_AWAY, WINDOW_UPDATE and RST go first. Then the streams that have data and credit take turns, those first that say little: a turn is one DATA frame of at most
    /// [`TURN`] bytes (or by its priority) while others wait, of at most [`FRAME_MAX`] when alone, and the stream's FIN if that emptied its queue.
    pub fn transmit(&mut self, max: usize, out: &mut Outbound) -> bool {
        self.transmit_with(max, out, |_, _, _, _| {})
    }

    /// As [`transmit`](Self::transmit), and tells of each DATA frame with payload: its stream, how that stands then and what the caller keeps for it, and the bytes.
    #[inline]
    pub fn transmit_with(&mut self, max: usize, out: &mut Outbound, mut sent: impl FnMut(StreamId, View, &mut T, u32)) -> bool {
        let start = out.total();
        let max = start.saturating_add(max as u64);
        if self.violation.is_some() {
            self.transmit_go_away(out);
        } else {
            self.transmit_control(max, out);
            let until = self.drain.sent().saturating_add(self.drain.room());
            while out.total() < max
                && self.drain.sent() < until
                && let Some((turn, waited)) = self.round.next()
            {
                self.take_turn(turn, waited, out, &mut sent);
            }
        }
        out.flush();
        out.total() > start
    }

    fn transmit_control(&mut self, max: u64, out: &mut Outbound) {
        while out.total() < max
            && let Some(token) = self.control.pongs.pop_front()
        {
            out.header(Header { kind: Kind::Ping, flags: Flags::ACK, stream: 0, length: token });
        }
        if let Some(token) = self.control.ping.take_if(|_| out.total() < max) {
            out.header(Header { kind: Kind::Ping, flags: Flags::SYN, stream: 0, length: token });
        }
        if out.total() < max {
            self.transmit_go_away(out);
        }
        while out.total() < max
            && let Some(id) = self.control.acks.pop_front().or_else(|| self.control.news.pop_front())
        {
            self.transmit_news(id, out);
        }
        while out.total() < max
            && let Some((stream, code)) = self.control.resets.pop_front()
        {
            out.header(Header { kind: Kind::WindowUpdate, flags: Flags::RST, stream, length: code });
        }
    }

    fn transmit_go_away(&mut self, out: &mut Outbound) {
        if let Some(code) = self.control.go_away.take() {
            out.header(Header { kind: Kind::GoAway, flags: Flags::NONE, stream: 0, length: code });
        }
    }

    /// One WINDOW_UPDATE with all that the peer must hear of this stream.
    fn transmit_news(&mut self, id: StreamId, out: &mut Outbound) {
        let Some(entry) = self.live_mut(id) else { return };
        entry.has_news = false;
        let mut flags = entry.take_syn();
        flags |= entry.take_ack();
        // A peer that finished has no use for credit.
        let length = if entry.peer_finished { 0 } else { entry.window.tell() };
        if length > 0 || flags != Flags::NONE {
            out.header(Header { kind: Kind::WindowUpdate, flags, stream: id, length });
        }
    }

    fn take_turn(&mut self, turn: Turn, waited: bool, out: &mut Outbound, sent: &mut impl FnMut(StreamId, View, &mut T, u32)) {
        let alone = self.round.is_empty();
        let id = turn.id;
        let Some(entry) = self.streams.get_mut(id).filter(|entry| !entry.over && entry.serial == turn.serial) else {
            return;
        };
        entry.in_round = false;
        let share = u32::from(entry.priority) * (TURN / usize::from(PRIORITY)) as u32;
        let share = self.round.begin(&mut entry.share, share, waited) as usize;
        let most = if alone { FRAME_MAX } else { share }.min(entry.queue.len()).min(entry.credit as usize);
        let finishing = entry.fin == Fin::Due;
        if most > 0 {
            let length = most as u32;
            let flags = entry.take_syn();
            out.header(Header { kind: Kind::Data, flags, stream: id, length });
            self.held -= entry.queue.held();
            entry.queue.take(most, |piece| out.payload(piece));
            self.held += entry.queue.held();
            entry.credit -= length;
            entry.moved.sent += u64::from(length);
            entry.share.spend(length + Header::BYTES as u32);
            self.drain.add(length.into());
            self.counts.data_sent += 1;
            self.counts.bytes_sent += u64::from(length);
            sent(id, entry.view(), &mut entry.value, length);
        } else if entry.handshake == Handshake::SynDue && !finishing {
            let flags = entry.take_syn();
            out.header(Header { kind: Kind::WindowUpdate, flags, stream: id, length: 0 });
        }
        let emptied = entry.queue.is_empty();
        if emptied && finishing {
            entry.fin = Fin::Sent;
            let flags = entry.take_syn() | Flags::FIN;
            out.header(Header { kind: Kind::Data, flags, stream: id, length: 0 });
        }
        let both = entry.fin == Fin::Sent && entry.peer_finished;
        let behind = Some(entry.reset_code).filter(|_| entry.resets_behind && emptied && !both);
        self.queued -= most;
        if let Some(code) = behind {
            out.header(Header { kind: Kind::WindowUpdate, flags: Flags::RST, stream: id, length: code });
            self.forgiven += entry.under_way();
        }
        if both || behind.is_some() {
            self.end(id);
        } else if entry.can_send() {
            entry.in_round = true;
            self.round.stay(turn);
        } else if entry.resets_behind {
            self.unstick(id);
        }
    }
}
