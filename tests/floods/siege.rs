//! One flood against one proxy, with an honest pair beside it: measured, printed, and held to the bounds.

use std::{
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    attack::Attack,
    cores,
    fate::Fate,
    honest::{Honest, Times},
    process::{Process, Settings},
};

pub const MIB: u64 = 1024 * 1024;

/// The honest p99 under a flood stays below this many times the idle one.
const RATIO_MAX: f64 = 5.0;
/// An idle p99 of this many times the idle p50 is somebody else's doing: the figures then say little.
const NOISE_MAX: f64 = 10.0;
/// What the allocator may keep of what was freed: the system's gives back the end of its heap alone.
const KEPT_MAX: u64 = 8 * MIB;
/// A crowd that takes less than this beside those before it takes no more: half a KiB for each of two thousand.
const SETTLED: u64 = MIB;
/// So many crowds may come until then.
const SETTLED_WITHIN: usize = 12;
/// How long the proxy may take to give everything back: it reads and drops for a second after a cut, and drains refused streams for five.
const FREED_WITHIN: Duration = Duration::from_secs(10);

/// Whether this is `make test-long`.
pub fn long() -> bool {
    std::env::var_os("LONG").is_some()
}

/// How long a flood lasts.
pub fn lasting() -> Duration {
    if long() { Duration::from_secs(10) } else { Duration::from_millis(300) }
}

/// How long the honest pair is timed alone, before and after.
fn brief() -> Duration {
    if long() { Duration::from_secs(1) } else { Duration::from_millis(150) }
}

/// A proxy that is about to be attacked, alone on its core.
pub struct Siege {
    flood: &'static str,
    pub honest: Honest,
    pub process: Process,
    idle: Times,
    /// Resident memory and descriptors before.
    resident: u64,
    descriptors: usize,
    /// Crowds came and went until one took no more than those before it.
    settled: bool,
    /// How much resident memory the flood may add.
    grows_max: u64,
    _turn: MutexGuard<'static, ()>,
}

impl Siege {
    /// A proxy with the default limits that may grow by 32 MiB.
    pub fn of(flood: &'static str) -> Self {
        Self::with(flood, &Settings::default(), 32 * MIB, |_| ())
    }

    /// The same with settings, a bound of memory, and something that the honest pair does beside.
    pub fn with(flood: &'static str, settings: &Settings, grows_max: u64, prepare: impl FnOnce(&mut Honest)) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        // The machine has two cores: one flood at a time. A flood that failed says so itself.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        cores::beside_proxy();
        let process = Process::start(settings);
        let mut honest = Honest::new(process.address);
        honest.ping_pong(brief() / 3);
        let idle = honest.ping_pong(brief());
        prepare(&mut honest);
        let (resident, descriptors) = (process.resident(), process.descriptors());
        Self { flood, honest, process, idle, resident, descriptors, settled: false, grows_max, _turn: turn }
    }

    /// Lets the attacker loose before it counts, for a flood that takes much in small pieces: again and again, until one took no more than those before it. The allocator
    /// keeps what it likes of what was freed, in as many heaps as it likes; but what the next one needs finds room there, unless something was not freed.
    pub fn settle(&mut self, lasting: Duration, attacker: impl Fn(&Attack) -> Fate + Sync) {
        let mut highest = self.process.highest();
        for _ in 0..SETTLED_WITHIN {
            self.attack(lasting, &attacker);
            assert!(within(FREED_WITHIN, || self.process.descriptors() <= self.descriptors), "connections are left");
            self.honest.ping_pong(brief());
            let before = std::mem::replace(&mut highest, self.process.highest());
            self.settled = highest < before + SETTLED;
            if self.settled {
                return;
            }
        }
        panic!("{}: it took more each time, {} MiB in the end", self.flood, highest / MIB);
    }

    /// Lets the attacker loose for the time of a flood.
    pub fn stand(&mut self, attacker: impl FnOnce(&Attack) -> Fate + Send) -> Fate {
        self.stand_for(lasting(), attacker)
    }

