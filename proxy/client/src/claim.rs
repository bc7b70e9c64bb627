//! Holds a name: claims it, says what its server wishes, and claims it again on the next connection.

use std::{sync::Arc, time::Duration};

use browser_stream_mux::{Code, Stream as Carrier};
use browser_stream_protocol::OpenError;
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    HttpPlace, ListenError,
    answer::{Unanswered, answer},
    backoff::Backoff,
    lease::{Given, Lease},
    peer::{Live, Route, Shared},
    seal,
    wire::{BODY_MAX, Note, Open, encode},
};

/// How long a name is tried for again: as long as the proxy keeps one for its owner, or notices that its session is dead.
const GRACE: Duration = Duration::from_secs(120);

/// What a server wants of its claim.
#[derive(Clone, PartialEq)]
pub(crate) struct Wishes {
    pub(crate) clients_max: u32,
    pub(crate) is_paused: bool,
    pub(crate) is_over: bool,
}

/// A claim, on whichever session it is.
pub(crate) struct Claim {
    shared: Arc<Shared>,
    path: String,
    /// Names this life of the server, for as long as it holds the name.
    instance: String,
    /// How often it was claimed: the highest use of one lease wins.
    attempt: u64,
    lease: Option<Lease>,
    standby: bool,
    http: bool,
    /// What its server has that others may need.
    capabilities: &'static [&'static str],
}

/// A claim that the proxy granted.
pub(crate) struct Held {
    pub(crate) id: String,
    /// Where others reach it by HTTP.
    pub(crate) http: Option<HttpPlace>,
    control: Control,
    generation: u64,
    told: Wishes,
}

/// A control stream: dropped, it gives the name up.
struct Control(Carrier);

impl Drop for Control {
    fn drop(&mut self) {
        self.0.finish();
    }
}

#[derive(Deserialize)]
struct Granted {
    id: String,
    #[serde(default)]
    lease: Option<Given>,
    #[serde(default)]
    http: Option<HttpPlace>,
}

/// How the holding of a claim on one session ended.
enum Over {
    /// For good.
    Done(Result<(), ListenError>),
    /// The session is gone, or another is there.
    Moved,
}

impl Claim {
    pub(crate) fn new(shared: Arc<Shared>, path: String, leased: bool, (standby, http): (bool, bool), sealed: bool) -> Self {
        let instance = format!("{:032x}", rand::random::<u128>());
        Self {
            shared,
            path,
            instance,
            attempt: 0,
            lease: leased.then_some(Lease::Wanted),
            standby,
            http,
            capabilities: if sealed { seal::NEED } else { &[] },
        }
    }

    /// Claims the name for the first time, within `most`. A connection that breaks on the way is no reason to fail, nor is a proxy that gives no names just now: its word is the reason
    /// where none does in time.
    pub(crate) async fn begin(mut self, wishes: &Wishes, most: Duration) -> Result<(Self, Held), ListenError> {
        let mut put_off = None;
        let claiming = async {
            let (mut backoff, mut is_again) = (Backoff::default(), false);
            loop {
                let live = self.shared.live().await?;
                match self.ask(&live, wishes).await {
                    Ok(held) => return Ok::<_, ListenError>(held),
                    // Maybe it was us, on a connection that broke.
                    Err(Unanswered::Refused(error)) if is_again && error.is(Code::NameTaken) => self.pause(&live, backoff.wait()).await,
                    Err(Unanswered::Refused(error)) if !error.is(Code::Draining) => return Err(error.into()),
                    Err(unanswered) => {
                        if let Unanswered::Refused(error) = unanswered {
                            put_off = Some(error);
                        }
                        is_again = true;
                        self.shared.newer(live.generation).await?;
                    }
                }
            }
        };
        let held = timeout(most, claiming).await;
        let late = || put_off.unwrap_or_else(|| OpenError::new(Code::Timeout, "the claim was not answered in time"));
        let held: Result<_, ListenError> = held.unwrap_or_else(|_| Err(late().into()));
        Ok((self, held?))
    }

    /// Keeps the name until it is given up or lost for good. The route is free when it is over.
    pub(crate) async fn keep(mut self, mut held: Held, route: Route, mut wishes: watch::Receiver<Wishes>) -> Result<(), ListenError> {
        let _route = route;
        loop {
            match self.hold(&mut held, &mut wishes).await {
                Over::Done(result) => return result,
                Over::Moved => {}
            }
            let shared = Arc::clone(&self.shared);
            let again = tokio::select! {
                () = over(wishes.clone()) => return Ok(()),
                closed = shared.closed() => return Err(closed.into()),
                again = self.again(&wishes) => again,
            };
            // The old control stream goes only now: the name was never free.
            let mut old = std::mem::replace(&mut held, again?);
            old.control.0.reset(Code::Cancelled);
        }
    }

