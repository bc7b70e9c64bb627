//! One session of a peer: what it says of itself, what the proxy tells it, and the clients that come in on it.

use std::{sync::Arc, time::Duration};

use browser_stream_mux::{Code, Config, Role, Session as Mux, Stream};
use browser_stream_protocol::OpenError;
use futures::{
    StreamExt,
    stream::{self, FuturesUnordered},
};
use serde::Deserialize;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    answer::{Unanswered, answer},
    dial::Io,
    peer::Shared,
    resume::Unproven,
    token::{Shown, ended},
    wire::{ACCEPT_MAX, Accept, BODY_MAX, Note},
};

/// A proxy says within 10 s what it makes of a token, or that it cannot; one that says nothing knows of none.
const JUDGE_TIMEOUT: Duration = Duration::from_secs(15);
/// The proxy sends an open at once; one that is not whole by then never will be.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

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
    /// It does not, or no longer, take us, or could not judge our token.
    pub(super) refused: Option<OpenError>,
    /// It has no session streams.
    pub(super) is_silent: bool,
    /// It goes down: not before this moment is another connection welcome.
    pub(super) drain: Option<Instant>,
    /// The code it is about to close the connection with.
    pub(super) bye: Option<u64>,
}

impl Session {
    /// Begins a session on a new connection. It goes on by itself; the session stream is the first that is opened.
    pub(super) fn begin(shared: &Arc<Shared>, io: Io, shown: Shown) -> Self {
        let (mux, run) = Mux::new(io, Role::Opener, Config::default());
        let driving = shared.tasks.spawn(async move {
            if let Err(error) = run.await {
                tracing::debug!(%error, "session ended");
            }
        });
        let (tell, told) = watch::channel(Told::default());
        let control = introduce(&mux, &shown.hello);
        shared.tasks.spawn(attend(Arc::clone(shared), mux.clone(), control.map(|control| (control, shown)), tell));
        Self { mux, told, driving }
    }

    /// Resolves when the proxy has said what it makes of us, or the session is over: whether anything can be opened on it.
    pub(super) async fn judged(&mut self) -> bool {
        let mut told = self.told.clone();
        let judged = told.wait_for(|told| told.welcome || told.is_silent || told.refused.is_some());
        match timeout(JUDGE_TIMEOUT, judged).await {
            Ok(judged) => judged.is_ok_and(|told| told.refused.is_none()),
            Err(_) => true,
        }
    }

    /// Resolves when the session is over, when the proxy does not take us any more, or when it goes down and wants us elsewhere (unless `to_its_end`), with all
    /// that it said until then.
    pub(super) async fn lasts(&mut self, to_its_end: bool) -> Told {
        let mut told = self.told.clone();
        let drained = async {
            if told.wait_for(|told| told.refused.is_some() || (told.drain.is_some() && !to_its_end)).await.is_err() {
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
fn introduce(mux: &Mux, hello: &[u8]) -> Option<Stream> {
    let mut stream = mux.open().ok()?;
    stream.write_frame(hello);
    Some(stream)
}

/// Sees to what comes in, until the session is over or nobody wants it any more.
async fn attend(shared: Arc<Shared>, mux: Mux, control: Option<(Stream, Shown)>, tell: watch::Sender<Told>) {
    let mut openings = FuturesUnordered::new();
    let unproven = Unproven::default();
    let listening = async {
        if let Some((control, shown)) = control {
            listen(control, shown, &tell).await;
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
                shared.last_words().await;
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

/// Listens to the session stream until it ends, which means nothing by itself, and shows new tokens on it.
async fn listen(mut control: Stream, shown: Shown, tell: &watch::Sender<Told>) {
    #[derive(Deserialize)]
    struct Welcome {}
    match answer::<Welcome>(&mut control).await {
        Ok(Welcome {}) => tell.send_modify(|told| told.welcome = true),
        Err(Unanswered::Refused(error)) => return tell.send_modify(|told| told.refuse(error)),
        Err(Unanswered::Lost) => return,
    }
    let wants = Notify::new();
    let next = |mut shown: Shown| async { Some((shown.renewed(&wants).await, shown)) };
    let mut renewed = std::pin::pin!(stream::unfold(shown, next));
    loop {
        tokio::select! {
            body = control.read_frame(BODY_MAX) => {
                let Ok(Some(body)) = body else { return };
                let Ok(note) = serde_json::from_slice::<Note>(&body) else { return control.reset(Code::BadRequest) };
                tracing::debug!(?note, "the proxy says");
                if note.note == "token" {
                    wants.notify_one();
                }
                tell.send_if_modified(|told| told.hear(&note));
            }
            Some(note) = renewed.next() => {
                control.write_frame(&note);
            }
        }
    }
}

impl Told {
    /// The session stream was refused; where there is none of the kind, the proxy is one all the same.
    fn refuse(&mut self, error: OpenError) {
        self.is_silent = error.is(Code::NotFound) || error.is(Code::Cancelled);
        if !self.is_silent {
            self.refused = Some(error);
        }
    }

    /// Takes a note; whether it changed anything. Notes of later versions are ignored.
    fn hear(&mut self, note: &Note) -> bool {
        let value = note.value.as_ref();
        match note.note.as_str() {
            "drain" => {
                let after = value.and_then(|value| value.get("after_ms")).and_then(serde_json::Value::as_u64).unwrap_or(0);
                self.drain = Some(Instant::now() + Duration::from_millis(after.min(DRAIN_MAX_MS)));
                true
            }
            "bye" if value.and_then(serde_json::Value::as_str) == Some(Code::Unauthorized.as_str()) => {
                self.refused = Some(ended());
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
