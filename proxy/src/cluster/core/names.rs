//! The names: who asks for one here, which this node has, and what the table says of all.

use std::{collections::VecDeque, sync::Arc};

use super::{Core, Event, Expected, Flown, Hold, NameRow, Outcome, Place, Row, Share, State, Time, Title, View, Whereabouts, Why};

/// What is known of a name.
#[derive(Default)]
pub(super) struct Record {
    pub row: Option<NameRow>,
    pub revision: u64,
    /// The table was told from its beginning that often when it last told of the row.
    pub epoch: u64,
    /// This node has it.
    pub own: Option<Own>,
    /// The number of the last claim that was granted here, in whichever life.
    pub granted: u64,
    asks: VecDeque<Ask>,
    is_flying: bool,
    /// The table told of it since the last write.
    is_fresh: bool,
    /// Not before then is it written again.
    again_at: Option<Time>,
}

/// What this node has.
#[derive(Clone, Copy)]
pub(super) struct Own {
    pub hold: Hold,
    /// What the table is to say of the owner.
    wanted: State,
}

/// A claim that waits for its answer.
pub(super) struct Ask {
    number: u64,
    pub title: Title,
    pub http: bool,
    /// For a name that several nodes may have.
    pub share: Option<Share>,
    until: Time,
}

impl Record {
    pub fn waits(&self) -> bool {
        !self.asks.is_empty()
    }

    fn is_idle(&self) -> bool {
        self.row.is_none() && self.own.is_none() && !self.waits() && !self.is_flying
    }

    /// What was known of the row is worth nothing; the answer to a write under way neither.
    pub fn forget(&mut self) {
        let asks = std::mem::take(&mut self.asks);
        *self = Self { asks, ..Self::default() };
    }

    /// What a write without success leads to: it is tried again, at once where the table has told more meanwhile.
    fn failed(&mut self, again: Time) {
        if !self.is_fresh {
            self.again_at = Some(again);
        }
    }

    /// Whether that is newer than what is known. A row that is gone may have the number that it had.
    fn is_news(&self, row: Option<&NameRow>, revision: u64) -> bool {
        revision > self.revision || (row.is_none() && revision == self.revision)
    }

    /// Takes over what was written, unless the table has told of something newer: of a row that it has told of and that is not known, it has told that it is gone.
    fn wrote(&mut self, row: Option<NameRow>, revision: u64, view: &View) -> bool {
        let is_over = row.is_some() && view.is_current && revision <= view.complete();
        if self.is_news(row.as_ref(), revision) && !is_over {
            // It has not been told of yet.
            (self.row, self.revision, self.epoch) = (row, revision, 0);
        }
        // Or the table told of that very write.
        revision == self.revision
    }
}

impl Core {
    /// Asks for a name: the answer is an event with the number that this returns.
    pub fn claim(&mut self, now: Time, place: &Place, title: Title, http: bool) -> u64 {
        self.ask(now, place, (title, http), None)
    }

    /// Asks in the same way for a name that several nodes may have at once: what it is then held by are its [`terms`](Self::terms).
    pub fn share(&mut self, now: Time, place: &Place, title: Title, share: Share) -> u64 {
        self.ask(now, place, (title, false), Some(share))
    }

    fn ask(&mut self, now: Time, place: &Place, (title, http): (Title, bool), share: Option<Share>) -> u64 {
        self.expire(now);
        self.numbers += 1;
        let (number, until) = (self.numbers, now + self.timing.claim);
        self.names.entry(place.clone()).or_default().asks.push_back(Ask { number, title, http, share, until });
        self.alarms.insert((until, place.clone()));
        self.pump(now, place);
        number
    }

    /// What holds for a shared name, as far as the table has told.
    pub fn terms(&self, place: &Place) -> Option<&Arc<str>> {
        Some(&self.names.get(place)?.row.as_ref()?.share.as_ref()?.terms)
    }