    /// Claims on one session.
    async fn ask(&mut self, live: &Live, wishes: &Wishes) -> Result<Held, Unanswered> {
        let mut control = Control(live.mux.open().map_err(|_| Unanswered::Lost)?);
        self.attempt += 1;
        let Self { path, instance, attempt, lease, standby, http, capabilities, .. } = &*self;
        let open = Open {
            path,
            instance: Some(instance),
            attempt: Some(*attempt),
            lease: lease.as_ref(),
            standby: *standby,
            http: *http,
            capabilities,
            ..Open::default()
        };
        control.0.write_frame(&encode(&open).map_err(Unanswered::Refused)?);
        control.tell("clients_max", Some(wishes.clients_max));
        if wishes.is_paused {
            control.tell("pause", None);
        }
        let Granted { id, lease, http } = self.shared.patiently(answer(&mut control.0)).await?;
        // A proxy may have no leases.
        if let (Some(ours), Some(given)) = (&mut self.lease, lease) {
            *ours = Lease::Held(given);
        }
        Ok(Held { id, http, control, generation: live.generation, told: wishes.clone() })
    }

    /// Claims the name again after its session went, for as long as it may still be ours.
    async fn again(&mut self, wishes: &watch::Receiver<Wishes>) -> Result<Held, ListenError> {
        let mut backoff = Backoff::default();
        let mut tried_since = None;
        loop {
            let live = self.shared.live().await?;
            let wishes = wishes.borrow().clone();
            let error = match self.ask(&live, &wishes).await {
                Ok(held) => return Ok(held),
                Err(Unanswered::Refused(error)) => error,
                Err(Unanswered::Lost) => {
                    self.shared.newer(live.generation).await?;
                    continue;
                }
            };
            let since = *tried_since.get_or_insert_with(Instant::now);
            if error.is(Code::Superseded) {
                return Err(ListenError::Superseded);
            }
            if FINAL.iter().any(|code| error.is(*code)) || since.elapsed() >= GRACE {
                return Err(error.into());
            }
            tracing::debug!(%error, "the name is not ours again yet");
            self.pause(&live, backoff.wait()).await;
        }
    }

    /// Lets so much time pass, or until there is another session to ask.
    async fn pause(&self, asked: &Live, wait: Duration) {
        // Whichever it is: what there is to ask is looked up anew.
        let _ = timeout(wait, self.shared.newer(asked.generation)).await;
    }

    /// Holds the claim on its session.
    async fn hold(&self, held: &mut Held, wishes: &mut watch::Receiver<Wishes>) -> Over {
        loop {
            held.tell(&wishes.borrow_and_update());
            let is_dropped = wishes.has_changed().is_err();
            if is_dropped {
                held.end();
            }
            tokio::select! {
                body = held.control.0.read_frame(BODY_MAX) => match body {
                    Ok(Some(body)) => if let Some(lost) = note(&body) {
                        return Over::Done(Err(lost));
                    },
                    Ok(None) if held.told.is_over => return Over::Done(Ok(())),
                    Ok(None) => return Over::Done(Err(ListenError::Released)),
                    Err(_) if held.told.is_over => return Over::Done(Ok(())),
                    Err(_) => return Over::Moved,
                },
                // An error says that the listener was dropped.
                _ = wishes.changed(), if !is_dropped => {}
                newer = self.shared.newer(held.generation) => match newer {
                    Ok(_) => return Over::Moved,
                    Err(closed) => return Over::Done(Err(closed.into())),
                },
            }
        }
    }
}

/// Refusals that do not pass by waiting.
const FINAL: [Code; 4] = [Code::BadRequest, Code::Forbidden, Code::Unauthorized, Code::NotFound];

/// What a note of the proxy's means for the claim, if it ends it.
fn note(body: &[u8]) -> Option<ListenError> {
    let note: Note = serde_json::from_slice(body).ok()?;
    match note.note.as_str() {
        "superseded" => Some(ListenError::Superseded),
        "released" => Some(ListenError::Released),
        _ => None,
    }
}

/// Resolves when the server wants the name no more.
async fn over(mut wishes: watch::Receiver<Wishes>) {
    // That nobody wishes anything any more is the same.
    let _ = wishes.wait_for(|wishes| wishes.is_over).await;
}

impl Held {
    /// Tells the proxy what changed.
    fn tell(&mut self, wishes: &Wishes) {
        if wishes.clients_max != self.told.clients_max {
            self.control.tell("clients_max", Some(wishes.clients_max));
        }
        if wishes.is_paused != self.told.is_paused {
            self.control.tell(if wishes.is_paused { "pause" } else { "resume" }, None);
        }
        self.told = wishes.clone();
        if wishes.is_over {
            self.end();
        }
    }

    /// Gives the name up: it is free when the proxy finishes the control stream, too.
    fn end(&mut self) {
        self.told.is_over = true;
        self.control.0.finish();
    }
}

impl Control {
    fn tell(&mut self, note: &str, value: Option<u32>) {
        // A note is far shorter than what may be sent; where the stream is gone its end says more.
        if let Ok(body) = encode(&Note::new(note, value.map(Into::into))) {
            self.0.write_frame(&body);
        }
    }
}
