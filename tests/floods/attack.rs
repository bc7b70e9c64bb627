//! What an attacker knows: whom to attack, from where, and how long.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The longest an attack may take to come to what it is about, where the machine is slow.
const SLOWEST: Duration = Duration::from_secs(20);

pub struct Attack {
    pub proxy: SocketAddr,
    over: AtomicBool,
    dialed: AtomicU64,
    begun: Instant,
}

impl Attack {
    pub fn on(proxy: SocketAddr) -> Self {
        Self { proxy, over: AtomicBool::new(false), dialed: AtomicU64::new(0), begun: Instant::now() }
    }

    pub fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// The same, and on beyond its time until it has come to what it is about: a third of a second is little on a slow machine.
    pub fn goes_on_until(&self, done: bool) -> bool {
        self.goes_on() || (!done && self.begun.elapsed() < SLOWEST)
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Another address to come from, in turn out of sixteen: one has too few ports for a storm, and may be counted.
    pub fn address(&self) -> Ipv4Addr {
        let turn = self.dialed.fetch_add(1, Ordering::Relaxed) % 16;
        Ipv4Addr::new(127, 0, 1, turn as u8 + 1)
    }
}
