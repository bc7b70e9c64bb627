//! Two ends under a random scheduler that delays, reorders between carriers, cuts each direction after any byte, moves, sleeps, resets and forgets.

use std::time::{Duration, Instant};

use browser_stream_client::resume::{Kind, Limits, Outcome, Registry, State};
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestRunner},
};

use crate::{
    network::{CLIENT, SERVER},
    world::{App, PATIENCE, World},
};

#[derive(Clone, Debug)]
enum Op {
    Write {
        side: usize,
        length: u64,
    },
    Read {
        side: usize,
        most: u64,
    },
    Finish {
        side: usize,
    },
    Deliver {
        pick: usize,
        side: usize,
        most: usize,
    },
    Mac {
        pick: usize,
    },
    Direct,
    Cut {
        pick: usize,
        keep: [usize; 2],
        told: bool,
    },
    CutAll {
        told: bool,
    },
    Advance {
        ms: u64,
    },
    Wake {
        side: usize,
    },
    Suspect {
        pick: usize,
        side: usize,
    },
    Network {
        up: bool,
    },
    Reset {
        side: usize,
    },
    GiveUp {
        side: usize,
    },
    /// The server's state is gone: a new owner of the name.
    Forget,
    /// Longer than any grace.
    Sleep {
        seconds: u64,
        down: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let (side, pick) = (0_usize..2, 0_usize..1000);
    let keep = prop_oneof![0_usize..4, 0_usize..300];
    prop_oneof![
        120 => (side.clone(), prop_oneof![1_u64..20, 1_u64..400]).prop_map(|(side, length)| Op::Write { side, length }),
        100 => (side.clone(), 1_u64..400).prop_map(|(side, most)| Op::Read { side, most }),
        14 => side.clone().prop_map(|side| Op::Finish { side }),
        400 => (pick.clone(), side.clone(), prop_oneof![1_usize..8, Just(1000)]).prop_map(|(pick, side, most)| Op::Deliver { pick, side, most }),
        60 => pick.clone().prop_map(|pick| Op::Mac { pick }),
        20 => Just(Op::Direct),
        60 => (pick.clone(), keep.clone(), keep, prop::bool::weighted(0.8))
            .prop_map(|(pick, one, two, told)| Op::Cut { pick, keep: [one, two], told }),
        6 => any::<bool>().prop_map(|told| Op::CutAll { told }),
        80 => prop_oneof![1_u64..100, 1_u64..1500].prop_map(|ms| Op::Advance { ms }),
        4 => side.clone().prop_map(|side| Op::Wake { side }),
        8 => (pick, side.clone()).prop_map(|(pick, side)| Op::Suspect { pick, side }),
        6 => any::<bool>().prop_map(|up| Op::Network { up }),
        2 => side.clone().prop_map(|side| Op::Reset { side }),
        1 => side.prop_map(|side| Op::GiveUp { side }),
        1 => Just(Op::Forget),
        1 => (100_u64..400, any::<bool>()).prop_map(|(seconds, down)| Op::Sleep { seconds, down }),
    ]
}

/// Small windows and records, so that their ends are met often; the times are real.
fn limits() -> Limits {
    Limits {
        window_min: 64,
        window_max: 512,
        replay_min: 64,
        replay: 128,
        replay_max: 512,
        data_max: 16,
        early_max: 24,
        ack_bytes: 32,
        ..Limits::default()
    }
}

/// What happened that may end a stream otherwise than clean.
#[derive(Default)]
struct Excuses {
    reset: bool,
    gone: bool,
}

struct Model {
    start: Instant,
    world: World,
    excuses: Excuses,
}

impl Model {
    fn run(&mut self, op: &Op) {
        let world = &mut self.world;
        let now = world.now;
        match *op {
            Op::Write { side, length } => drop(world.write(side, length)),
            Op::Read { side, most } => {
                world.read(side, most);
                world.consume(side);
            }
            Op::Finish { side } => world.finish(side),
            Op::Deliver { pick, side, most } => drop(link(world, pick).map(|id| world.deliver(id, side, most))),
            Op::Mac { pick } => drop(world.answer_mac(pick)),
            Op::Direct if world.client().state() == State::Live => drop(world.join(Kind::Direct)),
            Op::Direct => {}
            Op::Cut { pick, keep, told } => drop(link(world, pick).map(|id| world.network.cut(id, keep, told))),
            Op::CutAll { told } => cut_all(world, told),
            Op::Advance { ms } => world.advance(Duration::from_millis(ms)),
            Op::Wake { side } => drop(world.ends[side].as_mut().map(|end| end.wake(now))),
            Op::Suspect { pick, side } => {
                if let (Some(id), Some(end)) = (link(world, pick), world.ends[side].as_mut()) {
                    end.suspect(id, now);
                }
            }
            Op::Network { up } => world.up = up,
            Op::Reset { side } => {
                self.excuses.reset = true;
                world.reset(side, "4001");
            }
            Op::GiveUp { side } => {
                self.excuses.gone = true;
                world.give_up(side);
            }
            Op::Forget => {
                self.excuses.gone = true;
                if world.client().is_replied() {
                    world.apps[SERVER].outcome.get_or_insert(Outcome::Lost { received: 0, base: 0 });
                } else {
                    // The open will be sent again: to the new owner it is a new stream.
                    world.apps[SERVER] = App::default();
                    world.accepted = 0;
                    world.network.data[SERVER] = 0;
                }
                world.ends[SERVER] = None;
                world.registry = Registry::new(world.limits.clone());
                cut_all(world, true);
            }
            Op::Sleep { seconds, down } => {
                self.excuses.gone = true;
                // No proxy keeps an open that long.
                let cut = |link: &crate::network::Link| down || !link.open[SERVER];
                let cut: Vec<u64> = world.network.links.iter().filter(|(_, link)| cut(link)).map(|(&id, _)| id).collect();
                cut.into_iter().for_each(|id| world.network.cut(id, [0; 2], true));
                world.sleep(Duration::from_secs(seconds));
            }
        }
        for side in [CLIENT, SERVER] {
            world.pump(side);
        }
        self.check();
    }

