//! A member's own task: it takes what the member sends, and hands it what waits.

use std::{future::poll_fn, sync::Arc, time::Duration};

use browser_stream_mux::{Code, StreamError};
use browser_stream_protocol::{
    channel::Ending,
    room::{BadRecord, Decoder, Emit, Said, Told},
};
use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    super::account::Account,
    enter::Entered,
    line::Link,
    room::Room,
    seat::{Place, Seat},
};
use crate::{
    counters::Refusal,
    memory::Lease,
    session::{Permit, check_value, together},
};

/// A member whose connection is there.
pub(super) struct Attending {
    room: Arc<Room>,
    seat: Arc<Seat>,
    link: Link,
    account: Account,
    permit: Permit,
    decoder: Decoder<Said>,
    /// The decoder may have more records: so many as cost much are not taken at once.
    has_more: bool,
    /// For a record that is not whole yet.
    held: Option<Lease>,
    heard: Heard,
}

/// What came that the member was not told of.
#[derive(Default)]
struct Heard {
    records: u64,
    bytes: usize,
    /// When it is told.
    due: Option<Instant>,
}

/// Why nothing more is taken of a member.
enum Over {
    /// It leaves, or what it sent is not allowed.
    Leaves(Ending),
    /// It leaves all rooms.
    Parts(Ending),
    /// What it sent is not allowed: it is reset with this code.
    Bad(Code, String),
    /// Its connection is gone.
    Lost,
    /// Somebody else has seen to its seat.
    Elsewhere,
}

/// A member is told what came after so many records, so many bytes, or so long.
const GOT_RECORDS: u64 = 64;
const GOT_BYTES: usize = 128 * 1024;
const GOT_AFTER: Duration = Duration::from_millis(500);

/// After so many deliveries it is looked whether it owes for them.
const TURN: usize = 512;

/// A member that has so much to take is not told what came.
const GOT_QUEUED_MAX: usize = 64 * 1024;

/// Where the process has no memory left, so long nothing is read.
const MEMORY_LOOK: Duration = Duration::from_millis(100);

/// A record that is not whole yet counts in the process's memory from here on.
const HELD_MIN: usize = 4096;

impl Attending {
    pub fn new(room: Arc<Room>, entered: Entered, account: Account, permit: Permit) -> Self {
        let Entered { seat, link } = entered;
        let decoder = Decoder::with_body_max(room.house.limits.room_event_bytes_max);
        Self { room, seat, link, account, permit, decoder, has_more: false, held: None, heard: Heard::default() }
    }

    /// Attends to the member until its stream is over, and sees to its seat, whatever happens.
    pub async fn run(mut self) {
        let (room, number, life) = (self.room.clone(), self.seat.number, self.link.life);
        // It borrows the room: what is forgotten would keep a share of it for ever.
        let vacant = Vacant { room: &room, number, life };
        let over = self.attend().await;
        std::mem::forget(vacant);
        let is_own = |place: &Place| place.seat.line.lock().link().is_some_and(|link| link.life == life);
        match over {
            Over::Leaves(ending) => {
                self.got();
                room.vacate(number, &ending, None, is_own);
            }
            Over::Parts(ending) => {
                self.got();
                let session = room.session(number, is_own);
                session.into_iter().for_each(|session| room.house.part(session, &ending, |_| true));
            }
            Over::Bad(code, why) => {
                room.house.books().counters.count(Refusal::RoomRecord);
                self.link.stream.lock().reset(code);
                room.vacate(number, &Ending::new(code, why), None, is_own);
            }
            // Nothing is kept for one whose token was taken back.
            Over::Lost => room.lose(number, life, !self.permit.is_revoked()),
            Over::Elsewhere => {}
        }
        // What is queued leaves, and it has a moment to say that it has all.
        self.link.stream.lock().finish();
        let _ = timeout(room.house.limits.refused_linger, self.link.cell.peer_done()).await;
    }

    async fn attend(&mut self) -> Over {
        loop {
            let (due, waits) = (self.heard.due, self.seat.line.lock().waits());
            let cell = self.link.cell.clone();
            tokio::select! {
                biased;
                () = self.seat.roused.notified() => {
                    if self.seat.inbox.lock().life != self.link.life {
                        // It may have been for the one that attends to the seat now.
                        self.seat.roused.notify_one();
                        return Over::Elsewhere;
                    }
                }
                () = cell.room(), if waits && cell.end().is_none() => together(|| self.seat.line.lock().pump()),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.got(),
                chunk = next(&self.room, &self.link, &mut self.account, self.has_more) => {
                    let taken = match chunk {
                        Ok(Some(chunk)) => self.take(chunk),
                        Ok(None) => Err(Over::Leaves(Ending::clean())),
                        Err(error) => Err(over(error)),
                    };
                    // What came before an end is handed out all the same.
                    self.room.said();
                    if let Err(over) = taken {
                        return over;
                    }
                }
            }
        }
    }

