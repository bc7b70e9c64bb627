//! Sees to what comes in on a mux, and to what its streams have to say beside their bytes.

use browser_stream_mux::{Code, Session as Mux, Stream as Carrier, StreamId};
use browser_stream_protocol::OpenError;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::to_raw_value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    Stream,
    connection::refuse,
    stream::{Failure, Teller},
    wire::{ACCEPT_MAX, Meta, Open, encode},
};

/// Where a stream's error is told: a reset has no room for a text (PROTOCOL.md, section 10).
const ERROR_PATH: &str = "/stream-error";

type Sender = mpsc::Sender<(Stream, Value)>;

/// What the other end opens a stream with.
#[derive(Deserialize)]
struct Opening {
    path: String,
    #[serde(default)]
    meta: Option<Meta>,
    /// It only writes.
    #[serde(default)]
    one_way: bool,
}

/// What an error says.
#[derive(Serialize, Deserialize)]
struct Said {
    stream: StreamId,
    code: u32,
    message: String,
}

/// Runs until the mux is over; from `closing` on no more streams are taken.
pub(super) async fn attend(
    mux: Mux,
    incoming: Sender,
    teller: Teller,
    mut failures: mpsc::UnboundedReceiver<Failure>,
    closing: CancellationToken,
) {
    let mut works = FuturesUnordered::<BoxFuture<'_, ()>>::new();
    let mut is_closing = false;
    loop {
        tokio::select! {
            carrier = mux.accept() => match carrier {
                Some(carrier) => works.push(take(&mux, carrier, &incoming, &teller, &closing).boxed()),
                None => return,
            },
            Some(failure) = failures.recv() => works.push(tell(&mux, failure).boxed()),
            Some(()) = works.next() => {}
            () = closing.cancelled(), if !is_closing => {
                is_closing = true;
                mux.retire();
            }
        }
    }
}

/// Answers a stream that the other end opened.
async fn take(mux: &Mux, mut carrier: Carrier, incoming: &Sender, teller: &Teller, closing: &CancellationToken) {
    let Ok(Some(body)) = carrier.read_frame(ACCEPT_MAX).await else { return carrier.reset(Code::BadRequest) };
    let opening = match serde_json::from_slice::<Opening>(&body) {
        Ok(opening) if opening.path.starts_with('/') => opening,
        Ok(_) => return refuse(carrier, OpenError::new(Code::BadRequest, "an open has a path")),
        Err(error) => return refuse(carrier, OpenError::new(Code::BadRequest, error.to_string())),
    };
    if opening.path == ERROR_PATH {
        return hear(mux, carrier, opening.meta).await;
    }
    let room = tokio::select! {
        biased;
        () = closing.cancelled() => return refuse(carrier, OpenError::new(Code::Gone, "the mux was closed")),
        room = incoming.reserve() => room,
    };
    let Ok(room) = room else {
        return refuse(carrier, OpenError::new(Code::NotFound, "nobody takes streams at the other end: its `Incoming` was dropped"));
    };
    carrier.write_frame(b"{}");
    if opening.one_way {
        carrier.finish();
    }
    // It was JSON within the open.
    let meta = opening.meta.as_ref().and_then(|meta| serde_json::from_str(meta.get()).ok()).unwrap_or_default();
    room.send((Stream::told_by(carrier, opening.meta, teller.clone()), meta));
}

/// The other end failed a stream and says why.
async fn hear(mux: &Mux, mut carrier: Carrier, meta: Option<Meta>) {
    match meta.as_ref().and_then(|meta| serde_json::from_str::<Said>(meta.get()).ok()) {
        Some(Said { stream, code, message }) => {
            mux.failed(stream, code, &message);
            carrier.write_frame(b"{}");
            carrier.finish();
            carrier.peer_done().await;
        }
        None => refuse(carrier, OpenError::new(Code::BadRequest, "an error has a stream, a code and a message")),
    }
}

/// Tells the other end why a stream fails, and resets it once that was heard: a reset is heard at once, an open by a task.
async fn tell(mux: &Mux, Failure { stream, code, message }: Failure) {
    let note = to_raw_value(&Said { stream, code, message })
        .ok()
        .and_then(|meta| encode(&Open { path: ERROR_PATH, meta: Some(&meta), ..Open::default() }).ok());
    if let (Some(note), Ok(mut carrier)) = (note, mux.open()) {
        carrier.write_frame(&note);
        carrier.finish();
        carrier.peer_done().await;
    }
    mux.reset(stream, code);
}
