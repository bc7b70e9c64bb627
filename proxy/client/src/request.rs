//! What a client asks for, tried until there is an answer.

use std::{future::Future, time::Duration};

use browser_stream_mux::{Code, Stream as Carrier};
use browser_stream_protocol::{Name, OpenError};
use bytes::Bytes;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::{
    ConnectError, Peer,
    answer::answer,
    resumable,
    stream::Carriage,
    wire::{Meta, Open, encode},
};

/// How long a server may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// A stream that a client wants.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) name: Name,
    pub(crate) meta: Option<Meta>,
    /// How long the proxy is to wait for the name.
    pub(crate) wait: Duration,
    /// The stream's first bytes.
    pub(crate) early: Bytes,
    pub(crate) is_plain: bool,
}

impl Request {
    /// Opens it: what carries the stream, and its id. A proxy that goes down is no answer: the next one is asked.
    pub(crate) async fn open(&self, peer: &Peer) -> Result<(Carriage, String), ConnectError> {
        let deadline = Instant::now() + self.wait + ANSWER_MAX;
        let mut live = within(deadline, peer.shared().live()).await?;
        loop {
            let answer = async {
                if self.is_plain {
                    within(deadline, self.plain(peer)).await
                } else {
                    resumable::open(peer, self, deadline.saturating_duration_since(Instant::now())).await
                }
            };
            match peer.shared().patiently(answer).await {
                Err(ConnectError::Refused(error)) if error.is(Code::Draining) => {
                    live = within(deadline, peer.shared().newer(live.generation)).await?;
                }
                answer => return answer,
            }
        }
    }

    /// The wait as the open says it.
    pub(crate) fn wait_ms(&self) -> Option<u64> {
        u64::try_from(self.wait.as_millis()).ok()
    }

    async fn plain(&self, peer: &Peer) -> Result<(Carriage, String), ConnectError> {
        #[derive(Deserialize)]
        struct Accepted {
            id: String,
        }
        let Self { path, meta, .. } = self;
        let open = encode(&Open { path, meta: meta.as_deref(), wait: self.wait_ms(), ..Open::default() })?;
        let mut carrier: Carrier = peer.shared().open().await?;
        carrier.write_frame(&open);
        if !self.early.is_empty() {
            carrier.write_now(self.early.clone());
        }
        let Accepted { id } = answer(&mut carrier).await?;
        Ok((Carriage::Plain(carrier), id))
    }
}

async fn within<T, E: Into<ConnectError>>(deadline: Instant, future: impl Future<Output = Result<T, E>>) -> Result<T, ConnectError> {
    match timeout_at(deadline, future).await {
        Ok(result) => result.map_err(E::into),
        Err(_) => Err(OpenError::new(Code::Timeout, "the open was not answered in time").into()),
    }
}
