//! Events for the program that the proxy runs in: nobody waits for it, and it is told how many it missed.

use futures::stream::{BoxStream, StreamExt, unfold};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// What a receiver hears, in order; `missed` makes an event of how many it was too slow for.
pub(super) fn heard<T: Clone + Send + 'static>(receiver: Receiver<T>, missed: fn(u64) -> T) -> BoxStream<'static, T> {
    let events = unfold(receiver, move |mut receiver| async move {
        let event = match receiver.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(count)) => missed(count),
            Err(RecvError::Closed) => return None,
        };
        Some((event, receiver))
    });
    events.boxed()
}