    /// Nobody waits for a claim any more: if it is granted all the same, the name is free again.
    pub fn give_up(&mut self, now: Time, place: &Place, claim: u64) {
        self.expire(now);
        let Some(record) = self.names.get_mut(place) else { return };
        record.asks.retain(|ask| ask.number != claim);
        if record.own.is_some_and(|own| own.hold.serial == claim) {
            record.own = None;
        }
        self.pump(now, place);
    }

    /// The owner of a name that this node has is away, or back.
    pub fn tell(&mut self, now: Time, place: &Place, hold: Hold, state: State) {
        self.expire(now);
        let Some(own) = self.names.get_mut(place).and_then(|record| record.own.as_mut()).filter(|own| own.hold == hold) else { return };
        own.wanted = state;
        self.pump(now, place);
    }

    /// Gives a name free, unless it was granted anew since.
    pub fn release(&mut self, now: Time, place: &Place, hold: Hold) {
        self.give_up(now, place, hold.serial);
    }

    /// Where a name is, as far as the table has told; `None` for one that is free.
    pub fn whereabouts(&self, now: Time, place: &Place) -> Option<Whereabouts> {
        let record = self.names.get(place)?;
        let row = record.row.as_ref()?;
        if self.is_left(now, record) {
            return None;
        }
        let is_dead = self.dead_since(row.node).is_some();
        let address = if is_dead { None } else { self.address_of(row.node) };
        Some(Whereabouts { node: row.node, address, state: if is_dead { State::Suspended } else { row.state }, http: row.http })
    }

