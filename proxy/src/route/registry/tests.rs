//! The registry against a model of PROTOCOL.md, section 9: whatever claims, drops, waits and restarts do, and in whatever order.

use std::{collections::VecDeque, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use proptest::prelude::*;

use super::*;
use crate::session::{Instance, Opening, Opens, Sessions};

#[derive(Clone, Debug)]
enum Step {
    /// A server claims: with an attempt of its own that is new or one that it used before, told of the answer or dead before.
    Claim {
        actor: usize,
        ask: Ask,
        stale: bool,
        stands_by: bool,
        told: bool,
    },
    /// A claim ends, the owner's or an old one's.
    End {
        which: usize,
        how: How,
    },
    /// The owner accepts a client.
    Accept,
    /// A client comes and waits at most so long for a name that nobody holds.
    Connect {
        wait_ms: u64,
    },
    /// One who stands by gives up.
    GiveUp {
        which: usize,
    },
    Pass {
        ms: u64,
    },
    /// The process is started again with the same key.
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Ask {
    Nothing,
    Lease,
    /// Shows a lease that it got, the newest or an older one.
    Show {
        newest: bool,
    },
}

#[derive(Clone, Copy, Debug)]
enum How {
    Finished,
    Lost,
    Reset,
}

/// A server program: it survives its sessions.
struct Actor {
    instance: Instance,
    attempts: u64,
    leases: Vec<u64>,
}

/// What the name must be by the protocol.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    Free,
    Up(Holder),
    Suspended(Holder, Instant),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Holder {
    actor: usize,
    attempt: u64,
    generation: Option<u64>,
    heard: bool,
    told: bool,
}

/// One who stands by.
struct Standing {
    holder: Holder,
    claim: BoxFuture<'static, Result<Claim, OpenError>>,
}

struct World {
    limits: Arc<Limits>,
    sessions: Sessions,
    registry: Arc<Registry>,
    started: Instant,
    first_generation: u64,
    watching: watch::Watching,
    events: Vec<broadcast::Receiver<Event>>,
    actors: Vec<Actor>,
    expected: Expected,
    claims: Vec<(Holder, Claim)>,
    standing: VecDeque<Standing>,
    clients: Vec<tokio::task::JoinHandle<Result<Code, OpenError>>>,
}

struct Nobody;

impl Opens for Nobody {
    fn opened(&self, _: Opening) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}

fn name() -> Name {
    Name::try_from("NAME").unwrap()
}

impl World {
    fn new() -> Self {
        let limits = Arc::new(Limits::default());
        let sessions = Sessions::new(limits.clone(), Arc::new(Nobody));
        let registry = Registry::new("/browser-server", limits.clone());
        let actor = |_| Actor { instance: Instance::random(), attempts: 0, leases: Vec::new() };
        Self {
            started: Instant::now(),
            first_generation: registry.generations.load(Ordering::Relaxed),
            watching: registry.watch(&name(), &sessions.session(None)).unwrap(),
            events: vec![registry.events()],
            actors: (0..3).map(actor).collect(),
            expected: Expected::Free,
            claims: Vec::new(),
            standing: VecDeque::new(),
            clients: Vec::new(),
            limits,
            sessions,
            registry,
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Claim { actor, ask, stale, stands_by, told } => self.claim(actor % 3, ask, stale, stands_by, told),
            Step::End { which, how } => self.end(which, how),
            Step::Accept => self.accept(),
            Step::Connect { wait_ms } => {
                let registry = self.registry.clone();
                let wait = Duration::from_millis(wait_ms);
                self.clients.push(tokio::spawn(async move {
                    let seat = registry.seat(&name(), wait).await?;
                    seat.replied(false);
                    Ok(Code::Cancelled)
                }));
            }
            Step::GiveUp { which } if !self.standing.is_empty() => {
                self.standing.remove(which % self.standing.len());
            }
            Step::GiveUp { .. } => {}
            Step::Pass { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
            Step::Restart => self.restart(),
        }
        self.settle().await;
    }

    /// What section 9's table says.
    fn due(&self, actor: usize, right: Right, attempt: u64) -> Result<bool, Code> {
        let (holder, taken) = match self.expected {
            Expected::Free => return Ok(true),
            Expected::Up(holder) => (holder, Code::NameTaken),
            Expected::Suspended(holder, _) => (holder, Code::NameReserved),
        };
        let same = holder.actor == actor;
        match right {
            Right::Held(lease) if same && holder.generation == Some(lease) => {
                if attempt > holder.attempt {
                    Ok(false)
                } else {
                    Err(Code::Superseded)
                }
            }
            Right::Held(lease) if holder.generation.is_none() => {
                let in_time = self.started.elapsed() < self.limits.lease_grace;
                if in_time && lease < self.first_generation { Ok(true) } else { Err(taken) }
            }
            Right::New if same && holder.generation.is_some() && !holder.heard && attempt > holder.attempt => Ok(false),
            _ => Err(taken),
        }
    }

    fn claim(&mut self, actor: usize, ask: Ask, stale: bool, stands_by: bool, told: bool) {
        let Actor { instance, attempts, leases } = &mut self.actors[actor];
        if !stale {
            *attempts += 1;
        }
        let attempt = *attempts;
        let right = match ask {
            Ask::Nothing => Right::None,
            Ask::Lease => Right::New,
            Ask::Show { newest } => match if newest { leases.last() } else { leases.first() } {
                Some(lease) => Right::Held(*lease),
                None => Right::New,
            },
        };
        let session = self.sessions.session(None);
        let (capabilities, tenure) = (Vec::new(), Tenure::default());
        let applicant = Applicant { session, sub: None, instance: *instance, attempt, right, capabilities, http: false, tenure };
        let mut holder = Holder { actor, attempt, generation: None, heard: matches!(right, Right::Held(_)), told };
        let due = self.due(actor, right, attempt);
        match (self.registry.claim(&name(), applicant, stands_by), due) {
            (Ok(Claimed::Now(claim)), Ok(_)) => {
                holder.generation = claim.info.title.generation;
                assert_eq!(holder.generation.is_some(), right != Right::None);
                self.granted(holder, claim);
            }
            (Ok(Claimed::Later(turn)), Err(Code::NameTaken | Code::NameReserved)) if stands_by => {
                self.standing.push_back(Standing { holder, claim: turn.come().boxed() });
            }
            (Err(error), Err(code)) => assert!(error.is(code), "{error} instead of {code:?}"),
            (got, due) => panic!("{due:?} was due, and {} came", got.map_or_else(|error| error.to_string(), |_| "a grant".into())),
        }
    }

    fn granted(&mut self, holder: Holder, mut claim: Claim) {
        if holder.told {
            claim.told();
            self.actors[holder.actor].leases.extend(holder.generation);
        }
        self.expected = Expected::Up(holder);
        self.claims.push((holder, claim));
        let owners = self.claims.iter().filter(|(_, claim)| claim.info.taken().now_or_never().is_none());
        assert_eq!(owners.count(), 1, "all but the newest claim were taken from their holders");
    }

    fn end(&mut self, which: usize, how: How) {
        if self.claims.is_empty() {
            return;
        }
        let (holder, mut claim) = self.claims.remove(which % self.claims.len());
        let owner = claim.info.taken().now_or_never().is_none();
        claim.reason = match how {
            How::Finished => Reason::Finished,
            How::Lost => Reason::Lost,
            How::Reset => Reason::Reset(9),
        };
        let keeps = holder.told && holder.generation.is_some() && !matches!(how, How::Finished);
        drop(claim);
        // An old one's end changes nothing.
        if let (true, Expected::Up(holder)) = (owner, self.expected) {
            let until = Instant::now() + self.limits.lease_grace;
            self.expected = if keeps { Expected::Suspended(holder, until) } else { Expected::Free };
        }
    }

    fn accept(&mut self) {
        let Expected::Up(holder) = &mut self.expected else { return };
        match self.registry.seat_now(name().as_str()) {
            Some(seat) => {
                assert!(holder.told, "one who was not told serves nobody");
                seat.unwrap().replied(true);
                holder.heard = true;
            }
            None => assert!(!holder.told),
        }
    }

    fn restart(&mut self) {
        self.claims.clear();
        self.standing.clear();
        let newest = self.registry.generations.load(Ordering::Relaxed);
        // As if it took a moment.
        while microseconds() <= newest {
            std::hint::spin_loop();
        }
        self.registry = Registry::new("/browser-server", self.limits.clone());
        self.started = Instant::now();
        self.first_generation = self.registry.generations.load(Ordering::Relaxed);
        self.watching = self.registry.watch(&name(), &self.sessions.session(None)).unwrap();
        self.events.push(self.registry.events());
        self.expected = Expected::Free;
    }

    /// Lets everybody have what is due, and looks.
    async fn settle(&mut self) {
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        if matches!(self.expected, Expected::Suspended(_, until) if until <= Instant::now()) {
            self.expected = Expected::Free;
        }
        while self.expected == Expected::Free
            && let Some(Standing { mut holder, claim }) = self.standing.pop_front()
        {
            let claim = claim.now_or_never().expect("a free name goes to the first who stands by").expect("granted");
            holder.generation = claim.info.title.generation;
            self.granted(holder, claim);
        }
        for Standing { claim, .. } in &mut self.standing {
            assert!(claim.now_or_never().is_none(), "nobody gets a name that another holds");
        }
        let presence = match self.expected {
            Expected::Free => Presence::Gone,
            Expected::Up(_) => Presence::Up,
            Expected::Suspended(..) => Presence::Suspended,
        };
        assert_eq!(self.watching.newest(), presence);
    }

    /// Everybody goes; then everybody has an answer and nothing is left.
    async fn finish(mut self) {
        while !self.claims.is_empty() || !self.standing.is_empty() {
            self.step(Step::End { which: 0, how: How::Finished }).await;
            // One who stands by for a suspended name has it after the grace.
            self.step(Step::Pass { ms: 120_000 }).await;
        }
        tokio::time::sleep(self.limits.lease_grace + self.limits.wait_max).await;
        for client in self.clients {
            assert!(client.is_finished(), "each who waits is answered");
        }
        drop(self.watching);
        assert!(self.registry.slots.is_empty());
        assert_eq!(self.registry.suspendable.available_permits(), self.limits.suspended_names_max);
        let registries = self.events.len();
        for (index, events) in self.events.into_iter().enumerate() {
            in_order(events, index + 1 == registries);
        }
    }
}

/// Events of one name come in an order that makes sense, and are about one claim from `created` to `destroyed`.
fn in_order(mut events: broadcast::Receiver<Event>, whole: bool) {
    let (mut current, mut suspended) = (None, false);
    while let Ok(event) = events.try_recv() {
        match event {
            Event::ServerCreated { id, .. } => assert_eq!(current.replace(id), None),
            Event::ServerSuspended { id, .. } => {
                assert_eq!(current, Some(id));
                assert!(!std::mem::replace(&mut suspended, true));
            }
            Event::ServerResumed { id, .. } => {
                assert_eq!(current, Some(id));
                assert!(std::mem::take(&mut suspended));
            }
            Event::ServerDestroyed { id, .. } => {
                assert_eq!(current.take(), Some(id));
                suspended = false;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(!whole || current.is_none());
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ask = prop_oneof![
        1 => Just(Ask::Nothing),
        2 => Just(Ask::Lease),
        3 => any::<bool>().prop_map(|newest| Ask::Show { newest }),
    ];
    let how = prop_oneof![Just(How::Finished), Just(How::Lost), Just(How::Lost), Just(How::Reset)];
    let claim = (0..3usize, ask, prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.9));
    let step = prop_oneof![
        10 => claim.prop_map(|(actor, ask, stale, stands_by, told)| Step::Claim { actor, ask, stale, stands_by, told }),
        6 => (any::<usize>(), how).prop_map(|(which, how)| Step::End { which, how }),
        2 => Just(Step::Accept),
        2 => (0..15_000u64).prop_map(|wait_ms| Step::Connect { wait_ms }),
        1 => any::<usize>().prop_map(|which| Step::GiveUp { which }),
        3 => prop_oneof![0..2_000u64, 0..130_000u64, Just(119_999), Just(120_000)].prop_map(|ms| Step::Pass { ms }),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

#[test]
fn threat_27_no_two_leases_are_alike_whatever_the_clock_does() {
    let registry = Registry::new("/browser-server", Arc::default());
    assert!(registry.next_generation() < registry.next_generation());
    // As if the clock had been set back by many years.
    let ahead = EXACT_MAX / 2;
    registry.generations.store(ahead, Ordering::Relaxed);
    assert_eq!([registry.next_generation(), registry.next_generation()], [ahead + 1, ahead + 2]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn threat_03_whatever_happens_a_name_is_whose_it_must_be(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.step(step).await;
            }
            world.finish().await;
        });
    }
}
