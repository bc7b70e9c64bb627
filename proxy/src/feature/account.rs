//! What a session owes for the deliveries that it causes: one message to many costs as much as many.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::{
    counters::{Counters, Refusal},
    limits::Limits,
    session::{Bucket, Rate},
};

/// The accounts of all sessions that send to many.
pub(super) struct Accounts {
    rate: Rate,
    by_session: Mutex<HashMap<Uuid, Weak<Mutex<Bucket>>>>,
}

/// The account of one session; all its streams to many share it.
pub(super) struct Account {
    rate: Rate,
    bucket: Arc<Mutex<Bucket>>,
    /// It is being waited for.
    is_slowed: bool,
}

impl Accounts {
    pub fn new(limits: &Limits) -> Self {
        let rate = Rate::new(limits.channel_deliveries_per_second, limits.channel_deliveries_burst);
        Self { rate, by_session: Mutex::default() }
    }

    pub fn of(&self, session: Uuid) -> Account {
        let mut accounts = self.by_session.lock();
        if accounts.len() >= 2 * SPARE {
            // Those that nobody uses any more: as many as there are, now and then.
            accounts.retain(|_, account| account.strong_count() > 0);
        }
        let known = accounts.get(&session).and_then(Weak::upgrade);
        let bucket = known.unwrap_or_else(|| {
            let bucket = Arc::new(Mutex::new(Bucket::new(Instant::now().into_std())));
            accounts.insert(session, Arc::downgrade(&bucket));
            bucket
        });
        Account { rate: self.rate, bucket, is_slowed: false }
    }
}

impl Account {
    /// So many parts went out.
    pub fn charge(&self, deliveries: usize) {
        self.bucket.lock().charge(&self.rate, deliveries as u64, 1, Instant::now().into_std());
    }

    /// Resolves when it owes nothing, and counts as `slowed` if it did. Cancel-safe: one that is waited for anew is still counted once.
    pub async fn settle(&mut self, counters: &Counters, slowed: Refusal) {
        while let Some(until) = self.owes() {
            if !mem::replace(&mut self.is_slowed, true) {
                counters.count(slowed);
            }
            sleep_until(until).await;
        }
        self.is_slowed = false;
    }

    /// Until when nothing more may go out, if it owes too much.
    fn owes(&self) -> Option<Instant> {
        let now = Instant::now();
        let over = self.bucket.lock().charge(&self.rate, 0, 1, now.into_std());
        (!over.is_zero()).then(|| now + over)
    }
}

/// Accounts that may stand here unused.
const SPARE: usize = 64;
