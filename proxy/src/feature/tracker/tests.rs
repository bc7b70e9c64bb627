//! Whatever peers say and whenever, what is held and who is told of whom is what a list of everything ever said makes of it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use browser_stream_protocol::swarm::{Announce, Announced, Extent, Failed, Find, PeerName, Portion, Why};
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    ContentId,
    failures::Verdict,
    holdings::{Holdings, Ticket},
};
use crate::{limits::Limits, memory::Memory};

/// What happens: to one of the streams, about one of the contents or names.
#[derive(Clone, Debug)]
enum Op {
    Begin(u8),
    End(usize),
    Announce { stream: usize, name: u8, content: u8, share: u8 },
    Withdraw(usize, Option<u8>),
    Renew(usize),
    Find(usize, u8),
    Failed(usize, u8),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let (stream, content) = (0..6_usize, 0..4_u8);
    prop_oneof![
        2 => (0..3_u8).prop_map(Op::Begin),
        1 => stream.clone().prop_map(Op::End),
        6 => (stream.clone(), 0..4_u8, content.clone(), 0..=4_u8).prop_map(|(stream, name, content, share)| Op::Announce { stream, name, content, share }),
        2 => (stream.clone(), prop::option::of(content.clone())).prop_map(|(stream, content)| Op::Withdraw(stream, content)),
        2 => stream.clone().prop_map(Op::Renew),
        6 => (stream.clone(), content).prop_map(|(stream, content)| Op::Find(stream, content)),
        6 => (stream, 0..4_u8).prop_map(|(stream, name)| Op::Failed(stream, name)),
        4 => (1..40_u64).prop_map(Op::Pass),
    ]
}

#[derive(Debug)]
struct Stream {
    session: Uuid,
    name: Option<PeerName>,
    renewed: Instant,
}

/// On which stream somebody said to hold how much of what, and when.
type Said = (Ticket, PeerName, ContentId, f64, Instant);

/// Lists, looked through from end to end.
struct Model {
    now: Instant,
    streams: Vec<(Ticket, Stream)>,
    holdings: Vec<Said>,
    failures: Vec<(PeerName, Uuid, Instant)>,
    out: HashMap<PeerName, Instant>,
    out_for: HashMap<(Uuid, PeerName), Instant>,
    told: HashSet<(Uuid, PeerName)>,
}

const LIFE: Duration = Duration::from_secs(180);

impl Model {
    fn stream(&self, ticket: Ticket) -> &Stream {
        &self.streams.iter().find(|(own, _)| *own == ticket).expect("it lives").1
    }

    fn expire(&mut self) {
        let over = |(ticket, _, _, _, at): &Said| self.stream(*ticket).renewed.max(*at) + LIFE <= self.now;
        let left = self.holdings.iter().filter(|holding| !over(holding)).copied().collect();
        self.holdings = left;
    }

    /// Nobody speaks for some any more, or stands here: what was said of them is forgotten.
    fn forget(&mut self) {
        let names: HashSet<_> = self.streams.iter().filter_map(|(_, stream)| stream.name).collect();
        let sessions: HashSet<_> = self.streams.iter().map(|(_, stream)| stream.session).collect();
        self.failures.retain(|(name, ..)| names.contains(name));
        self.out.retain(|name, _| names.contains(name));
        self.out_for.retain(|(session, _), _| sessions.contains(session));
        self.told.retain(|(session, _)| sessions.contains(session));
    }

    fn announce(&mut self, ticket: Ticket, name: PeerName, content: ContentId, share: f64) {
        let now = self.now;
        let (_, stream) = self.streams.iter_mut().find(|(own, _)| *own == ticket).expect("it lives");
        if stream.name.replace(name) != Some(name) {
            self.holdings.retain(|(own, ..)| *own != ticket);
            self.forget();
        }
        self.holdings.retain(|(_, holder, held, ..)| (*holder, *held) != (name, content));
        if share > 0.0 {
            self.holdings.push((ticket, name, content, share, now));
        }
    }

