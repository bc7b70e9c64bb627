//! Whether a peer has its connection, as it changes.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, StreamExt, stream::BoxStream};
use tokio::sync::watch;

use crate::DialError;

/// Whether a peer has its connection to the proxy.
///
/// See [`Peer`](crate::Peer).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// It is there.
    Open,
    /// It is being made: the first attempt since there was one, or a later one.
    Connecting {
        /// Counts from 1.
        attempt: u32,
    },
    /// The next attempt is made after a while.
    Waiting {
        /// The attempt that comes then.
        attempt: u32,
        /// How long that is from when this was said.
        delay: Duration,
    },
    /// There will be none any more: the peer was closed, or nobody holds it; or, with an error, the proxy refused it for good.
    Closed(Option<DialError>),
}

/// A peer's [`State`], now and whenever it changes. A reader that is slow sees the newest one, not each. It ends behind [`State::Closed`].
///
/// See [`Peer`](crate::Peer).
pub struct States(BoxStream<'static, State>);

impl States {
    pub(crate) fn new(states: watch::Receiver<State>) -> Self {
        let next = |seen: Option<watch::Receiver<State>>| async move {
            let mut states = seen?;
            states.changed().await.ok()?;
            let state = states.borrow_and_update().clone();
            let more = if matches!(state, State::Closed(_)) { None } else { Some(states) };
            Some((state, more))
        };
        let mut states = states;
        states.mark_changed();
        Self(futures::stream::unfold(Some(states), next).boxed())
    }
}

impl Stream for States {
    type Item = State;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<State>> {
        self.0.poll_next_unpin(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_gets_what_holds_then_the_newest_and_the_end() {
        let (sender, receiver) = watch::channel(State::Open);
        let mut states = States::new(receiver);
        assert!(matches!(states.next().await, Some(State::Open)));
        sender.send_replace(State::Connecting { attempt: 1 });
        sender.send_replace(State::Waiting { attempt: 2, delay: Duration::ZERO });
        assert!(matches!(states.next().await, Some(State::Waiting { attempt: 2, .. })));
        sender.send_replace(State::Closed(None));
        assert!(matches!(states.next().await, Some(State::Closed(None))));
        assert!(states.next().await.is_none());
    }
}
