//! One session of a peer: what it says of itself, what the proxy tells it, and the clients that come in on it.

use std::{sync::Arc, time::Duration};

use browser_stream_mux::{Code, Config, Role, Session as Mux, Stream};
use browser_stream_protocol::OpenError;
use futures::{StreamExt, stream::FuturesUnordered};
use serde::Deserialize;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    dial::Io,
    peer::Shared,
    resume::Unproven,
    wire::{ACCEPT_MAX, Accept, BODY_MAX, Note, Open, encode, reply},
};

/// The proxy sends an open at once; one that is not whole by then never will be.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
const LIBRARY: &str = concat!("browser-stream-client/", env!("CARGO_PKG_VERSION"));

/// A session, and how it goes.
pub(super) struct Session {
    pub(super) mux: Mux,
    told: watch::Receiver<Told>,
    driving: JoinHandle<()>,
}

/// What the proxy said on the session stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// It knows us: the connection works.
    pub(super) welcome: bool,
    pub(super) refused: Option<OpenError>,
    /// It goes down: not before this moment is another connection welcome.
    pub(super) drain: Option<Instant>,
    /// The code it is about to close the connection with.
    pub(super) bye: Option<u64>,
}

impl Session {
    /// Begins a session on a new connection. It goes on by itself; the session stream is the first that is opened.
    pub(super) fn begin(shared: &Arc<Shared>, io: Io) -> Self {
        let (mux, run) = Mux::new(io, Role::Opener, Config::default());
        let driving = shared.tasks.spawn(async move {
            if let Err(error) = run.await {
                tracing::debug!(%error, "session ended");
            }
        });
        let (tell, told) = watch::channel(Told::default());
        let control = introduce(&mux, shared.options.token.as_deref());
        shared.tasks.spawn(attend(Arc::clone(shared), mux.clone(), control, tell));
        Self { mux, told, driving }
    }

    /// Resolves when the session is over, or when the proxy goes down and wants us elsewhere (unless `to_its_end`), with all that it said until then.
    pub(super) async fn lasts(&mut self, to_its_end: bool) -> Told {
        let mut told = self.told.clone();
        let drained = async {
            if to_its_end || told.wait_for(|told| told.drain.is_some()).await.is_err() {
                std::future::pending().await
            }
        };
        tokio::select! {
            // A panic in there ended the session as well.
            _ = &mut self.driving => {}
            () = drained => {}
        }
        self.told.borrow().clone()
    }
}

/// The session stream; `None` where the connection is over already.
fn introduce(mux: &Mux, token: Option<&str>) -> Option<Stream> {
    let mut stream = mux.open().ok()?;
    match encode(&Open { path: "/session", library: Some(LIBRARY), token, ..Open::default() }) {
        Ok(open) => stream.write_frame(&open),
        Err(error) => {
            tracing::warn!(%error, "the token is too long to be sent");
            false
        }
    };
    Some(stream)
}

/// Sees to what comes in, until the session is over or nobody wants it any more.
async fn attend(shared: Arc<Shared>, mux: Mux, control: Option<Stream>, tell: watch::Sender<Told>) {
    let mut openings = FuturesUnordered::new();
    let unproven = Unproven::default();
    let listening = async {
        if let Some(control) = control {
            listen(control, &tell).await;
        }
        std::future::pending().await
    };
    tokio::pin!(listening);
    loop {
        tokio::select! {
            stream = mux.accept() => match stream {
                Some(stream) => openings.push(opening(stream)),
                None => return,
            },
            Some(opened) = openings.next() => {
                if let Some((accept, stream)) = opened {
                    shared.arrive(accept, stream, &unproven);
                }
            }
            () = &mut listening => {}
            () = shared.stop.cancelled() => {
                // Names are given up and streams ended as they go: that is to leave before the goodbye.
                shared.last_words.close();
                shared.last_words.wait().await;
                return mux.close();
            }
            () = shared.unheld.cancelled() => return,
        }
    }
}

/// Reads what the proxy says of a client; `None` for what is no such thing.
async fn opening(mut stream: Stream) -> Option<(Accept, Stream)> {
    let body = timeout(OPEN_TIMEOUT, stream.read_frame(ACCEPT_MAX)).await.ok()?.ok()??;
    match serde_json::from_slice(&body) {
        Ok(accept) => Some((accept, stream)),
        Err(error) => {
            tracing::warn!(%error, "an open that is none");
            stream.reset(Code::BadRequest);
            None
        }
    }
}

/// Listens to the session stream until it ends, which means nothing by itself.
async fn listen(mut control: Stream, tell: &watch::Sender<Told>) {
    #[derive(Deserialize)]
    struct Welcome {}
    let Ok(Some(body)) = control.read_frame(BODY_MAX).await else { return };
    match reply::<Welcome>(&body) {
        Ok(Welcome {}) => tell.send_modify(|told| told.welcome = true),
        Err(error) => return tell.send_modify(|told| told.refused = Some(error)),
    }
    while let Ok(Some(body)) = control.read_frame(BODY_MAX).await {
        let Ok(note) = serde_json::from_slice::<Note>(&body) else { return control.reset(Code::BadRequest) };
        tracing::debug!(?note, "the proxy says");
        tell.send_if_modified(|told| told.hear(&note));
    }
}

impl Told {
    /// Takes a note; whether it changed anything. Notes of later versions are ignored.
    fn hear(&mut self, note: &Note) -> bool {
        let value = note.value.as_ref();
        match note.note.as_str() {
            "drain" => {
                let after = value.and_then(|value| value.get("after_ms")).and_then(serde_json::Value::as_u64).unwrap_or(0);
                self.drain = Some(Instant::now() + Duration::from_millis(after.min(DRAIN_MAX_MS)));
                true
            }
            "bye" => {
                self.bye = value.and_then(serde_json::Value::as_u64);
                true
            }
            _ => false,
        }
    }
}

/// Nobody keeps a peer away for longer.
const DRAIN_MAX_MS: u64 = 300_000;
