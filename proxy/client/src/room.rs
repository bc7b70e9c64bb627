//! Rooms: members send each other named events, and keep their seats while their connections are gone (PROTOCOL.md, section 14). See [`Room`].

mod args;
mod drive;
mod seat;

use std::{
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use browser_stream_mux::Code;
use browser_stream_protocol::{
    OpenError, RefusalCode,
    channel::Ending,
    room::{Answer, Emit, ROOM_PREFIX, RoomOpen, Said},
};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use crate::{ConnectError, Peer, wire::name};
pub use args::Args;
use args::{emit, encode};
use drive::Drive;
use seat::Members;

/// Rooms of the proxy. Clones share the peer.
///
/// ```no_run
/// use std::time::Duration;
///
/// use browser_stream_client::{Peer, room::{News, Room}};
///
/// # async fn example() -> anyhow::Result<()> {
/// let rooms = Room::new(&Peer::dial("ws://127.0.0.1:8080/mux").await?);
/// let mut lobby = rooms.join("lobby").profile(&"a robot").await?;
/// lobby.emit("say", &("hello",)).await?;
/// for answered in lobby.ask("ready", &(), Duration::from_secs(5)).await? {
///     println!("{}: {:?}", answered.member.id, answered.value);
/// }
/// while let Some(news) = lobby.next().await? {
///     match news {
///         News::Event { name, args, .. } if name == "say" => {
///             let (text,): (String,) = args.to()?;
///             println!("{text}");
///         }
///         News::Event { ask: Some(ask), .. } => ask.answer(&"ready").await?, // an answer is wanted
///         News::Joined(member) => println!("{} has come: {:?}", member.id, member.profile::<String>()),
///         News::Left(member, ending) => println!("{} has left: {}", member.id, ending.text),
///         _ => {}
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Room {
    peer: Peer,
    prefix: Arc<str>,
}

/// A member as one knows it.
///
/// See [`Room`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Member {
    /// Its id, which stays the same while it has its seat.
    pub id: String,
    /// Whether its connection is there.
    pub is_live: bool,
    /// Who it is by its token, where the proxy asks for one: the proxy's own word.
    pub sub: Option<String>,
    number: u32,
    profile: Option<Arc<RawValue>>,
}

/// What happens in a room.
///
/// See [`Room`].
#[derive(Debug)]
#[non_exhaustive]
pub enum News {
    /// Somebody's event.
    Event {
        /// Whose; `None` for the proxy's own program.
        from: Option<Member>,
        /// Its name.
        name: String,
        /// Its arguments, a sequence: a tuple takes them.
        args: Args,
        /// An answer is wanted.
        ask: Option<Ask>,
    },
    /// One has come.
    Joined(Member),
    /// One's connection went, or is back.
    Live(Member),
    /// One says of itself something else.
    Profile(Member),
    /// One's connection is over for good: it leaves next, and these rooms at once.
    Leaving(Member, Vec<String>),
    /// One has left: 0 by its own will, else why.
    Left(Member, Ending),
    /// So many events were left out here; `None` where nobody knows how many.
    Lost(Option<u64>),
    /// Something that was sent was not allowed.
    Refused(Ending),
}

/// An answer is wanted. Dropped without one, who asks hears nothing.
///
/// See [`Room`].
#[derive(Debug)]
pub struct Ask {
    number: u64,
    seat: u64,
    commands: mpsc::Sender<Command>,
}

/// What became of an ask at one member.
///
/// See [`Room`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Answered {
    /// Who was asked; the proxy's own program has an empty id.
    pub member: Member,
    /// Its answer; else its error, `timeout` where it said nothing in time, or why it is gone.
    pub value: Result<Args, OpenError>,
}

/// Why a room is over, or something cannot be said in it.
///
/// ```no_run
/// use browser_stream_client::room::{Joined, RoomError};
///
/// # async fn example(lobby: Joined) {
/// match lobby.emit("say", &("hello",)).await {
///     Ok(()) => {}
///     Err(RoomError::Bad(why)) => println!("that cannot be said: {why}"),
///     Err(RoomError::Ended(ending)) => println!("out of the room: {}", ending.text),
///     Err(error) => println!("{error}"),
/// }
/// # }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// It cannot be sent: too long, no sequence, a name of the room's own.
    #[error("{0}")]
    Bad(String),
    /// It was removed, or the room was closed.
    #[error("the room is over for this member ({}): {}", .0.code, .0.text)]
    Ended(Ending),
    /// It may not come back, or there is no way to.
    #[error("{0}")]
    Connect(Arc<ConnectError>),
}