    /// Takes what the member sent.
    fn take(&mut self, chunk: Bytes) -> Result<(), Over> {
        self.heard.bytes += chunk.len();
        let seat = self.seat.clone();
        let mut inbox = seat.inbox.lock();
        if inbox.life != self.link.life {
            return Err(Over::Elsewhere);
        }
        if !chunk.is_empty() {
            self.decoder.push(chunk);
        }
        let mut deliveries = 0;
        let taken = loop {
            self.has_more = deliveries >= TURN;
            if self.has_more {
                break Ok(());
            }
            match self.decoder.next() {
                Ok(None) => break Ok(()),
                Ok(Some(said)) => {
                    if said.is_counted() {
                        inbox.received += 1;
                        self.heard.records += 1;
                    }
                    match self.hear(said) {
                        Ok(cost) => deliveries += cost,
                        Err(over) => break Err(over),
                    }
                }
                Err(error @ BadRecord::TooLong(_)) => break Err(Over::Bad(Code::Limit, error.to_string())),
                Err(error) => break Err(Over::Bad(Code::BadRequest, error.to_string())),
            }
        };
        drop(inbox);
        self.account.charge(deliveries);
        let held = self.decoder.held();
        self.held = (held > HELD_MIN).then(|| self.room.house.books().memory.lease(held));
        if self.heard.records >= GOT_RECORDS || (self.heard.records > 0 && self.heard.bytes >= GOT_BYTES) {
            self.got();
        } else if self.heard.records > 0 {
            self.heard.due.get_or_insert_with(|| Instant::now() + GOT_AFTER);
        }
        taken
    }

    /// Does what one record says; how many deliveries that is.
    fn hear(&mut self, said: Said) -> Result<usize, Over> {
        let (room, number) = (&self.room, self.seat.number);
        let bad = |why: &str| Over::Bad(Code::BadRequest, why.to_owned());
        match said {
            Said::Emit(emit @ Emit { is_everywhere: true, .. }) => {
                if emit.asks.is_some() || !emit.to.is_empty() {
                    return Err(bad("an event for all rooms asks nobody, and names nobody"));
                }
                return Ok(room.emit_everywhere(number, &emit));
            }
            Said::Emit(emit) => {
                return match emit.asks {
                    Some(asks) => room.ask_for(number, asks, &emit).ok_or_else(|| bad("an ask's number is in use")),
                    None => Ok(room.emit(number, &emit)),
                };
            }
            Said::Answer { ask, answer } => room.answer(number, ask, answer),
            Said::Profile(profile) => return Ok(room.profile(number, json(&profile).map_err(|why| bad(&why))?)),
            Said::Got(got) => {
                let acknowledged = self.seat.line.lock().acknowledge(got);
                acknowledged.map_err(|_| bad("more was received than was sent"))?;
                return Ok(0);
            }
            Said::Leave { is_peer: false, text } => return Err(Over::Leaves(Ending::new(0_u32, text))),
            Said::Leave { is_peer: true, text } => return Err(Over::Parts(Ending::new(Code::Gone, text))),
        }
        Ok(1)
    }

    /// Tells it what came.
    fn got(&mut self) {
        if self.link.cell.queued() >= GOT_QUEUED_MAX {
            self.heard.due = Some(Instant::now() + GOT_AFTER);
            return;
        }
        self.heard = Heard::default();
        self.link.say(&Told::Got(self.seat.inbox.lock().received));
    }
}

/// What the end of a member's stream says. Where it is the proxy that had no room for what waits, the seat is kept: the member comes back for the rest.
fn over(error: StreamError) -> Over {
    let is_behind = |code: u32| [Code::Limit, Code::Lagging].iter().any(|behind| behind.number() == code);
    match error {
        StreamError::Reset(0) => Over::Leaves(Ending::new(Code::Cancelled, "")),
        StreamError::Reset(code) if !is_behind(code) => Over::Leaves(Ending::new(code, "")),
        _ => Over::Lost,
    }
}

/// The next of what the member sent, when it may send more; nothing where there is more of the last. Cancel-safe.
async fn next(room: &Room, link: &Link, account: &mut Account, has_more: bool) -> Result<Option<Bytes>, StreamError> {
    let books = room.house.books();
    account.settle(&books.counters, Refusal::RoomRateSlowed).await;
    while books.memory.pressed() {
        room.relieve();
        sleep(MEMORY_LOOK).await;
    }
    if has_more {
        return Ok(Some(Bytes::new()));
    }
    poll_fn(|cx| link.stream.lock().poll_chunk(cx)).await
}

/// A profile: one JSON value, no deeper than an open can have it.
fn json(bytes: &Bytes) -> Result<Box<RawValue>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "a profile is UTF-8".to_owned())?;
    check_value(text, PROFILE_DEPTH_MAX).map_err(|error| format!("a profile is JSON: {error}"))?;
    RawValue::from_string(text.to_owned()).map_err(|error| format!("a profile is JSON: {error}"))
}

/// Levels of a profile: it stands two below the top of an open, and one below that of what the others are told, of which they take 16.
const PROFILE_DEPTH_MAX: usize = 14;

/// A seat that somebody attends to: freed if that panics.
struct Vacant<'a> {
    room: &'a Room,
    number: u32,
    life: u64,
}

impl Drop for Vacant<'_> {
    fn drop(&mut self) {
        let is_own = |place: &Place| place.seat.line.lock().link().is_some_and(|link| link.life == self.life);
        self.room.vacate(self.number, &Ending::new(Code::Internal, ""), None, is_own);
    }
}
