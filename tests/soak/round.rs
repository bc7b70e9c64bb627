//! One round: a crowd comes, lives, and leaves.

use std::time::{Duration, Instant};

use browser_stream_client::{Held, Peer};
use futures::{FutureExt, future::BoxFuture};
use harness::within;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    runtime::Handle,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    channel,
    figures::{Figures, KEPT_MAX, descriptors, mib},
    look,
    network::{random, weather},
    process::Process,
    room,
    scene::Scene,
    serve,
};

/// Peers at once: below what one address may have, and enough for two cores.
const CROWD: u64 = 32;
/// A life takes seconds; one that relies on another takes as long as that one, which may wait for its client as long as a stream is kept.
const LIFE_MAX: Duration = Duration::from_secs(240);
/// What is kept for who comes back is let go of after eight seconds, refused streams are drained for five, a silent session is dead after as many.
const FREED_WITHIN: Duration = Duration::from_secs(60);
/// How often one looks whether it is.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often one is told how it goes.
const PROGRESS: Duration = Duration::from_secs(10);

/// How long the crowd of one round comes and goes, where all of them have so long.
pub fn lasting(all: Duration) -> Duration {
    (all / 3).clamp(Duration::from_secs(1), Duration::from_secs(60))
}

/// Lets a crowd come and go for so long, and waits until all have left.
pub async fn play(process: &mut Process, scene: &Scene, seed: u64, lasting: Duration, begun: Instant) {
    let mut all = JoinSet::new();
    for (number, network) in (0..).zip(scene.networks.iter()) {
        all.spawn(weather(network.clone(), random(seed, 1000 + number), scene.over.clone(), scene.tally));
    }
    for number in 0..CROWD {
        all.spawn(lives(scene.clone(), random(seed, number)));
    }
    let end = Instant::now() + lasting;
    while !scene.rest(PROGRESS.min(end.saturating_duration_since(Instant::now()))).await {
        if Instant::now() >= end {
            scene.over.cancel();
        }
        tell(&process.figures().await, scene, begun);
    }
    while let Some(left) = timeout(PROGRESS, all.join_next()).await.transpose() {
        if left.is_err() {
            println!("        {} have yet to leave", all.len());
            tell(&process.figures().await, scene, begun);
        }
    }
}

fn tell(figures: &Figures, scene: &Scene, begun: Instant) {
    figures.check_refusals();
    let Figures { sessions, channels, rooms, memory, resident, descriptors, .. } = figures;
    println!(
        "{:>5} s  {}; the proxy: {sessions} sessions, {channels} channels, {rooms} rooms, {} MiB on the books, {} resident, {descriptors} descriptors",
        begun.elapsed().as_secs(),
        scene.tally,
        mib(*memory as u64),
        mib(*resident),
    );
}

/// One life after the other.
async fn lives(scene: Scene, mut random: StdRng) {
    while !scene.over.is_cancelled() {
        let (what, life) = life(scene.clone(), &mut random);
        assert!(timeout(LIFE_MAX, life).await.is_ok(), "one who was to {what} does not come to an end");
        scene.tally.lives.add(1);
    }
}

/// What somebody does with its life.
fn life(scene: Scene, random: &mut StdRng) -> (&'static str, BoxFuture<'static, ()>) {
    let own = StdRng::from_rng(random);
    match random.random_range(0..20) {
        0..3 => ("serve and stay", serve::keep(scene, own).boxed()),
        3 | 4 => ("serve and go", serve::serve(scene, own).boxed()),
        5..9 => ("call and stay", serve::call(scene, own).boxed()),
        9 | 10 => ("call and go", serve::fumble(scene, own).boxed()),
        11 | 12 => ("publish", channel::publish(scene, own).boxed()),
        13 | 14 => ("subscribe", channel::subscribe(scene, own).boxed()),
        15..18 => ("be in a room", room::join(scene, own).boxed()),
        18 => ("list", look::list(scene, own).boxed()),
        _ => ("watch", look::watch(scene, own).boxed()),
    }
}

/// What there was before anybody came.
pub struct Before {
    pub proxy: Figures,
    /// Of this process, where the peers live.
    descriptors: usize,
    tasks: usize,
}

impl Before {
    pub async fn now(process: &mut Process) -> Self {
        let proxy = process.figures().await;
        Self { proxy, descriptors: descriptors(), tasks: tasks() }
    }

    /// Waits until there is no more than this again; what there is then. Panics where that takes too long, or where it is more than after the first round.
    pub async fn is_back(&self, process: &mut Process, scene: &Scene, first: Option<u64>) -> Figures {
        let end = Instant::now() + FREED_WITHIN;
        loop {
            self.is_quiet(process, first, end).await;
            let names = names(scene).await;
            if names.is_empty() {
                // Who asked for them has left, too.
                return self.is_quiet(process, first, end).await;
            }
            assert!(Instant::now() < end, "names are left: {names:?}");
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn is_quiet(&self, process: &mut Process, first: Option<u64>, end: Instant) -> Figures {
        let resident_max = first.map_or(u64::MAX, |first| first + KEPT_MAX);
        loop {
            let figures = process.figures().await;
            figures.check_refusals();
            let more = [figures.beyond(&self.proxy), self.beyond()].join(" ").trim().to_owned();
            if more.is_empty() && figures.resident <= resident_max {
                return figures;
            }
            let resident = format!("{} MiB resident after {:?} MiB", mib(figures.resident), first.map(mib));
            assert!(Instant::now() < end, "not everything is as it was: {more}; {resident}");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// What the peers' process has more of.
    fn beyond(&self) -> String {
        let (descriptors, tasks) = (descriptors(), tasks());
        match descriptors > self.descriptors || tasks > self.tasks {
            true => format!("{descriptors} descriptors after {} and {tasks} tasks after {} at the peers", self.descriptors, self.tasks),
            false => String::new(),
        }
    }
}

/// Names that are held or kept.
async fn names(scene: &Scene) -> Vec<Held> {
    let peer = within(Peer::dial(format!("ws://{}/mux", scene.proxy)).into_future()).await.expect("the proxy takes a peer");
    let names = within(peer.client().names()).await.expect("the proxy tells its names");
    within(peer.close()).await;
    names.held
}

/// Tasks of this process.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