/// What is to be said.
#[derive(Debug)]
enum Command {
    Say(Said),
    /// What means something at this seat alone.
    SayAt(u64, Said),
    /// An event that asks, and where to its answers go.
    Ask(Emit, mpsc::UnboundedSender<Heard>),
    Leave(String),
}

/// What comes of an ask.
enum Heard {
    Asked(Vec<Member>),
    Answer(u32, Answer),
}

/// What waits to be sent, and what waits for the program.
const COMMANDS: usize = 64;
const NEWS: usize = 256;

impl Room {
    /// The rooms that this peer reaches.
    pub fn new(peer: &Peer) -> Self {
        Self { peer: peer.clone(), prefix: ROOM_PREFIX.into() }
    }

    /// The same for rooms below another prefix of the proxy's than `/room`.
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.trim_end_matches('/').into();
        self
    }

    /// Joins the room of that name, which is put into NFC first. What this returns is awaited.
    pub fn join(&self, name: impl Into<String>) -> Join {
        Join { room: self.clone(), name: name.into(), profile: Ok(None), is_public: false }
    }
}

/// A member that is to be: await it.
///
/// See [`Room`].
#[must_use = "nothing is opened until it is awaited"]
pub struct Join {
    room: Room,
    name: String,
    profile: Result<Option<Box<RawValue>>, String>,
    is_public: bool,
}

impl Join {
    /// What the others are told of it: any JSON, 4 KiB at most.
    pub fn profile(mut self, profile: &impl Serialize) -> Self {
        self.profile = to_raw_value(profile).map(Some).map_err(|error| error.to_string());
        self
    }

    /// Whether the directory is to list the room; its first member's word counts.
    pub fn public(mut self, is_public: bool) -> Self {
        self.is_public = is_public;
        self
    }
}

impl IntoFuture for Join {
    type Output = Result<Joined, ConnectError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let name = name(&self.name)?;
            let profile = self.profile.map_err(|why| OpenError::new(Code::BadRequest, format!("the profile is no JSON: {why}")))?;
            let path = format!("{}/join/{}", self.room.prefix, name.segment());
            let mut asked = RoomOpen::default();
            (asked.profile, asked.public) = (profile, self.is_public);
            let ((commands, said), (tell, news)) = (mpsc::channel(COMMANDS), mpsc::channel(NEWS));
            let (members, error): (Arc<Mutex<Members>>, Arc<Mutex<Option<RoomError>>>) = Default::default();
            let drive = Drive::new(self.room.peer.clone(), path, asked, members.clone(), commands.downgrade(), tell);
            let drive = drive.begin().await?;
            let over = error.clone();
            self.room.peer.shared().tasks.spawn(async move { *over.lock() = drive.run(said).await });
            Ok(Joined { commands, news, members, error, asks: AtomicU64::new(0) })
        }
        .boxed()
    }
}

/// A member of a room: one's own seat there. It survives the peer's connections. Dropped, it leaves.
///
/// See [`Room`].
#[derive(Debug)]
pub struct Joined {
    commands: mpsc::Sender<Command>,
    news: mpsc::Receiver<News>,
    members: Arc<Mutex<Members>>,
    error: Arc<Mutex<Option<RoomError>>>,
    asks: AtomicU64,
}

impl Joined {
    /// Its own id.
    pub fn id(&self) -> String {
        self.members.lock().own.clone()
    }

    /// Who is in the room, itself among them, in the order in which they came.
    pub fn members(&self) -> Vec<Member> {
        self.members.lock().all()
    }

    /// Sends an event to all others; `args` is a tuple or another sequence, `()` for none. While there is no connection it waits.
    ///
    /// # Errors
    /// See [`RoomError`].
    pub async fn emit(&self, event: &str, args: &impl Serialize) -> Result<(), RoomError> {
        self.say(Command::Say(Said::Emit(emit(event, args)?))).await
    }