    /// The same for a time of its own. Whatever the attacker left open is closed when it returns.
    pub fn stand_for(&mut self, lasting: Duration, attacker: impl FnOnce(&Attack) -> Fate + Send) -> Fate {
        let (under, used, fate) = self.attack(lasting, attacker);
        let highest = self.process.highest();
        let (resident_max, settled) = (self.resident + KEPT_MAX, self.settled);
        let is_freed = |process: &Process| settled || process.resident() < resident_max;
        let freed = within(FREED_WITHIN, || {
            // The allocator looks what it can give back when something is freed: an idle proxy would keep it all.
            self.honest.ping_pong(Duration::ZERO);
            self.process.descriptors() <= self.descriptors && is_freed(&self.process)
        });
        let after = self.honest.ping_pong(brief());
        self.print(under, after, used, highest, &fate);
        self.judge(under, after, highest, freed);
        fate
    }

    /// The honest pair's times under attack, how much of a core the proxy used, and what became of the attacker.
    fn attack(&mut self, lasting: Duration, attacker: impl FnOnce(&Attack) -> Fate + Send) -> (Times, f64, Fate) {
        let attack = Attack::on(self.process.address);
        let (cpu, begun) = (self.process.cpu(), Instant::now());
        let (under, used, fate) = thread::scope(|scope| {
            let attacking = scope.spawn(|| {
                cores::behind_everybody();
                let _ends = Ends(&attack);
                attacker(&attack)
            });
            let ends = Ends(&attack);
            let under = self.honest.ping_pong(lasting);
            let used = (self.process.cpu() - cpu) / begun.elapsed().as_secs_f64();
            drop(ends);
            (under, used, attacking.join())
        });
        let fate = fate.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (under, used, Fate { lasted: begun.elapsed(), ..fate })
    }

    fn print(&self, under: Times, after: Times, used: f64, highest: u64, fate: &Fate) {
        static HEAD: Once = Once::new();
        HEAD.call_once(|| {
            println!(
                "\n{:<34} {:>13} {:>13} {:>13} {:>6} {:>15} {:>4}  attacker",
                "flood", "idle", "under", "after", "ratio", "MiB", "CPU"
            );
        });
        let times = |times: Times| format!("{}/{}", times.p50.as_micros(), times.p99.as_micros());
        let quiet = if ratio(self.idle, Times { p99: self.idle.p50, ..self.idle }) < NOISE_MAX { "" } else { " (this machine is busy)" };
        let mib = |bytes: u64| bytes / MIB;
        let memory = format!("{}/{}/{}", mib(self.resident), mib(highest), mib(self.process.resident()));
        println!(
            "\n{:<34} {:>13} {:>13} {:>13} {:>5.1}× {:>15} {:>3.0}%  {fate}{quiet}",
            self.flood,
            times(self.idle),
            times(under),
            times(after),
            ratio(under, self.idle),
            memory,
            used * 100.0
        );
    }

    fn judge(&self, under: Times, after: Times, highest: u64, freed: bool) {
        let mut wrong = Vec::new();
        for (when, times) in [("under the flood", under), ("after the flood", after)] {
            // A third of a second on whatever machine says little of a 99th percentile: it is printed then, and judged where there is time.
            if long() && ratio(times, self.idle) >= RATIO_MAX {
                wrong.push(format!("the honest p99 {when} is {:.1} times the idle one", ratio(times, self.idle)));
            }
        }
        if highest > self.resident + self.grows_max {
            wrong.push(format!("the proxy grew by {} MiB, not at most {}", (highest - self.resident) / MIB, self.grows_max / MIB));
        }
        if !freed {
            let (now, resident) = (self.process.descriptors(), self.process.resident());
            wrong.push(format!(
                "not everything was freed: {now} descriptors after {}, {} MiB after {}, at most {}",
                self.descriptors,
                resident / MIB,
                self.resident / MIB,
                highest / MIB
            ));
        }
        assert!(wrong.is_empty(), "{}: {}", self.flood, wrong.join("; "));
    }
}

fn ratio(times: Times, idle: Times) -> f64 {
    times.p99.as_secs_f64() / idle.p99.as_secs_f64()
}

/// Waits until something is true, at most so long; whether it is.
pub fn within(bound: Duration, mut what: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + bound;
    while !what() {
        if Instant::now() > end {
            return false;
        }
        thread::park_timeout(Duration::from_millis(2));
    }
    true
}

/// Ends the attack whatever way its scope is left, so that nobody waits for an attacker for ever.
struct Ends<'a>(&'a Attack);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
