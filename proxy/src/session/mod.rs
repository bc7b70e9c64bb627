//! One connected peer: its multiplexed connection, the streams on it, and what each of them is joined to.
//!
//! Who talks to whom is decided above, in `route`: a session reports what its peer opens through [`Opens`].

mod ask;
mod authority;
mod badge;
#[cfg(feature = "cluster")]
pub(crate) mod bare;
mod batch;
mod bounds;
mod charge;
mod chunks;
mod clock;
mod control;
mod deliver;
mod drain;
mod effect;
mod end;
mod fields;
mod flush;
mod gather;
mod handle;
mod host;
mod instance;
mod json;
mod judge;
mod known;
mod ledger;
#[cfg(feature = "cluster")]
mod links;
mod load;
mod node;
mod objections;
mod open;
mod opening;
mod payload;
mod permit;
mod process;
mod pulse;
mod rate;
mod read;
mod run;
mod send;
mod sessions;
mod subject;
#[cfg(feature = "admin")]
mod survey;
#[cfg(feature = "metrics")]
mod traffic;

pub(crate) mod http;
pub mod transport;
pub mod websocket;
mod write;

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Weak, atomic::AtomicBool},
};

use browser_stream_mux::{Cell, Code, Connection, Stream, StreamId};
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{counters::Refusal, error::OpenError};
use badge::Badge;
use bounds::Bounds;
use charge::Charge;
use drain::Leaving;
use effect::Effects;
use end::End;
use flush::{Turn, Wire};
use node::Party;
use permit::Counted;
#[cfg(feature = "admin")]
pub(crate) use process::Coming;
pub(crate) use process::Process;

pub(crate) use ask::{Answer, ask_for};
pub(crate) use browser_stream_mux::End as Ended;
pub use control::Note;
pub(crate) use effect::together;
#[cfg(feature = "admin")]
pub(crate) use end::Destination;
pub(crate) use end::Watch;
pub(crate) use fields::{Fields, Frame};
pub(crate) use handle::watch;
pub use instance::Instance;
pub(crate) use instance::bytes_of_hex;
pub(crate) use json::check_value;
pub use ledger::Credit;
#[cfg(feature = "cluster")]
pub(crate) use node::passed_on;
pub use open::{Open, Reply};
pub(crate) use open::{Peer, encode, parse};
pub(crate) use opening::{Ask, late, refuse, reply};
pub use opening::{Beginning, Opening};
pub(crate) use permit::Permit;
pub(crate) use rate::{Admission, Bucket, Rate};
pub use send::SendError;
pub(crate) use sessions::Newcomer;
pub use sessions::Sessions;
pub(crate) use subject::Owned;
#[cfg(feature = "admin")]
pub(crate) use survey::{SeenSession, SeenStream};
#[cfg(feature = "metrics")]
pub(crate) use traffic::Traffic;

/// Takes what peers open: the seam through which routes hang above sessions.
pub trait Opens: Send + Sync + 'static {
    /// A peer opened a stream and said where it wants to go. Polled by the session's own reading task, so what takes long belongs into a task
    /// of its own. When the session ends it goes on elsewhere: a stream of a session that is gone ends `lost`.
    fn opened(&self, opening: Opening) -> futures::future::BoxFuture<'static, ()>;

    /// The same for an open that is here as a whole, if what becomes of it is known without waiting. Called by the session's own reading task.
    #[doc(hidden)]
    fn at_once(&self, _: Beginning<'_>) -> Begun {
        Begun::Later
    }

    /// The process goes down: nothing more is opened from now on, and whoever waits for something is to be told `draining`.
    fn draining(&self) {}
}

/// How far an open got without waiting.
pub enum Begun {
    /// It is answered, or will be.
    Done,
    /// It has to wait: it is to be [`opened`](Opens::opened).
    Later,
    /// It is refused.
    Refused(OpenError),
}

/// One connected peer.
///
/// See [`Sessions`], which has all of them, and [`Session::open`].
pub struct Session {
    id: Uuid,
    remote: Option<SocketAddr>,
    /// What is at its other end.
    party: Party,
    /// When it began, by the process's clock.
    #[cfg_attr(not(feature = "admin"), expect(dead_code))]
    begun: u32,
    /// What the peer calls itself, where whoever runs the proxy may want to know.
    #[cfg_attr(not(feature = "admin"), expect(dead_code))]
    agent: Option<Box<str>>,
    pub(crate) process: Arc<Process>,
    state: Mutex<State>,
    /// The connection's writing half and what is on its way into it. Written to by nobody but who has the turn (`State::turn`); the session's own
    /// task also looks how much was taken, and takes it out at the end.
    wire: Mutex<Option<Wire>>,
    /// Tells the writing task that there is something to send, or room to send it.
    wake: Arc<Notify>,
    /// Woken when control frames have left that the reading task waits for.
    reading: AtomicWaker,
    /// The reading task looks at the clock as soon as it is woken.
    hurry: AtomicBool,
    /// Itself, for those who have only a reference.
    me: Weak<Session>,
    /// Names that the peer holds, counted by whoever keeps the names.
    pub(crate) names: Arc<std::sync::atomic::AtomicUsize>,
    /// To what its ended streams may not go on.
    #[cfg(feature = "admin")]
    bars: survey::Bars,
    /// Who the peer is, where the proxy wants to know.
    badge: Option<Box<Badge>>,
}