    /// The same to some, by their ids; those that are not there are passed over.
    ///
    /// # Errors
    /// See [`RoomError`].
    pub async fn emit_to(&self, members: &[&str], event: &str, args: &impl Serialize) -> Result<(), RoomError> {
        let (to, seat) = self.members.lock().numbers(members);
        if to.is_empty() {
            return Ok(());
        }
        self.say(Command::SayAt(seat, Said::Emit(Emit { to, ..emit(event, args)? }))).await
    }

    /// Asks all others, and the proxy's program if it answers that event, and waits for their answers, at most so long (10 min). Dropping the future asks all the same.
    ///
    /// # Errors
    /// See [`RoomError`]; what members did is in their [`Answered`].
    pub async fn ask(&self, event: &str, args: &impl Serialize, timeout: Duration) -> Result<Vec<Answered>, RoomError> {
        let (until, number) = (Instant::now() + timeout, self.asks.fetch_add(1, Ordering::Relaxed));
        let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).clamp(1, 600_000);
        let (tell, mut heard) = mpsc::unbounded_channel();
        self.say(Command::Ask(Emit { asks: Some((number, timeout_ms)), ..emit(event, args)? }, tell)).await?;
        let mut answers: Option<Vec<Answered>> = None;
        let silent = || Err(OpenError::new(Code::Timeout, "it did not answer in time"));
        let mut missing = usize::MAX;
        while missing > 0 {
            match timeout_at(until, heard.recv()).await {
                Ok(Some(Heard::Asked(members))) => {
                    missing = members.len();
                    answers = Some(members.into_iter().map(|member| Answered { member, value: silent() }).collect());
                }
                Ok(Some(Heard::Answer(from, answer))) => {
                    let value =
                        answer.map(Args::new).map_err(|why| OpenError { code: RefusalCode::from_number(why.code), message: why.text });
                    if let Some(answered) = answers.iter_mut().flatten().find(|answered| answered.member.number == from) {
                        answered.value = value;
                        missing -= 1;
                    }
                }
                Ok(None) | Err(_) => break,
            }
        }
        Ok(answers.unwrap_or_default())
    }

    /// Says of itself something else: any JSON, 4 KiB at most.
    ///
    /// # Errors
    /// See [`RoomError`].
    pub async fn profile(&self, profile: &impl Serialize) -> Result<(), RoomError> {
        let json = serde_json::to_vec(profile).map_err(|error| RoomError::Bad(error.to_string()))?;
        if json.len() > browser_stream_protocol::room::PROFILE_MAX {
            return Err(RoomError::Bad("a profile has 4 KiB at most".into()));
        }
        self.say(Command::Say(Said::Profile(json.into()))).await
    }

    /// The next thing that happens; `None` when it has left. What is not taken waits, and holds the room up for this member. Cancel-safe.
    ///
    /// # Errors
    /// See [`RoomError`]: the room is over for this member.
    pub async fn next(&mut self) -> Result<Option<News>, RoomError> {
        match self.news.recv().await {
            Some(news) => Ok(Some(news)),
            None => self.error.lock().clone().map_or(Ok(None), Err),
        }
    }

    /// Leaves, with a word for the others; [`next`](Self::next) ends then.
    ///
    /// # Errors
    /// See [`RoomError`].
    pub async fn leave(&self, reason: &str) -> Result<(), RoomError> {
        self.say(Command::Leave(reason.to_owned())).await
    }

    async fn say(&self, command: Command) -> Result<(), RoomError> {
        let gone = || self.error.lock().clone().unwrap_or_else(|| RoomError::Bad("it has left".into()));
        self.commands.send(command).await.map_err(|_| gone())
    }
}

impl Member {
    /// What it says of itself, as a value; `None` if it says nothing, or something of another shape.
    pub fn profile<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.profile.as_ref()?.get()).ok()
    }
}

impl Ask {
    /// Answers with a value.
    ///
    /// # Errors
    /// Where it has no MessagePack. Where the room is over nobody hears it.
    pub async fn answer(self, value: &impl Serialize) -> Result<(), RoomError> {
        let body = encode(value)?;
        self.say(Ok(body)).await;
        Ok(())
    }

    /// Answers that there is no answer, with a code of yours from 256 up.
    pub async fn refuse(self, code: u32, why: &str) {
        self.say(Err(Ending::new(code, why))).await;
    }

    async fn say(self, answer: Answer) {
        // A room that is over asks nothing any more.
        let _ = self.commands.send(Command::SayAt(self.seat, Said::Answer { ask: self.number, answer })).await;
    }
}
