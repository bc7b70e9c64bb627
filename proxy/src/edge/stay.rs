//! What an HTTP connection is kept for when it would have to go.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// How many answers of one connection carry a session, or are a server's. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Stay(Arc<watch::Sender<usize>>);

/// One of them, until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it lets the connection go"]
pub(super) struct Staying(Stay);

impl Stay {
    /// One more.
    pub(super) fn begin(&self) -> Staying {
        self.0.send_modify(|count| *count += 1);
        Staying(self.clone())
    }

    #[cfg(any(test, feature = "tls"))]
    pub(super) fn is_none(&self) -> bool {
        *self.0.borrow() == 0
    }

    /// Resolves when there is none.
    pub(super) async fn none(&self) {
        // The sender lives: it is ours.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Resolves when there has been none for so long at a stretch. Cancel-safe.
    pub(super) async fn none_for(&self, long: Duration) {
        while {
            self.none().await;
            timeout(long, self.0.subscribe().wait_for(|count| *count > 0)).await.is_ok()
        } {}
    }

    /// Resolves when so much time has gone and there is none.
    pub(super) async fn over(&self, life: Duration) {
        sleep(life).await;
        self.none().await;
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_goes_when_its_life_is_over_and_it_carries_nothing_any_more() {
        let stay = Stay::default();
        let minute = Duration::from_secs(60);
        stay.over(minute).await;
        let (first, second) = (stay.begin(), stay.begin());
        let mut over = Box::pin(stay.over(minute));
        sleep(10 * minute).await;
        drop(first);
        assert_eq!((over.as_mut().now_or_never(), stay.is_none()), (None, false));
        drop(second);
        over.await;
        assert!(stay.is_none());
    }
}
