//! A proxy for as long as one likes, and a crowd that comes and goes: `make soak`, 30 minutes unless `MINUTES` says otherwise.
//!
//! The proxy is a process of its own with the settings of everybody but for shorter times, so that what is kept for who may come back is let go of
//! within seconds. The crowd lives in rounds. In each, peers at random serve names, call them, publish, subscribe, are in rooms and look on, over
//! networks that cut, stall, slice and delay; every byte, message and event that comes is checked against what was sent. Then everybody leaves, and the
//! proxy must be as it was before anybody came: sessions, names, channels, rooms, tasks, descriptors, the memory that it accounts for. What is decided at
//! random comes from one seed, which is printed first and with every failure; who is first where two meet is the system's doing, so a seed
//! brings the same crowd back, not every meeting.
//!
//! Resident memory is compared between the first round and the last: the first round makes what is made once (pools, the runtime's queues,
//! the allocator's arenas), and no round behind it may need more. It may differ by [`figures::KEPT_MAX`] all the same, for the allocator gives back whole pages alone, and
//! which of them are free depends on who left last. What leaks with each of thousands of peers is more than that.
//!
//! The build has debug assertions: the proxy's books check themselves.

mod args;
mod channel;
mod exchange;
mod figures;
mod look;
mod network;
mod process;
mod proxy;
mod room;
mod round;
mod scene;
mod serve;

use std::{
    panic,
    process::ExitCode,
    time::{Duration, Instant},
};

use args::{Args, Task};
use figures::Figures;
use process::Process;
use round::Before;
use scene::Scene;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    match Args::read() {
        Ok(Task::Proxy) => proxy::serve(),
        Ok(Task::Soak(args)) => soak(args),
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

#[tokio::main]
async fn soak(Args { lasting, seed }: Args) {
    println!("soak: {} s, seed {seed}", lasting.as_secs());
    fail_as_a_whole(seed);
    let begun = Instant::now();
    let mut process = Process::start().await;
    let mut scene = Scene::new(process.address, seed).await;
    let before = Before::now(&mut process).await;
    let (mut first, mut last, mut rounds) = (None, before.proxy.clone(), 0_u32);
    // Two at the least: one alone has nothing to be compared with.
    while rounds < 2 || begun.elapsed() < lasting {
        let left = lasting.saturating_sub(begun.elapsed());
        let crowd = round::lasting(lasting).min(left.max(Duration::from_secs(1)));
        scene.over = CancellationToken::new();
        round::play(&mut process, &scene, seed.wrapping_add(u64::from(rounds)), crowd, begun).await;
        last = before.is_back(&mut process, &scene, first.as_ref().map(|first: &Figures| first.resident)).await;
        first.get_or_insert(last.clone());
        rounds += 1;
    }
    println!("soak: {rounds} rounds in {} s, seed {seed}: {}", begun.elapsed().as_secs(), scene.tally);
    println!("soak: 0 bytes, messages or events lost or doubled that were not said to be: the first would have ended this");
    println!("soak: names are left to nobody; what the proxy held before, after the first round, and at the end:");
    for (what, figure) in Figures::ALL {
        let [before, first, last] = [&before.proxy, first.as_ref().unwrap_or(&last), &last].map(figure);
        println!("{what:>28}  {before:>8} {first:>8} {last:>8}");
    }
}

/// A panic anywhere is the whole program's, and names the seed.
fn fail_as_a_whole(seed: u64) {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        usual(info);
        eprintln!("soak: failed with seed {seed}");
        std::process::exit(101);
    }));
}
