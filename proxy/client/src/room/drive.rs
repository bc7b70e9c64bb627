//! A member's task: its stream, made anew when it breaks.

use std::{collections::HashMap, sync::Arc, time::Duration};

use browser_stream_mux::{Code, Stream, StreamError};
use browser_stream_protocol::{
    OpenError,
    channel::Ending,
    room::{Decoder, Emit, Record, RoomAccepted, RoomOpen, Said, Told},
};
use bytes::BytesMut;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Args, Ask, Command, Heard, News, RoomError,
    seat::{Members, Seat},
};
use crate::{
    ConnectError, Peer,
    answer::answer,
    wire::{Open, encode},
};

/// A member whose stream is there, or will be again.
pub struct Drive {
    peer: Peer,
    path: String,
    asked: RoomOpen,
    members: Arc<Mutex<Members>>,
    commands: mpsc::WeakSender<Command>,
    news: mpsc::Sender<News>,
    seat: Seat,
    asks: HashMap<u64, mpsc::UnboundedSender<Heard>>,
    link: Option<Link>,
}

/// A stream, and what came on it.
struct Link {
    stream: Stream,
    decoder: Decoder<Told>,
    /// Counted records that the proxy was not told of.
    untold: u64,
    due: Option<Instant>,
}

/// Why a stream is not gone on with.
enum Over {
    /// It is made anew.
    Again,
    /// The seat is elsewhere.
    Moved(String),
    Left,
    Failed(RoomError),
}

/// How long the proxy may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// The proxy is told what came after so many counted records, or so long.
const GOT_RECORDS: u64 = 64;
const GOT_AFTER: Duration = Duration::from_millis(500);
/// With so many records that the proxy may not have, no more are sent.
const KEPT_MAX: usize = 1024;
/// After a stream that failed, the next is opened so much later.
const PAUSE: Duration = Duration::from_millis(200);
/// How long the proxy may take to end the stream of who leaves.
const LEAVE_MAX: Duration = Duration::from_secs(5);

impl Drive {
    pub fn new(
        peer: Peer,
        path: String,
        asked: RoomOpen,
        members: Arc<Mutex<Members>>,
        commands: mpsc::WeakSender<Command>,
        news: mpsc::Sender<News>,
    ) -> Self {
        let (seat, asks) = Default::default();
        Self { peer, path, asked, members, commands, news, seat, asks, link: None }
    }

    /// Joins.
    pub async fn begin(mut self) -> Result<Self, ConnectError> {
        self.open().await?;
        // Who is there is known before the first word.
        Ok(self)
    }

    /// Goes on until it has left, or may not come back: why not.
    pub async fn run(mut self, mut said: mpsc::Receiver<Command>) -> Option<RoomError> {
        loop {
            let over = self.attend(&mut said).await;
            self.link = None;
            match over {
                Over::Left => return None,
                Over::Failed(error) => return Some(error),
                Over::Again => sleep(PAUSE).await,
                Over::Moved(to) => {
                    let parent = self.path.rsplit_once('/').map_or("", |(parent, _)| parent);
                    let Ok(name) = crate::wire::name(&to) else { return Some(RoomError::Bad("moved to no room".into())) };
                    self.path = format!("{parent}/{}", name.segment());
                    self.seat.begin();
                }
            }
            if let Err(error) = self.open().await {
                return Some(RoomError::Connect(Arc::new(error)));
            }
        }
    }

