//! The table in the memory of one process: for tests, and for a program that has several proxies in it.

use std::sync::Arc;

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{BoxStream, iter, unfold},
};
use parking_lot::Mutex;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Adapter, Change, Outcome, Write, table::Table};

/// A table for nodes of one process. Cheap to clone; every clone is the same. It forgets everything when the last of them is dropped.
///
/// See [`Adapter`].
#[derive(Clone)]
pub struct Local {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    table: Table,
    changes: broadcast::Sender<Change>,
}

impl Local {
    /// An empty table.
    pub fn new() -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { table: Table::default(), changes: broadcast::Sender::new(CHANGES_AHEAD) })) }
    }

    /// All that there is, and then what changes; until too much of that was not taken.
    fn tell(&self) -> BoxStream<'static, Change> {
        let (told, changes) = {
            let inner = self.inner.lock();
            (inner.table.told(), inner.changes.subscribe())
        };
        let changes = unfold(changes, |mut changes| async {
            match changes.recv().await {
                Ok(change) => Some((change, changes)),
                Err(RecvError::Lagged(_) | RecvError::Closed) => None,
            }
        });
        iter(told).chain(changes).boxed()
    }
}

impl Default for Local {
    fn default() -> Self {
        Self::new()
    }
}

impl Adapter for Local {
    fn write(&self, write: Write) -> BoxFuture<'static, Outcome> {
        let table = self.clone();
        async move {
            let mut inner = table.inner.lock();
            let (outcome, change) = inner.table.write(write);
            if let Some(change) = change {
                // An error says that nobody listens.
                let _ = inner.changes.send(change);
            }
            outcome
        }
        .boxed()
    }

    fn changes(&self) -> BoxStream<'static, Change> {
        // Who was too slow hears all anew.
        unfold(self.clone(), |table| async { Some((table.tell(), table)) }).flatten().boxed()
    }
}

/// Changes that were told and not yet taken.
const CHANGES_AHEAD: usize = 1024;