    /// The names of that prefix that other nodes have, or keep for their owners, in order.
    pub fn elsewhere<'a>(&'a self, now: Time, prefix: &'a str) -> impl Iterator<Item = (&'a Place, State)> {
        let of_prefix = self.names.iter().filter(move |(place, _)| &*place.prefix == prefix);
        of_prefix.filter_map(move |(place, _)| {
            let found = self.whereabouts(now, place).filter(|found| found.node != self.id())?;
            Some((place, found.state))
        })
    }

    /// The names of that prefix that are kept for their owners though the node is dead that had them, in order.
    pub fn kept<'a>(&'a self, now: Time, prefix: &'a str) -> impl Iterator<Item = (&'a Place, &'a NameRow)> {
        let of_prefix = self.names.iter().filter(move |(place, _)| &*place.prefix == prefix);
        of_prefix.filter_map(move |(place, record)| {
            let row = record.row.as_ref()?;
            (self.dead_since(row.node).is_some() && !self.is_left(now, record)).then_some((place, row))
        })
    }

    /// Does what there is to do about a name, if it can be done now.
    pub(super) fn pump(&mut self, now: Time, place: &Place) {
        let Some(record) = self.names.get_mut(place) else { return };
        let events = &mut self.events;
        let has_left = self.lease.has_left();
        record.asks.retain(|ask| {
            let goes_on = now < ask.until && !has_left;
            if !goes_on {
                events.push_back(Event::Refused { claim: ask.number, why: Why::Unavailable });
            }
            goes_on
        });
        if let Some(again) = record.again_at.filter(|again| now < *again) {
            self.alarms.insert((again, place.clone()));
            return;
        }
        if record.is_flying || !self.view.is_current || !self.is_in(now) {
            return;
        }
        // Taken out, so that it can be looked at beside the rest.
        let Some(mut record) = self.names.remove(place) else { return };
        self.next(now, place, &mut record);
        self.names.insert(place.clone(), record);
        self.tidy(place);
    }

    /// The next write for a name, if it needs one.
    fn next(&mut self, now: Time, place: &Place, record: &mut Record) {
        record.again_at = None;
        let mut written = None;
        while let Some(ask) = record.asks.front() {
            match self.judge(now, record, ask) {
                Ok(expected) => {
                    let row = self.row_of(record, ask);
                    written = Some((Flown::Claim(place.clone(), row.clone(), ask.number), Some(row), expected));
                    break;
                }
                Err(why) => {
                    self.events.push_back(Event::Refused { claim: ask.number, why });
                    record.asks.pop_front();
                }
            }
        }
        if let (None, Some(row)) = (&written, &record.row) {
            let expected = Expected::At(record.revision);
            written = match record.own {
                Some(own) if own.wanted != row.state => {
                    let row = NameRow { state: own.wanted, had: true, ..row.clone() };
                    Some((Flown::Tell(place.clone(), row.clone()), Some(row), expected))
                }
                None if !row.is_at(self.id()) && !self.is_left(now, record) => None,
                None if self.is_settled(record) => {
                    let others = self.row_of_others(row);
                    let what = others.clone().map_or(Flown::Free(place.clone()), |row| Flown::Tell(place.clone(), row));
                    Some((what, others, expected))
                }
                None => {
                    let again = now + self.timing.retry;
                    record.again_at = Some(again);
                    self.alarms.insert((again, place.clone()));
                    None
                }
                _ => None,
            };
        }
        let Some((what, row, expected)) = written else { return };
        (record.is_flying, record.is_fresh) = (true, false);
        self.write(now, what, Row::Name(place.clone(), row), expected);
    }

    /// All that wait have another chance.
    pub(super) fn pump_waiting(&mut self, now: Time) {
        let waiting: Vec<Place> = self.names.iter().filter(|(_, record)| record.waits()).map(|(place, _)| place.clone()).collect();
        for place in waiting {
            self.pump(now, &place);
        }
    }

    pub(super) fn claimed(&mut self, now: Time, (place, row, claim): (Place, NameRow, u64), outcome: Outcome) {
        let (again, is_in) = (now + self.timing.retry, self.is_in(now) && row.node == self.id());
        let Some(record) = self.names.get_mut(&place) else { return };
        record.is_flying = false;
        match outcome {
            Outcome::Done(revision) => {
                let is_newest = record.wrote(Some(row), revision, &self.view);
                let asked = record.asks.iter().position(|ask| ask.number == claim);
                if let (true, true, Some(at)) = (is_newest, is_in, asked) {
                    record.asks.remove(at);
                    let hold = Hold { serial: claim, revision };
                    record.granted = revision;
                    record.own = Some(Own { hold, wanted: State::Up });
                    self.events.push_back(Event::Granted { claim, hold });
                    self.events.push_back(Event::Changed(place.clone()));
                }
            }
            Outcome::Conflict | Outcome::Unknown => record.failed(again),
        }
        self.pump(now, &place);
    }

    pub(super) fn told(&mut self, now: Time, (place, row): (Place, Option<NameRow>), outcome: Outcome) {
        let again = now + self.timing.retry;
        let Some(record) = self.names.get_mut(&place) else { return };
        record.is_flying = false;
        match outcome {
            Outcome::Done(revision) => {
                record.wrote(row, revision, &self.view);
                self.events.push_back(Event::Changed(place.clone()));
            }
            Outcome::Conflict | Outcome::Unknown => record.failed(again),
        }
        self.pump(now, &place);
    }

    /// The table tells of a name.
    pub(super) fn name_is(&mut self, now: Time, place: Place, row: Option<NameRow>, revision: u64) {
        let (me, epoch) = (self.id(), self.view.epoch);
        let record = self.names.entry(place.clone()).or_default();
        record.epoch = epoch;
        if record.is_news(row.as_ref(), revision) {
            (record.revision, record.is_fresh, record.again_at) = (revision, true, None);
            let is_ours = row.as_ref().is_some_and(|row| row.is_at(me));
            record.row = row;
            if let Some(own) = record.own.take_if(|_| !is_ours) {
                self.events.push_back(Event::Lost { place: place.clone(), hold: own.hold, why: Why::Superseded });
            }
            self.events.push_back(Event::Changed(place.clone()));
        }
        self.pump(now, &place);
        self.tidy(&place);
    }

    /// Forgets a name about which nothing is left to know. What was told before the last write may still come.
    fn tidy(&mut self, place: &Place) {
        let newest = self.view.newest;
        if self.names.get(place).is_some_and(|record| record.is_idle() && record.revision <= newest) {
            self.names.remove(place);
        }
    }
}
