//! Sends something whole to a connected peer, over a stream of its own.

use std::sync::Arc;

use browser_stream_mux::{Body, BodyError, Code, Stream};
use futures::{FutureExt, future::BoxFuture};
use serde::Serialize;
use serde_json::value::to_raw_value;

use super::Session;
use crate::error::OpenError;

/// Why something was not sent to a peer as a whole.
///
/// ```no_run
/// # use std::sync::Arc;
/// use browser_stream_server::{Code, SendError, Session};
///
/// # async fn example(session: Arc<Session>) {
/// match session.send("all of it", &"a note").await {
///     Ok(stream) => drop(stream), // to read what the page answers
///     Err(SendError::Refused(error)) if error.is(Code::NotFound) => println!("the page takes no streams"),
///     Err(SendError::Refused(error)) => println!("nothing was sent: {error}"),
///     Err(SendError::Body(error)) => println!("not all of it was taken: {error}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No stream came of it: the peer's refusal (`not_found` where its page has no listener for "stream"), `timeout`, `unresponsive`, `busy`; or `bad_request` for a meta that is no JSON.
    #[error("refused: {0}")]
    Refused(#[from] OpenError),
    /// The stream ended first, or the body could not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl Session {
    /// Sends all of `body` to the peer over a stream of its own to `/`, in pieces of 64 KiB and at the peer's speed. Its page gets the stream by
    /// `mdm.on("stream", (stream, meta) => …)`.
    ///
    /// Resolves when all was taken and our direction is finished, with the stream, to read what the page answers. Dropped, it resets the stream `cancelled`. To
    /// read while it sends, or to go to another path: [`open`](Self::open), then [`Stream::send`].
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// # use browser_stream_server::{Body, Session};
    /// # async fn example(session: Arc<Session>, file: tokio::io::Empty) -> anyhow::Result<()> {
    /// let body = Body::reader(file).on_progress(|progress| println!("{}", progress.sent));
    /// session.send(body, &serde_json::json!({ "name": "flower.png" })).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`SendError::Refused`] before anything was sent; [`SendError::Body`] as soon as the peer resets the stream or is lost, or the body fails.
    pub fn send(self: &Arc<Self>, body: impl Into<Body>, meta: &impl Serialize) -> BoxFuture<'static, Result<Stream, SendError>> {
        let (session, body, meta) = (self.clone(), body.into(), to_raw_value(meta));
        async move {
            let meta = meta.map_err(|error| OpenError::new(Code::BadRequest, format!("meta is no JSON: {error}")))?;
            let mut stream = session.open("/", Some(meta)).await?;
            stream.send(body).await?;
            Ok(stream)
        }
        .boxed()
    }
}
