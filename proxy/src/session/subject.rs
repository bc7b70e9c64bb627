//! How much one `sub` has over all its sessions, for the quota of its tokens.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU32, AtomicUsize, Ordering},
};

use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::rate::{Admission, Bucket, Rate};

/// All who are somebody and have sessions.
#[derive(Default)]
pub(super) struct Subjects {
    all: DashMap<Arc<str>, Weak<Subject>>,
    /// As many as there were after the last look for those that are gone.
    kept: AtomicUsize,
}

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
        if self.all.len() >= 2 * self.kept.load(Ordering::Relaxed).max(SPARE) {
            // Once in as many as there are, so that each pays for a look at two.
            self.all.retain(|_, subject| subject.strong_count() > 0);
            self.kept.store(self.all.len(), Ordering::Relaxed);
        }
        let mut entry = self.all.entry(sub.clone()).or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_session_any_more_is_forgotten_and_who_has_one_is_not() {
        let subjects = Subjects::default();
        let lives: Vec<_> = (0..3 * SPARE).map(|number| subjects.of(&format!("lives {number}").into())).collect();
        for number in 0..10 * SPARE {
            let _ = subjects.of(&format!("goes {number}").into());
        }
        assert!(subjects.all.len() <= 2 * 4 * SPARE, "{} are kept", subjects.all.len());
        let same = |(number, one): (usize, &Arc<Subject>)| Arc::ptr_eq(one, &subjects.of(&format!("lives {number}").into()));
        assert!(lives.iter().enumerate().all(same));
    }

    #[test]
    fn a_place_is_given_back_and_one_too_many_takes_none() {
        let subject = Subjects::default().of(&"ann".into());
        let first = subject.take(Thing::Name, Some(1)).expect("one");
        assert!(subject.take(Thing::Name, Some(1)).is_none() && subject.take(Thing::Stream, Some(1)).is_some());
        drop(first);
        assert!(subject.take(Thing::Name, Some(1)).is_some());
    }
}