    /// How many others have all, how many have some, and whom the asker is told of.
    fn find(&mut self, ticket: Ticket, content: ContentId) -> (usize, usize, BTreeSet<PeerName>) {
        let (own, session, now) = (self.stream(ticket).name, self.stream(ticket).session, self.now);
        let others = self.holdings.iter().filter(|(_, name, held, ..)| *held == content && Some(*name) != own);
        let (all, some): (Vec<&Said>, Vec<&Said>) = others.partition(|(.., share, _)| *share >= 1.0);
        let is_out = |name: &PeerName| {
            let until = [self.out.get(name), self.out_for.get(&(session, *name))];
            until.into_iter().flatten().any(|until| now < *until)
        };
        let told: BTreeSet<_> = all.iter().chain(&some).map(|(_, name, ..)| *name).filter(|name| !is_out(name)).collect();
        let counts = (all.len(), some.len());
        self.told.extend(told.iter().map(|name| (session, *name)));
        (counts.0, counts.1, told)
    }

    fn failed(&mut self, ticket: Ticket, name: PeerName) -> Verdict {
        let (session, now) = (self.stream(ticket).session, self.now);
        let is_out = [self.out.get(&name), self.out_for.get(&(session, name))].into_iter().flatten().any(|until| now < *until);
        let speaks = self.streams.iter().any(|(_, stream)| stream.name == Some(name));
        let lately = |seconds| move |at: Instant| now < at + Duration::from_secs(seconds);
        self.failures.retain(|(_, _, at)| lately(60)(*at));
        let own = |at: &&(PeerName, Uuid, Instant)| (at.0, at.1) == (name, session);
        if !speaks || is_out || !self.told.contains(&(session, name)) || self.failures.iter().filter(own).any(|(_, _, at)| lately(10)(*at))
        {
            return Verdict::Nothing;
        }
        self.failures.push((name, session, now));
        let (mine, all) = (self.failures.iter().filter(own).count(), self.failures.iter().filter(|(of, ..)| *of == name).count());
        let verdict = match (all > 2, mine == all) {
            (true, false) => Verdict::OutForAll,
            (true, true) => Verdict::OutForOne,
            _ => return Verdict::Counted,
        };
        self.failures.retain(|(of, ..)| *of != name);
        let until = now + Duration::from_secs(60);
        if verdict == Verdict::OutForAll {
            self.out.insert(name, until)
        } else {
            self.out_for.insert((session, name), until)
        };
        verdict
    }
}

fn content(number: u8) -> ContentId {
    ContentId([number; 32])
}

fn name(number: u8) -> PeerName {
    PeerName(Uuid::from_u128(number.into()))
}

/// A share of four pieces, said in each of the three ways.
fn extent(share: u8) -> Extent {
    let portion = match share {
        4 => Portion::All,
        2 => Portion::Share(0.5),
        share => Portion::Have(browser_stream_protocol::swarm::Bitmap::parse(4, &[0xf0_u8 << (4 - share)]).expect("a bitmap")),
    };
    Extent { pieces: 4, portion }
}

