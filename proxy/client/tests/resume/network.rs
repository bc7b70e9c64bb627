//! Carriers that move bytes in both directions by themselves, and lose any suffix of them.

use std::collections::{BTreeMap, VecDeque};

use browser_stream_client::resume::{Decoder, Kind, Newcomer, Reason, Received, Record};
use bytes::Bytes;

pub const CLIENT: usize = 0;
pub const SERVER: usize = 1;

/// What moves over a carrier.
#[derive(Debug)]
pub enum Item {
    /// The client's open: of a birth with so many early bytes, or of a join.
    Open {
        birth: Option<u32>,
    },
    /// The server's reply to a birth open.
    Reply,
    Refused(Reason),
    Bytes(Bytes),
    /// It was finished, or reset as by one that has heard DONE.
    Finished,
    /// It was reset, or is known to be dead.
    End,
}

#[derive(Debug)]
pub struct Link {
    pub kind: Kind,
    /// On its way from this side to the other.
    pub pipes: [VecDeque<Item>; 2],
    /// Nothing from this side gets through any more.
    pub cut: [bool; 2],
    /// This side holds its end of it.
    pub open: [bool; 2],
    /// At the server, until it says JOIN.
    pub newcomer: Option<Newcomer>,
    /// Reads along what this side sends.
    taps: [Decoder; 2],
}

/// All carriers, and what was said on them.
#[derive(Debug, Default)]
pub struct Network {
    pub links: BTreeMap<u64, Link>,
    next: u64,
    /// Every record that a side put out, with its carrier; payload as its length only.
    pub said: [Vec<(u64, Record)>; 2],
    /// Bytes of DATA that a side put out, early ones included.
    pub data: [u64; 2],
}

impl Network {
    pub fn open(&mut self, kind: Kind, item: Item) -> u64 {
        self.next += 1;
        let early = if let Item::Open { birth: Some(early) } = &item { *early } else { 0 };
        let taps = [Decoder::after_early(early), Decoder::default()];
        let pipes = [VecDeque::from([item]), VecDeque::new()];
        let link = Link { kind, pipes, cut: [false; 2], open: [true, false], newcomer: None, taps };
        self.links.insert(self.next, link);
        self.next
    }

    /// The id that the next carrier gets.
    pub fn upcoming(&self) -> u64 {
        self.next + 1
    }

    pub fn send(&mut self, id: u64, side: usize, item: Item) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Item::Bytes(bytes) = &item {
            let mut input = bytes.clone();
            while let Some(received) = link.taps[side].next(&mut input).expect("we send records") {
                match received {
                    Received::Record(record) => self.said[side].push((id, record)),
                    Received::Payload { bytes, .. } => self.data[side] += bytes.len() as u64,
                }
            }
        }
        if !link.cut[side] {
            link.pipes[side].push_back(item);
        }
    }

    /// Bytes that wait on a carrier from this side.
    pub fn queued(&self, id: u64, side: usize) -> usize {
        let length = |item: &Item| if let Item::Bytes(bytes) = item { bytes.len() } else { 0 };
        self.links.get(&id).map_or(0, |link| link.pipes[side].iter().map(length).sum())
    }

    /// The next item that this side receives, of bytes at most `most`; nothing if it let go of the carrier.
    pub fn receive(&mut self, id: u64, side: usize, most: usize) -> Option<Item> {
        let link = self.links.get_mut(&id)?;
        let mut item = link.pipes[1 - side].pop_front()?;
        if let Item::Bytes(bytes) = &mut item
            && bytes.len() > most
        {
            let rest = bytes.split_off(most);
            link.pipes[1 - side].push_front(Item::Bytes(rest));
        }
        if let (SERVER, Item::Open { .. }) = (side, &item) {
            link.open[SERVER] = true;
        }
        if matches!(item, Item::Finished | Item::End) && link.open[side] {
            // A mux stream that one side closed is closed for the other: what it still sends goes nowhere.
            link.cut[side] = true;
        }
        link.open[side].then_some(item)
    }

    /// This side lets go of its end.
    pub fn close(&mut self, id: u64, side: usize) {
        self.end(id, side, Item::End);
    }

    /// The same, as of one that needs nothing more.
    pub fn finish(&mut self, id: u64, side: usize) {
        self.end(id, side, Item::Finished);
    }

    fn end(&mut self, id: u64, side: usize, how: Item) {
        self.send(id, side, how);
        if let Some(link) = self.links.get_mut(&id) {
            link.open[side] = false;
            link.cut[side] = true;
            link.newcomer = if side == SERVER { None } else { link.newcomer.take() };
        }
    }

    /// The server closes the newcomers whose place another took.
    pub fn close_withdrawn(&mut self) {
        let is_withdrawn = |link: &Link| link.newcomer.as_ref().is_some_and(|newcomer| newcomer.place().is_withdrawn());
        let withdrawn: Vec<_> = self.links.iter().filter(|(_, link)| is_withdrawn(link)).map(|(&id, _)| id).collect();
        withdrawn.into_iter().for_each(|id| self.close(id, SERVER));
    }

    /// Keeps so many of the items and bytes that a side has on their way, loses the rest and all that follows. Whoever is `told` learns of it behind them.
    pub fn cut(&mut self, id: u64, keep: [usize; 2], told: bool) {
        let Some(link) = self.links.get_mut(&id) else { return };
        for side in [CLIENT, SERVER] {
            let mut left = keep[side];
            link.pipes[side].retain_mut(|item| {
                let kept = left > 0;
                match item {
                    Item::Bytes(bytes) => {
                        bytes.truncate(left);
                        left -= bytes.len();
                    }
                    _ => left = left.saturating_sub(1),
                }
                kept
            });
            link.cut[side] = true;
            if told {
                link.pipes[side].push_back(Item::End);
            }
        }
    }

    /// Whoever holds on to a carrier that is cut learns of it, as when its session is found dead.
    pub fn tell_cuts(&mut self) {
        for link in self.links.values_mut() {
            for side in [CLIENT, SERVER] {
                if link.cut[1 - side] && link.open[side] {
                    link.pipes[1 - side].push_back(Item::End);
                }
            }
        }
    }

    /// What a side said on a carrier.
    pub fn said_on(&self, side: usize, id: u64) -> Vec<Record> {
        self.said[side].iter().filter(|(on, _)| *on == id).map(|(_, record)| record.clone()).collect()
    }
}