    /// Opens a stream, again if it breaks before it is known who is there.
    async fn open(&mut self) -> Result<(), ConnectError> {
        while !self.sit().await? {
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Opens a stream, with the seat if there is one, and sends anew what the proxy has not; false if it broke.
    async fn sit(&mut self) -> Result<bool, ConnectError> {
        let id = self.members.lock().own.clone();
        self.asked.seat = self.seat.key(&id);
        let shared = self.peer.shared();
        let mut live = shared.live().await?;
        let (stream, accepted) = loop {
            let open = encode(&Open { path: &self.path, room: Some(&self.asked), ..Open::default() })?;
            let asked = async {
                let mut stream = shared.open().await?;
                stream.write_frame(&open);
                let accepted: RoomAccepted = answer(&mut stream).await?;
                Ok::<_, ConnectError>((stream, accepted))
            };
            let late = || Err(OpenError::new(Code::Timeout, "the proxy did not answer in time").into());
            match shared.patiently(timeout(ANSWER_MAX, asked)).await.unwrap_or_else(|_| late()) {
                Ok(opened) => break opened,
                Err(ConnectError::Refused(error)) if error.is(Code::Draining) => live = shared.newer(live.generation).await?,
                // The connection went meanwhile.
                Err(error) if error.code() == Code::Lost.into() => live = shared.newer(live.generation).await?,
                Err(error) => return Err(error),
            }
        };
        let info = accepted.room;
        self.members.lock().own = accepted.id;
        let was_here = self.asked.seat.is_some();
        if !info.resumed {
            self.seat.begin();
        }
        self.seat.secret = info.secret;
        self.seat.received(info.got);
        if was_here && !info.resumed {
            // A program that has let go of the room hears nothing.
            let _ = self.news.send(News::Lost(None)).await;
        }
        let mut link = Link { stream, decoder: Decoder::default(), untold: 0, due: None };
        let mut snapshot = Members { own: self.members.lock().own.clone(), seat: self.seat.number, ..Members::default() };
        for _ in 0..info.members {
            let Ok(told) = link.next().await else { return Ok(false) };
            if let Told::Member { number, is_live, who } = told {
                snapshot.add(number, is_live, &who);
            }
        }
        if info.members > 0 {
            *self.members.lock() = snapshot;
        }
        self.seat.got += info.lost;
        if info.lost > 0 {
            let _ = self.news.send(News::Lost(Some(info.lost))).await;
        }
        for record in self.seat.anew() {
            link.stream.write_now(record);
        }
        self.link = Some(link);
        Ok(true)
    }

    /// Takes what comes, and says what is to be said, until the stream is over.
    async fn attend(&mut self, said: &mut mpsc::Receiver<Command>) -> Over {
        loop {
            let Some(link) = &mut self.link else { return Over::Again };
            let due = link.due;
            tokio::select! {
                biased;
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.tell_got(),
                told = link.next() => {
                    let heard = match told {
                        Ok(told) => self.hear(told).await,
                        Err(over) => Err(over),
                    };
                    if let Err(over) = heard {
                        return over;
                    }
                }
                command = said.recv(), if self.seat.kept() < KEPT_MAX => match command {
                    Some(Command::Say(said)) => self.say(&said),
                    // Whom it was for is not here, or asks no more.
                    Some(Command::SayAt(seat, said)) => if seat == self.seat.number { self.say(&said) },
                    Some(Command::Ask(emit, tell)) => self.ask(emit, tell),
                    Some(Command::Leave(reason)) => return self.leave(reason).await,
                    None => return self.leave(String::new()).await,
                },
            }
        }
    }

    fn say(&mut self, said: &Said) {
        let mut record = BytesMut::new();
        said.write(&mut record);
        let record = record.freeze();
        if let Said::Profile(profile) = said {
            // It is shown when it comes back.
            self.asked.profile = serde_json::from_slice(profile).ok();
        }
        if said.is_counted() {
            let is_of_this_seat = matches!(said, Said::Emit(Emit { to, .. }) if !to.is_empty()) || matches!(said, Said::Answer { .. });
            self.seat.keep(record.clone(), is_of_this_seat);
        }
        if let Some(link) = &mut self.link {
            link.stream.write_now(record);
        }
    }

    fn ask(&mut self, emit: Emit, tell: mpsc::UnboundedSender<Heard>) {
        self.asks.retain(|_, tell| !tell.is_closed());
        if let Some((number, _)) = emit.asks {
            self.asks.insert(number, tell);
        }
        self.say(&Said::Emit(emit));
    }

    async fn leave(&mut self, text: String) -> Over {
        self.say(&Said::Leave { is_peer: false, text });
        if let Some(link) = &mut self.link {
            link.stream.finish();
            let _ = timeout(LEAVE_MAX, async { while link.next().await.is_ok() {} }).await;
        }
        Over::Left
    }

    fn tell_got(&mut self) {
        let got = self.seat.got;
        self.say(&Said::Got(got));
        if let Some(link) = &mut self.link {
            (link.untold, link.due) = (0, None);
        }
    }

    async fn hear(&mut self, told: Told) -> Result<(), Over> {
        if told.is_counted() {
            self.count();
        }
        let news = match told {
            Told::Lost(count) => {
                self.seat.got += count;
                Some(News::Lost(Some(count)))
            }
            Told::Got(count) if self.seat.received(count) => None,
            Told::Got(_) => return Err(Over::Failed(RoomError::Bad("the proxy has more than was sent".into()))),
            Told::Asked { number, members } => {
                let who = members.into_iter().map(|number| self.members.lock().asked(number)).collect();
                self.tell(number, Heard::Asked(who));
                None
            }
            Told::Answer { number, from, answer } => {
                self.tell(number, Heard::Answer(from, answer));
                None
            }
            Told::Moved(to) => {
                let to: serde_json::Value = serde_json::from_slice(&to).unwrap_or_default();
                return Err(Over::Moved(to["name"].as_str().unwrap_or_default().to_owned()));
            }
            Told::End(ending) => return Err(Over::Failed(RoomError::Ended(ending))),
            told => self.news(told),
        };
        if let Some(news) = news {
            // A program that has let go of the room hears nothing.
            let _ = self.news.send(news).await;
        }
        Ok(())
    }

    /// What the program is told of that.
    fn news(&self, told: Told) -> Option<News> {
        let mut members = self.members.lock();
        match told {
            Told::Event { from, ask, name, body, .. } => {
                let from = members.by_number.get(&from).cloned();
                let ask = ask.and_then(|number| Some(Ask { number, seat: self.seat.number, commands: self.commands.upgrade()? }));
                Some(News::Event { from, name: name.as_str().to_owned(), args: Args::new(body), ask })
            }
            Told::Joined { number, who } => members.add(number, true, &who).map(News::Joined),
            Told::Live { number, is_live } => members.change(number, |member| member.is_live = is_live).map(News::Live),
            Told::Profile { number, profile } => {
                let profile: Option<Box<RawValue>> = serde_json::from_slice(&profile).ok();
                members.change(number, |member| member.profile = profile.map(Arc::from)).map(News::Profile)
            }
            Told::Leaving { number, rooms, .. } => {
                let rooms = serde_json::from_slice(&rooms).unwrap_or_default();
                members.change(number, |member| member.is_live = false).map(|member| News::Leaving(member, rooms))
            }
            Told::Left { number, ending } => members.by_number.remove(&number).map(|member| News::Left(member, ending)),
            Told::Refused(ending) => Some(News::Refused(ending)),
            _ => None,
        }
    }

    fn count(&mut self) {
        self.seat.got += 1;
        let Some(link) = &mut self.link else { return };
        link.untold += 1;
        if link.untold >= GOT_RECORDS {
            self.tell_got();
        } else {
            link.due.get_or_insert_with(|| Instant::now() + GOT_AFTER);
        }
    }

    fn tell(&self, number: u64, heard: Heard) {
        // Who asked may have stopped to wait.
        self.asks.get(&number).map(|tell| tell.send(heard));
    }
}

impl Link {
    /// The next record. Cancel-safe.
    async fn next(&mut self) -> Result<Told, Over> {
        loop {
            match self.decoder.next() {
                Ok(Some(told)) => return Ok(told),
                Ok(None) => {}
                Err(error) => return Err(Over::Failed(RoomError::Bad(format!("the proxy does not speak as expected: {error}")))),
            }
            match self.stream.read_chunk().await {
                Ok(Some(chunk)) => self.decoder.push(chunk),
                Ok(None) => return Err(Over::Left),
                Err(StreamError::Reset(code)) if code != Code::Lagging.number() && code != Code::Limit.number() => {
                    return Err(Over::Failed(RoomError::Ended(Ending::new(code, "the proxy ended the stream"))));
                }
                Err(_) => return Err(Over::Again),
            }
        }
    }
}