fn play(ops: Vec<Op>) {
    let (limits, memory) = (Limits::default(), Arc::new(Memory::new(usize::MAX)));
    let mut holdings = Holdings::new(&limits);
    let now = Instant::now();
    let (streams, held, failures, out, out_for, told) = Default::default();
    let mut model = Model { now, streams, holdings: held, failures, out, out_for, told };
    for op in ops {
        let at = |stream: usize, model: &Model| model.streams.get(stream % model.streams.len().max(1)).map(|(ticket, _)| *ticket);
        model.expire();
        match op {
            Op::Begin(session) => {
                let session = Uuid::from_u128(u128::from(session) + 1000);
                let ticket = holdings.begin(session, model.now).expect("it owes nothing");
                model.streams.push((ticket, Stream { session, name: None, renewed: model.now }));
            }
            Op::End(stream) => {
                if let Some(ticket) = at(stream, &model) {
                    holdings.end(ticket, model.now);
                    model.holdings.retain(|(own, ..)| *own != ticket);
                    model.streams.retain(|(own, _)| *own != ticket);
                    model.forget();
                }
            }
            Op::Announce { stream, name: number, content: id, share } => {
                if let Some(ticket) = at(stream, &model) {
                    let contents = vec![Announced { id: content(id), extent: extent(share) }];
                    let refused = holdings.announce(ticket, Announce { name: name(number), contents }, &memory, model.now);
                    assert!(refused.is_empty());
                    model.announce(ticket, name(number), content(id), f64::from(share) / 4.0);
                }
            }
            Op::Withdraw(stream, id) => {
                if let Some(ticket) = at(stream, &model) {
                    holdings.withdraw(ticket, id.map(|id| [content(id)]).as_ref().map(<[_; 1]>::as_slice));
                    model.holdings.retain(|(own, _, held, ..)| *own != ticket || id.is_some_and(|id| content(id) != *held));
                }
            }
            Op::Renew(stream) => {
                if let Some(ticket) = at(stream, &model) {
                    holdings.renew(ticket, model.now);
                    let (now, own) = (model.now, |(own, _): &&mut (Ticket, Stream)| *own == ticket);
                    model.streams.iter_mut().filter(own).for_each(|(_, stream)| stream.renewed = now);
                }
            }
            Op::Find(stream, id) => {
                if let Some(ticket) = at(stream, &model) {
                    let found = holdings.find(ticket, &Find { ask: 1, id: content(id), max: None }, &memory, model.now);
                    let names: BTreeSet<_> = found.candidates.iter().map(|candidate| candidate.name).collect();
                    assert_eq!(names.len(), found.candidates.len(), "nobody twice");
                    assert_eq!((found.seeders, found.partial, names), model.find(ticket, content(id)));
                }
            }
            Op::Failed(stream, number) => {
                if let Some(ticket) = at(stream, &model) {
                    let verdict = holdings.failed(ticket, &Failed { name: name(number), why: Why::Lied }, model.now);
                    assert_eq!(verdict, model.failed(ticket, name(number)));
                }
            }
            Op::Pass(seconds) => {
                model.now += Duration::from_secs(seconds);
                holdings.expire(model.now);
                model.expire();
            }
        }
        let contents: HashSet<_> = model.holdings.iter().map(|(_, _, content, ..)| *content).collect();
        holdings.expire(model.now);
        assert_eq!(holdings.count(), (contents.len(), model.holdings.len()));
    }
    for (ticket, _) in model.streams {
        holdings.end(ticket, model.now);
    }
    assert_eq!((holdings.count(), memory.used()), ((0, 0), 0), "nothing is left");
}

proptest! {
    #[test]
    fn who_is_told_of_whom_is_what_a_list_of_everything_ever_said_makes_of_it(ops in prop::collection::vec(op(), 1..200)) {
        play(ops);
    }
}

#[test]
fn of_a_crowd_everybody_has_its_turn() {
    let (limits, memory) = (Limits::default(), Arc::new(Memory::new(usize::MAX)));
    let (mut holdings, now) = (Holdings::new(&limits), Instant::now());
    for number in 0..1000 {
        let ticket = holdings.begin(Uuid::from_u128(number), now).expect("it owes nothing");
        let contents = vec![Announced { id: content(1), extent: extent(4) }];
        holdings.announce(ticket, Announce { name: PeerName(Uuid::from_u128(number + 1)), contents }, &memory, now);
        holdings.measured(ticket, Some(Duration::from_millis(1 + number as u64)));
    }
    let asker = holdings.begin(Uuid::new_v4(), now).expect("it owes nothing");
    let mut told = HashMap::<PeerName, usize>::new();
    for _ in 0..200 {
        let found = holdings.find(asker, &Find { ask: 1, id: content(1), max: None }, &memory, now);
        assert_eq!((found.seeders, found.candidates.len()), (1000, 32));
        assert!(found.candidates.is_sorted_by(|one, other| one.rtt_ms <= other.rtt_ms), "the nearest first");
        found.candidates.iter().for_each(|candidate| *told.entry(candidate.name).or_default() += 1);
    }
    assert_eq!(told.len(), 1000);
}
