//! The process, as its sessions know it: what they all share.

use std::sync::{Arc, OnceLock, atomic::AtomicBool};

use browser_stream_mux::Counts;
use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::{sync::broadcast, time::Duration};
use uuid::Uuid;

use super::{Opens, Session, authority::Authority, clock::Clock, rate::Rate};
use crate::{buffer::Buffers, counters::Counters, limits::Limits, memory::Memory};

/// The process, as its sessions know it: what they all share.
pub(crate) struct Process {
    pub live: DashMap<Uuid, Arc<Session>>,
    /// The process, the same for all its sessions.
    pub node: Uuid,
    pub limits: Arc<Limits>,
    /// What buffers and queues hold.
    pub memory: Arc<Memory>,
    /// Held by who frees memory at others' cost.
    pub relief: Mutex<()>,
    /// What sockets are read into.
    pub buffers: Arc<Buffers>,
    /// The process goes down: nothing more is opened.
    pub draining: AtomicBool,
    /// Somebody keeps the timers' pulse.
    pub pulse: AtomicBool,
    /// When what there is began.
    pub clock: Clock,
    /// Told of sessions that begin and end, where somebody listens.
    pub comings: OnceLock<broadcast::Sender<Coming>>,
    /// What was refused and done.
    pub counters: Arc<Counters>,
    /// What went over sessions that are over.
    pub past: Mutex<Counts>,
    /// Who takes what peers open.
    pub opens: Arc<dyn Opens>,
    /// How fast a peer may open streams.
    pub open_rate: Rate,
    /// How fast it may send frames that move nothing.
    pub misc_rate: Rate,
    /// Who says what peers may do; without it they may do everything.
    pub authority: OnceLock<Authority>,
    /// In that time a peer is somebody, or it is closed.
    pub known_within: OnceLock<Duration>,
}

/// A session that begins or ends.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "admin"), expect(dead_code))]
pub(crate) struct Coming {
    pub session: Uuid,
    /// Why it ended; `None` where it begins.
    pub ended: Option<String>,
}

impl Process {
    /// For sessions with these limits, whose peers' streams go to `opens`.
    pub fn new(limits: Arc<Limits>, opens: Arc<dyn Opens>, counters: Arc<Counters>) -> Self {
        let memory = Arc::new(Memory::new(limits.memory_budget_bytes));
        Self {
            live: DashMap::new(),
            node: Uuid::new_v4(),
            buffers: Arc::new(Buffers::new(memory.clone())),
            memory,
            relief: Mutex::default(),
            draining: AtomicBool::new(false),
            pulse: AtomicBool::new(false),
            clock: Clock::new(),
            comings: OnceLock::new(),
            counters,
            past: Mutex::default(),
            opens,
            open_rate: Rate::new(limits.opens_per_second, limits.opens_burst),
            misc_rate: Rate::new(limits.misc_frames_per_second, limits.misc_frames_burst),
            authority: OnceLock::new(),
            known_within: OnceLock::new(),
            limits,
        }
    }

    /// Tells whoever listens of a session.
    pub fn tell(&self, coming: impl FnOnce() -> Coming) {
        if let Some(comings) = self.comings.get().filter(|comings| comings.receiver_count() > 0) {
            // Nobody listening any more is no fault.
            let _ = comings.send(coming());
        }
    }
}