    /// What holds at every moment.
    fn check(&mut self) {
        let world = &mut self.world;
        for side in [CLIENT, SERVER] {
            let app = &world.apps[side];
            let first = app.written.max(1);
            let again = world.network.data[side].saturating_sub(first);
            assert!(
                again <= app.takes * world.limits.replay_max + u64::from(world.limits.early_max) * u64::from(world.opens),
                "{again} bytes again"
            );
            let Some(end) = &world.ends[side] else { continue };
            assert!(end.carriers().count() <= 12);
            assert_eq!(end.breaks(), 0, "honest ends break no carrier");
        }
    }

    /// No more cuts: both applications finish and read on, and everything must end.
    fn settle(&mut self) {
        let world = &mut self.world;
        world.up = true;
        world.advance(Duration::from_secs(45));
        world.network.tell_cuts();
        let end = world.now + Duration::from_secs(900);
        while world.now < end {
            // The server's end may only come to be when the first round has run.
            for _ in 0..2 {
                world.finish(CLIENT);
                world.finish(SERVER);
                world.run_and_read();
            }
            if world.ends[CLIENT].as_ref().is_some_and(|end| end.is_over()) && world.apps[SERVER].outcome.is_some() {
                break;
            }
            match world.deadline() {
                Some(at) => world.advance(at.saturating_duration_since(world.now)),
                None => break,
            }
        }
        self.check();
        self.check_ends();
    }

    fn check_ends(&mut self) {
        let world = &mut self.world;
        assert!(world.ends[CLIENT].as_ref().unwrap().is_over(), "the client is at rest: {}", told(world, CLIENT));
        let ours = world.apps[CLIENT].outcome.clone().expect("the client knows how it ended");
        let theirs = world.apps[SERVER].outcome.clone();
        if world.accepted > 0 {
            assert!(theirs.is_some(), "the server knows how it ended: {}", told(world, SERVER));
        }
        let whole = |side: usize| world.apps[side].read == world.apps[1 - side].written && world.apps[1 - side].finished;
        if ours == Outcome::Clean {
            assert_eq!(theirs, Some(Outcome::Clean), "clean here is clean there");
        }
        if ours == Outcome::Clean || (theirs == Some(Outcome::Clean) && !matches!(ours, Outcome::Reset { here: true, .. })) {
            assert!(whole(CLIENT) && whole(SERVER), "clean means whole");
        }
        let Excuses { reset, gone } = self.excuses;
        if matches!(ours, Outcome::Refused(_)) {
            assert!(gone || world.now >= self.start + PATIENCE, "{ours:?}");
            return;
        }
        if !reset && !gone {
            assert_eq!((&ours, theirs.as_ref()), (&Outcome::Clean, Some(&Outcome::Clean)));
            assert_eq!(world.accepted, 1, "one stream, one event");
        }
        if reset && !gone {
            assert!(matches!(ours, Outcome::Clean | Outcome::Reset { .. }), "{ours:?}");
            assert!(matches!(theirs, None | Some(Outcome::Clean | Outcome::Reset { .. })), "{theirs:?}");
        }
        world.ends = [None, None];
        for budget in &world.budgets {
            assert_eq!(budget.left(), 64 * 1024 * 1024, "the budget is whole again");
        }
    }
}

fn link(world: &World, pick: usize) -> Option<u64> {
    let live: Vec<u64> = world.network.links.iter().filter(|(_, link)| link.open != [false; 2]).map(|(&id, _)| id).collect();
    live.get(pick % live.len().max(1)).copied()
}

/// An end without its limits, for a message.
fn told(world: &World, side: usize) -> String {
    let text = format!("{:?}", world.ends[side]);
    text.split_once("state: ").map_or(text.clone(), |(_, state)| state.to_owned())
}

fn cut_all(world: &mut World, told: bool) {
    for id in world.network.links.keys().copied().collect::<Vec<_>>() {
        world.network.cut(id, [0; 2], told);
    }
}

/// An open that must be answered within 17 s is no fact of resuming: the model's may take longer.
fn model() -> Model {
    let world = World::patient(limits());
    Model { start: world.now, world, excuses: Excuses::default() }
}

fn schedules(cases: u32, seed: u64) {
    let config = Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let ops = prop::collection::vec(op(), 1..250);
    let ran = TestRunner::new(config).run(&ops, |ops| {
        let mut model = model();
        ops.iter().for_each(|op| model.run(op));
        model.settle();
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("seed {seed}: {failure}");
    }
}

/// `LONG=1`: as many as fit into ten minutes, at most 200,000.
#[test]
fn threat_12_every_schedule_delivers_each_byte_once_and_both_ends_learn_how_it_ended() {
    schedules(1_000, 0);
    if std::env::var_os("LONG").is_none() {
        return;
    }
    let (start, mut ran) = (Instant::now(), 1_000);
    for seed in 1..200 {
        if start.elapsed() > Duration::from_secs(600) {
            break;
        }
        schedules(1_000, seed);
        ran += 1_000;
    }
    println!("{ran} schedules");
}
