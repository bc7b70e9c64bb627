//! How much one `sub` has over all its sessions, for the quota of its tokens.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU32, Ordering},
};

use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::rate::{Admission, Bucket, Rate};

/// All who are somebody and have sessions.
#[derive(Default)]
pub(super) struct Subjects(DashMap<Arc<str>, Weak<Subject>>);

/// One who is somebody.
pub(crate) struct Subject {
    counts: [AtomicU32; 3],
    opens: Mutex<Bucket>,
}

/// What one has a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    Session,
    Name,
    Stream,
}

/// One of the things that a `sub` may have so many of, given back when dropped.
#[must_use = "dropping it gives it back"]
pub(crate) struct Owned {
    subject: Arc<Subject>,
    thing: Thing,
}

impl Subjects {
    /// The one of that name.
    pub fn of(&self, sub: &Arc<str>) -> Arc<Subject> {
        if self.0.len() >= 2 * SPARE {
            // Those that have no session any more: as many as there are, now and then.
            self.0.retain(|_, subject| subject.strong_count() > 0);
        }
        let mut entry = self.0.entry(sub.clone()).or_default();
        entry.upgrade().unwrap_or_else(|| {
            let opens = Mutex::new(Bucket::new(Instant::now().into_std()));
            let subject = Arc::new(Subject { counts: Default::default(), opens });
            *entry = Arc::downgrade(&subject);
            subject
        })
    }
}

impl Subject {
    /// One more, if that is at most so many.
    pub fn take(self: &Arc<Self>, thing: Thing, most: Option<u32>) -> Option<Owned> {
        // Made first, so that it gives back what it took too much.
        let (before, owned) = (self.count(thing).fetch_add(1, Ordering::Relaxed), Owned { subject: self.clone(), thing });
        (before < most.unwrap_or(u32::MAX)).then_some(owned)
    }

    /// Whether it may open one more stream now.
    pub fn opens(&self, per_second: u32) -> bool {
        let rate = Rate::new(per_second as usize, per_second as usize);
        self.opens.lock().admit(&rate, Instant::now().into_std()) == Admission::Allowed
    }

    fn count(&self, thing: Thing) -> &AtomicU32 {
        &self.counts[thing as usize]
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.subject.count(self.thing).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Entries that may stand here unused.
const SPARE: usize = 1024;
