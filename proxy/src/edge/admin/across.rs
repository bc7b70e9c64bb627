//! The API of one node as another asks for it: HTTP over a stream of their link, at a path that peers do not find (docs/cluster.md, section 8).

use std::{
    fmt::Display,
    sync::{Arc, OnceLock, Weak},
};

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
};
use browser_stream_mux::{Code, Stream};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::{Method, Request, StatusCode, Uri};
use hyper::{client::conn::http1 as asking, server::conn::http1 as answering};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use tokio::time::{Duration, timeout};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{
    super::cluster::{Membership, Seat},
    door::Caller,
    office::Office,
    tables::short,
    whole::Other,
};
use crate::{
    error::OpenError,
    route::Handler,
    session::{Open, Opening, Reply},
};

/// Where a node asks another.
pub(in super::super) const PATH_OF_NODES: &str = "/admin/api";

/// No node is longer about an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// No answer of a node's is longer: so many rows as may be asked for, with some of what peers call themselves in them.
const ANSWER_MAX: usize = 32 << 20;

/// Bytes of a request's head: what an operator's may have, and the names of fields.
const HEAD_MAX: usize = 64 << 10;

/// Answers other nodes. Who asked there may was judged there.
pub(in super::super) struct ForNodes {
    seat: Weak<OnceLock<Membership>>,
    routes: Arc<OnceLock<Router>>,
}

/// What a node says beside for whom it asks.
#[derive(Serialize, Deserialize)]
struct Asker {
    /// Its process.
    node: Uuid,
}

/// What is asked of a node.
pub(super) struct Wish<'a> {
    pub method: Method,
    pub uri: Uri,
    pub body: Bytes,
    /// For whom, where it is known who that is.
    pub sub: Option<&'a str>,
}

impl ForNodes {
    pub(in super::super) fn new(seat: &Seat) -> Self {
        Self { seat: Arc::downgrade(seat), routes: Arc::default() }
    }
}

impl Handler for ForNodes {
    fn call(&self, opening: Opening) -> BoxFuture<'static, ()> {
        let proxy = self.seat.upgrade().and_then(|seat| seat.get()?.proxy());
        let routes = self.routes.clone();
        async move {
            let (Some(proxy), Some(Asker { node })) = (proxy, opening.meta()) else {
                return opening.refuse(OpenError::new(Code::BadRequest, "a node says which it is")).await;
            };
            let sub = opening.open().peer.as_ref().and_then(|peer| peer.sub.as_deref());
            let caller = Caller::of_node(sub, &short(node));
            let office = Office::of(&proxy);
            office.chronicle.write();
            let routes = routes.get_or_init(|| office.routes()).clone();
            let stream = opening.accept_with(&Reply::accept(Uuid::new_v4().to_string()));
            let service = TowerToHyperService::new(routes.layer(Extension(caller)));
            let mut builder = answering::Builder::new();
            builder.max_buf_size(HEAD_MAX).keep_alive(false);
            if let Ok(Err(error)) = timeout(ANSWER_WITHIN, builder.serve_connection(TokioIo::new(stream), service)).await {
                tracing::debug!(%error, %node, "a node has not taken what it asked for");
            }
        }
        .boxed()
    }
}

/// What that node answers, if it does so in time.
pub(super) async fn ask(membership: &Membership, other: &Other, wish: Wish<'_>, patience: Duration) -> Option<(StatusCode, Bytes)> {
    match timeout(patience, asked(membership, other, wish)).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            tracing::debug!(node = %other.0, %error, "another node did not answer for its operator");
            None
        }
        Err(_) => {
            tracing::debug!(node = %other.0, ?patience, "another node did not answer in time for its operator");
            None
        }
    }
}

async fn asked(membership: &Membership, other: &Other, wish: Wish<'_>) -> Result<(StatusCode, Bytes), OpenError> {
    let Wish { method, uri, body, sub } = wish;
    let open = Open { meta: to_raw_value(&Asker { node: membership.process() }).ok(), ..Open::to(PATH_OF_NODES) };
    let link = membership.link(other).await?;
    let (Reply { .. }, stream): (Reply, Stream) = link.ask_node(&open, sub).await?;
    let (mut requests, connection) = asking::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::builder().method(method).uri(uri).body(Body::from(body)).map_err(lost)?;
    let answer = requests.send_request(request).await.map_err(lost)?;
    let status = answer.status();
    Ok((status, to_bytes(Body::new(answer.into_body()), ANSWER_MAX).await.map_err(lost)?))
}

fn lost(error: impl Display) -> OpenError {
    OpenError::new(Code::Lost, error.to_string())
}