/// What changes while a session lives, under its one lock.
struct State {
    /// The session that it is of.
    me: Weak<Session>,
    /// As the session's.
    party: Party,
    mux: Connection<End>,
    phase: Phase,
    process: Arc<Process>,
    turn: Turn,
    bounds: Bounds,
    /// What the peer owes for the streams that it opened, and for frames that move nothing.
    open_account: Bucket,
    frame_account: Charge,
    /// The peer's session stream, once it opened one.
    control: Option<StreamId>,
    /// Streams that do not keep a session that is to go: those of claims and watches, and those that their ends resume.
    aside: usize,
    /// What is known of the session's going when the process goes down.
    leaving: Leaving,
    /// Which bounds the peer was told of.
    told: u128,
    /// The peer's streams that count in its quota; nothing where nobody asks who it is.
    owned: Option<Box<Counted>>,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Live,
    /// To be closed once what is urgent has left.
    Closing(Goodbye),
    /// GO_AWAY is on its way, the close follows.
    Parting(Goodbye),
    /// Gone: nothing is taken or sent any more.
    Gone,
}

/// How a connection is closed: the WebSocket code and a reason for the peer's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Goodbye {
    code: u16,
    reason: &'static str,
}

impl Session {
    /// The session's id, unique in this process and not to be guessed.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The peer's address, if its transport has one.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// One more refusal that this peer met with, or caused.
    pub(crate) fn count(&self, refusal: Refusal) {
        self.process.counters.count(refusal);
    }

    /// How many streams are live.
    pub fn streams(&self) -> usize {
        self.state.lock().mux.len()
    }

    /// Bytes queued towards the peer that its connection did not take yet.
    pub fn queued(&self) -> usize {
        self.state.lock().mux.queued()
    }

    /// The most of the process's memory that this session may hold: what is queued for the peer or waits for that, and what came from it and nobody read.
    fn weight(&self) -> usize {
        self.state.lock().weight()
    }

    /// Opens a stream to the peer: it resolves once the peer accepted, and fails with the peer's refusal, `timeout`, `unresponsive` or `lost`.
    ///
    /// Dropping the future resets the stream.
    ///
    /// ```
    /// use browser_stream_server::{Opening, StreamRouter};
    ///
    /// // A peer that opens `/hello` is answered by a stream to its own route `/hi`: `mdm.on("stream", …)`.
    /// let router = StreamRouter::new().route("/hello", |opening: Opening| async move {
    ///     let session = opening.session().clone();
    ///     drop(opening.accept());
    ///     match session.open("/hi", None).await {
    ///         Ok(mut stream) => stream.finish(),
    ///         Err(error) => println!("{}: {}", error.code, error.message),
    ///     }
    /// });
    /// ```
    pub async fn open(self: &Arc<Self>, path: &str, meta: Option<Box<RawValue>>) -> Result<Stream, OpenError> {
        let mut stream = self.open_stream()?;
        stream.write_frame(&encode(&Open { meta, ..Open::to(path) }));
        let error = match tokio::time::timeout(self.process.limits.reply_timeout, opening::reply(self, &mut stream)).await {
            Ok(Ok(Reply { error: None, .. })) => return Ok(stream),
            Ok(Ok(Reply { error: Some(error), .. }) | Err(error)) => error,
            Err(_) => {
                self.count(Refusal::ReplyTimeout);
                stream.reset(Code::Timeout.number());
                return Err(OpenError::new(Code::Timeout, "the peer did not answer in time"));
            }
        };
        stream.reset(Code::Cancelled.number());
        Err(error)
    }

    /// Closes the connection with a WebSocket code, after what is urgent has left; its streams end `lost`.
    pub fn close(&self, code: u16, reason: &'static str) {
        {
            let mut state = self.state.lock();
            if state.phase != Phase::Live {
                return;
            }
            state.close(Goodbye { code, reason });
        }
        // The writing task closes.
        self.wake.notify_one();
    }

    /// Whether it takes streams of ours: not any more once it closes.
    pub(crate) fn is_live(&self) -> bool {
        self.state.lock().phase == Phase::Live
    }

    /// A stream of ours on this session, before its open: `unresponsive` when the session is gone or has no ids left, `busy` when too much is queued for it.
    pub(crate) fn open_stream(self: &Arc<Self>) -> Result<Stream, OpenError> {
        let cell = Cell::new();
        let id = {
            let mut state = self.state.lock();
            state.can_open(self)?;
            state.open(End { begun: self.process.clock.now(), ..End::local(&cell) })?
        };
        Ok(Stream::new(id, cell, self.clone()))
    }

    /// Runs `change` under the session's lock, then what it led to without any lock, and sees to what is to be sent.
    fn change<R>(&self, change: impl FnOnce(&mut State, &mut Effects) -> R) -> R {
        let mut effects = Effects::default();
        let result = {
            let mut state = self.state.lock();
            let result = change(&mut state, &mut effects);
            state.collect_ended(&mut effects);
            self.see_to(&state);
            result
        };
        flush::later(&mut effects);
        result
    }

    /// Sees to it that what is queued is written, if nobody is writing.
    fn see_to(&self, state: &State) {
        if state.wants_turn() {
            flush::soon(self);
        }
    }
}

impl State {
    /// Closes the connection once what is urgent has left, and says so on the session stream.
    fn close(&mut self, goodbye: Goodbye) {
        self.phase = Phase::Closing(goodbye);
        self.say(&Note::with("bye", goodbye.code));
    }
}

/// yamux's reason to go away for a clean end; the mux itself says another to a peer that broke the protocol.
const GO_AWAY_NORMAL: u32 = 0;

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("remote", &self.remote).finish_non_exhaustive()
    }
}
