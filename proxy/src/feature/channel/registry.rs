//! Which channels there are, and who waits for one.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use browser_stream_mux::Code;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::hub::Hub;
use crate::{error::OpenError, route::Name};

/// The channels by name.
pub(super) struct Registry {
    most: usize,
    /// How many there are; changed under the lock of the slots, of which far more may be waited for.
    hubs: AtomicUsize,
    slots: Mutex<HashMap<Name, Slot>>,
    is_draining: AtomicBool,
}

/// A name with a channel, or that somebody waits for.
#[derive(Default)]
struct Slot {
    hub: Option<Arc<Hub>>,
    came: Arc<Notify>,
    waiting: usize,
}

impl Registry {
    /// No channels, and never more than so many.
    pub fn new(most: usize) -> Self {
        Self { most, hubs: AtomicUsize::new(0), slots: Mutex::default(), is_draining: AtomicBool::new(false) }
    }

    /// The channel of that name, and whether it is new; `None` where there are too many for one more.
    pub fn get_or_make(&self, name: &Name, make: impl FnOnce() -> Hub) -> Option<(Arc<Hub>, bool)> {
        let mut slots = self.slots.lock();
        if let Some(hub) = slots.get(name).and_then(|slot| slot.hub.clone()) {
            return Some((hub, false));
        }
        // Names that are only waited for do not count: each is somebody's stream.
        if self.hubs.load(Ordering::Relaxed) >= self.most {
            return None;
        }
        self.hubs.fetch_add(1, Ordering::Relaxed);
        let hub = Arc::new(make());
        slots.entry(name.clone()).or_default().hub = Some(hub.clone());
        Some((hub, true))
    }

    /// Whether that channel is there, or may be made.
    #[cfg(feature = "cluster")]
    pub fn has_room(&self, name: &Name) -> bool {
        self.hubs.load(Ordering::Relaxed) < self.most || self.find(name).is_some()
    }

    /// How many there are.
    #[cfg(feature = "admin")]
    pub fn count(&self) -> usize {
        self.hubs.load(Ordering::Relaxed)
    }

    /// Whether somebody here waits for that channel, or reads it.
    #[cfg(feature = "cluster")]
    pub fn is_wanted(&self, name: &Name) -> bool {
        let slots = self.slots.lock();
        let Some(slot) = slots.get(name) else { return false };
        let (waits, hub) = (slot.waiting > 0, slot.hub.clone());
        drop(slots);
        waits || hub.is_some_and(|hub| hub.own_readers() > 0)
    }

    /// Somebody publishes there from now on.
    pub fn announce(&self, name: &Name) {
        if let Some(slot) = self.slots.lock().get(name) {
            slot.came.notify_waiters();
        }
    }

    /// That channel is over; whether it was still here.
    pub fn forget(&self, name: &Name, hub: &Arc<Hub>) -> bool {
        let mut slots = self.slots.lock();
        let Some(slot) = slots.get_mut(name).filter(|slot| slot.hub.as_ref().is_some_and(|here| Arc::ptr_eq(here, hub))) else {
            return false;
        };
        slot.hub = None;
        self.hubs.fetch_sub(1, Ordering::Relaxed);
        if slot.waiting == 0 {
            slots.remove(name);
        }
        true
    }

    /// The channel of that name.
    pub fn find(&self, name: &Name) -> Option<Arc<Hub>> {
        self.slots.lock().get(name).and_then(|slot| slot.hub.clone())
    }

    /// All of them.
    pub fn list(&self) -> Vec<(Name, Arc<Hub>)> {
        self.slots.lock().iter().filter_map(|(name, slot)| slot.hub.clone().map(|hub| (name.clone(), hub))).collect()
    }

    /// The channel of that name as soon as there is one. Cancel-safe.
    pub async fn wait(&self, name: &Name, most: Duration) -> Result<Arc<Hub>, OpenError> {
        if let Some(hub) = self.find(name) {
            return Ok(hub);
        }
        let deadline = Instant::now() + most;
        let waiting = Waiting::new(self, name);
        loop {
            let mut came = std::pin::pin!(waiting.came.notified());
            came.as_mut().enable();
            if self.is_draining.load(Ordering::Acquire) {
                return Err(OpenError::new(Code::Draining, "the proxy goes down: try again on a new connection"));
            }
            if let Some(hub) = self.find(name) {
                return Ok(hub);
            }
            if timeout_at(deadline, came).await.is_err() {
                let said = "nobody publishes in that channel: is its publisher's page open? `wait` says how long to wait for it";
                return Err(OpenError::new(Code::NotFound, said));
            }
        }
    }

    /// The process goes down: nobody waits any more.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
        self.slots.lock().values().for_each(|slot| slot.came.notify_waiters());
    }
}

/// Somebody waits for a name.
struct Waiting<'a> {
    registry: &'a Registry,
    name: &'a Name,
    came: Arc<Notify>,
}

impl<'a> Waiting<'a> {
    fn new(registry: &'a Registry, name: &'a Name) -> Self {
        let mut slots = registry.slots.lock();
        let slot = slots.entry(name.clone()).or_default();
        slot.waiting += 1;
        let came = slot.came.clone();
        Self { registry, name, came }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut slots = self.registry.slots.lock();
        let Some(slot) = slots.get_mut(self.name) else { return };
        slot.waiting -= 1;
        if slot.waiting == 0 && slot.hub.is_none() {
            slots.remove(self.name);
        }
    }
}
