//! The TCP connections of a capture, each with both of its directions.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use super::{
    budget::{Budget, Share},
    conversation::Conversation,
    line::{Facts, Kind, Line, Side},
    order::{Order, Piece},
    packet::Segment,
    scribe::{Scribe, Shown},
};

/// All connections of a capture that may carry a session.
pub struct Flows<'a> {
    /// Connections to or from these; where none are named, to any that carry a WebSocket.
    ports: &'a [u16],
    shown: Shown,
    budget: Budget,
    flows: HashMap<(SocketAddr, SocketAddr), Flow>,
    numbered: u32,
    /// It was said that there is no room for another.
    is_full: bool,
    out: &'a mut dyn FnMut(Line),
}

struct Flow {
    number: u32,
    /// Who opened it.
    peer: SocketAddr,
    first: u32,
    orders: [Option<Order>; 2],
    conversation: Conversation,
    is_over: bool,
    _share: Share,
}

/// What one connection is counted as.
const FLOW_BYTES: usize = 4096;

impl<'a> Flows<'a> {
    pub fn new(ports: &'a [u16], shown: Shown, out: &'a mut dyn FnMut(Line)) -> Self {
        Self { ports, shown, budget: Budget::new(), flows: HashMap::new(), numbered: 0, is_full: false, out }
    }

    /// A segment that was captured then.
    pub fn segment(&mut self, at: Duration, segment: &Segment<'_>) {
        let ports = [segment.from.port(), segment.to.port()];
        if !self.ports.is_empty() && !ports.iter().any(|port| self.ports.contains(port)) {
            return;
        }
        let key = if segment.from <= segment.to { (segment.from, segment.to) } else { (segment.to, segment.from) };
        let begins = segment.syn && segment.acknowledged.is_none();
        let known = self.flows.get(&key);
        // A port that is used again is another connection; a SYN that was sent again is none.
        if begins && known.is_some_and(|flow| flow.first != segment.sequence || flow.peer != segment.from) {
            self.close(key, at);
        }
        if !self.flows.contains_key(&key) && !self.open(key, at, segment, begins) {
            return;
        }
        let Some(flow) = self.flows.get_mut(&key) else { return };
        let mut scribe =
            Scribe { at, connection: flow.number, side: Side::Peer, shown: self.shown, budget: &self.budget, out: &mut *self.out };
        flow.segment(segment, &mut scribe);
        if flow.is_done() {
            self.flows.remove(&key);
        }
    }

    /// The capture ends.
    pub fn end(&mut self, at: Duration) {
        let mut keys: Vec<_> = self.flows.iter().map(|(key, flow)| (flow.number, *key)).collect();
        keys.sort_unstable();
        for (_, key) in keys {
            self.close(key, at);
        }
    }

    fn open(&mut self, key: (SocketAddr, SocketAddr), at: Duration, segment: &Segment<'_>, begins: bool) -> bool {
        // What is left of one that is over begins nothing.
        if !begins && segment.payload.is_empty() && segment.missing == 0 {
            return false;
        }
        let peer = if begins || !self.is_of_proxy(segment) { segment.from } else { segment.to };
        let number = self.numbered + 1;
        let side = if peer == segment.from { Side::Peer } else { Side::Proxy };
        let mut scribe = Scribe { at, connection: number, side, shown: self.shown, budget: &self.budget, out: &mut *self.out };
        let Some(share) = self.budget.take(FLOW_BYTES) else {
            if !std::mem::replace(&mut self.is_full, true) {
                scribe.limit(None, "no room for another connection: those that come while there is none are not decoded");
            }
            return false;
        };
        self.numbered = number;
        let proxy = if peer == key.0 { key.1 } else { key.0 };
        let mut conversation = Conversation::new(&peer.to_string(), &proxy.to_string(), !self.ports.is_empty(), &mut scribe);
        if !begins && !super::upgrade::may_begin(segment.payload, true) {
            conversation.began_before(&mut scribe);
        }
        let orders = [begins.then(|| Order::new(segment.sequence.wrapping_add(1))), None];
        self.flows.insert(key, Flow { number, peer, first: segment.sequence, orders, conversation, is_over: false, _share: share });
        true
    }

    /// Who sends this where nobody saw the connection begin: a proxy by its port, else by what it says.
    fn is_of_proxy(&self, segment: &Segment<'_>) -> bool {
        if super::upgrade::may_begin(segment.payload, true) && !segment.payload.is_empty() {
            return false;
        }
        match (self.ports.contains(&segment.from.port()), self.ports.contains(&segment.to.port())) {
            (true, false) => true,
            (false, true) => false,
            _ => segment.from.port() < segment.to.port(),
        }
    }

    fn close(&mut self, key: (SocketAddr, SocketAddr), at: Duration) {
        let Some(mut flow) = self.flows.remove(&key) else { return };
        for side in [Side::Peer, Side::Proxy] {
            let mut scribe = Scribe { at, connection: flow.number, side, shown: self.shown, budget: &self.budget, out: &mut *self.out };
            if let Some(mut order) = flow.orders[side.index()].take() {
                let was_finished = order.is_finished();
                order.close(&mut |piece| pass(&mut flow.conversation, &piece, &mut scribe));
                if order.is_finished() && !was_finished {
                    flow.conversation.end("finished", &mut scribe);
                }
            }
        }
    }
}

impl Flow {
    fn segment(&mut self, segment: &Segment<'_>, scribe: &mut Scribe<'_>) {
        let side = if segment.from == self.peer { Side::Peer } else { Side::Proxy };
        // What is acknowledged was received, whether it was captured or not.
        if let (Some(number), Some(order)) = (segment.acknowledged, &mut self.orders[side.other().index()]) {
            scribe.side = side.other();
            order.acknowledged(number, &mut |piece| pass(&mut self.conversation, &piece, scribe));
        }
        scribe.side = side;
        let after_syn = segment.sequence.wrapping_add(u32::from(segment.syn));
        let order = self.orders[side.index()].get_or_insert_with(|| Order::new(after_syn));
        let was_finished = order.is_finished();
        let conversation = &mut self.conversation;
        order.segment(after_syn, segment.payload, segment.missing, segment.fin, scribe.budget, &mut |piece| {
            pass(conversation, &piece, scribe);
        });
        if order.is_finished() && !was_finished {
            self.conversation.end("finished", scribe);
        }
        if segment.rst && !self.is_over {
            self.is_over = true;
            self.conversation.end("reset", scribe);
        }
    }

    fn is_done(&self) -> bool {
        self.is_over || self.orders.iter().all(|order| order.as_ref().is_some_and(Order::is_finished))
    }
}

fn pass(conversation: &mut Conversation, piece: &Piece<'_>, scribe: &mut Scribe<'_>) {
    match piece {
        Piece::Bytes(bytes) => conversation.take(bytes, scribe),
        Piece::Missing(bytes) => conversation.skip(*bytes, scribe),
    }
}

impl Conversation {
    /// The capture began later than it.
    fn began_before(&mut self, scribe: &mut Scribe<'_>) {
        let facts = Facts::new().text("event", "begins in mid-connection").text("text", "its upgrade was not captured: it is not decoded");
        self.give_up(Kind::Tcp, facts, scribe);
    }
}
