//! One who publishes in a channel: its task takes what comes and hands it to the readers, and tells it what becomes of that.

use std::{
    collections::VecDeque,
    future::pending,
    sync::Arc,
    time::{Duration, Instant as Moment},
};

use browser_stream_mux::{Cell, Code, End, Stream, StreamError};
use browser_stream_protocol::{
    APPLICATION_CODE_MIN,
    channel::{Decoder, Ending, News, Published, Records},
};
use bytes::BytesMut;
use futures::FutureExt;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout},
};
use uuid::Uuid;

use super::{
    super::account::Account,
    batch::{Batch, Batcher},
    hub::Hub,
};
use crate::counters::{Counters, Refusal};

/// What the channel knows of a publisher, and has to tell it.
pub(super) struct Publisher {
    pub number: u32,
    pub id: Uuid,
    roused: Notify,
    events: Mutex<VecDeque<News>>,
}

/// News of readers that waits for a publisher; what comes when there is so much is not told.
const EVENTS_MAX: usize = 1024;

/// A publisher is told no more than this before it has taken it.
const TOLD_MAX: usize = 64 * 1024;

/// Between two words of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// After how long the readers of an ended publisher are looked at, at first.
const END_LOOK: Duration = Duration::from_millis(50);

/// How long a publisher goes on while others wait.
pub(super) const TURN_MAX: Duration = Duration::from_micros(200);

/// How long a publisher waits where the process has no memory left.
const MEMORY_LOOK: Duration = Duration::from_millis(100);

impl Publisher {
    pub fn new(number: u32, id: Uuid) -> Self {
        let (roused, events) = Default::default();
        Self { number, id, roused, events }
    }

    /// It is to look how many read.
    #[cfg(feature = "cluster")]
    pub fn rouse(&self) {
        self.roused.notify_one();
    }

    /// Tells it of a reader, when it has time.
    pub fn hear(&self, news: News) {
        let mut events = self.events.lock();
        if events.len() < EVENTS_MAX {
            events.push_back(news);
        }
        drop(events);
        self.roused.notify_one();
    }
}

/// The stream of one publisher, and how far it was taken.
pub(super) struct Publishing {
    pub hub: Arc<Hub>,
    pub publisher: Arc<Publisher>,
    source: Source,
    account: Account,
    /// So many readers have to have been there before anything is taken.
    wait_for: u32,
    counters: Arc<Counters>,
    /// When there is progress to tell.
    due: Option<Instant>,
    told_readers: Option<u64>,
    told_progress: (u64, u64),
}

/// A publisher's place, freed whatever happens.
struct Seat {
    hub: Arc<Hub>,
    number: u32,
    is_left: bool,
}

impl Seat {
    fn leave(&mut self, ending: Ending) -> Vec<(u32, u64)> {
        self.is_left = true;
        self.hub.leave(self.number, ending)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.is_left {
            self.leave(Ending::new(Code::Internal, ""));
        }
        self.hub.forget(self.number);
    }
}

/// Where its messages come from.
pub(super) struct Source {
    stream: Stream,
    decoder: Decoder<Published>,
    batcher: Batcher,
    ending: Option<Ending>,
}

/// Why nothing more comes of a publisher.
enum Over {
    /// It said so, or its stream ended.
    Ended(Ending),
    /// What it sent is not allowed: it is reset with this code.
    Bad(Code, &'static str),
}

impl Source {
    pub fn new(stream: Stream, batcher: Batcher) -> Self {
        Self { stream, decoder: Decoder::default(), batcher, ending: None }
    }

    /// What has come, as soon as there is something. Cancel-safe: what was begun is gone on with.
    async fn batch(&mut self) -> Result<Batch, Over> {
        loop {
            self.decode()?;
            if self.batcher.is_full() || (self.ending.is_some() && !self.batcher.is_empty()) {
                return Ok(self.batcher.take());
            }
            if let Some(ending) = self.ending.take() {
                return Err(Over::Ended(ending));
            }
            let chunk = if self.batcher.is_empty() {
                self.stream.read_chunk().await
            } else {
                match self.stream.read_chunk().now_or_never() {
                    Some(Ok(Some(chunk))) => Ok(Some(chunk)),
                    // An end is there the next time, too.
                    _ => return Ok(self.batcher.take()),
                }
            };
            match chunk {
                Ok(Some(chunk)) => self.decoder.push(chunk),
                // It finished without a word of the end.
                Ok(None) => return Err(Over::Ended(Ending::new(Code::Cancelled, ""))),
                Err(error) => return Err(Over::Ended(Ending::new(code(error), ""))),
            }
        }
    }

    fn decode(&mut self) -> Result<(), Over> {
        while self.ending.is_none() && !self.batcher.is_full() {
            match self.decoder.next() {
                Ok(None) => return Ok(()),
                Ok(Some(Published::Bytes { bytes, last })) => {
                    self.batcher.add(bytes, last).map_err(|_| Over::Bad(Code::Limit, "a message was longer than any may be"))?;
                }
                Ok(Some(Published::Cut)) => self.batcher.cut(),
                Ok(Some(Published::End(ending))) => {
                    // What is under way will never be whole.
                    self.batcher.cut();
                    self.ending = Some(Ending { code: sayable(ending.code), text: ending.text });
                }
                Err(_) => return Err(Over::Bad(Code::BadRequest, "what was sent is no record")),
            }
        }
        Ok(())
    }
}

impl Publishing {
    pub fn new(hub: Arc<Hub>, publisher: Arc<Publisher>, source: Source, account: Account, wait_for: u32, counters: Arc<Counters>) -> Self {
        Self { hub, publisher, source, account, wait_for, counters, due: None, told_readers: None, told_progress: (0, 0) }
    }

    /// Publishes until the publisher ends, says so to `left`, and tells it then how far its messages came.
    pub async fn run(mut self, linger: Duration, left: impl FnOnce(&Ending)) {
        let mut seat = Seat { hub: self.hub.clone(), number: self.publisher.number, is_left: false };
        let (ending, is_told) = match self.publish().await {
            Over::Ended(ending) => (ending, true),
            Over::Bad(code, why) => {
                self.counters.count(Refusal::ChannelRecord);
                self.source.stream.reset(code);
                (Ending::new(code, why), false)
            }
        };
        let marks = seat.leave(ending.clone());
        left(&ending);
        if !is_told || self.source.stream.cell().end().is_some() {
            return;
        }
        let last_word = if self.hub.stopped.is_cancelled() { Ending::new(Code::Gone, super::STOPPED) } else { Ending::clean() };
        let mut pause = END_LOOK;
        loop {
            let is_done = self.hub.have_taken(&marks);
            self.tell();
            self.tell_progress(is_done);
            if is_done {
                break;
            }
            tokio::select! {
                _ = self.source.stream.stopped() => return,
                () = sleep(pause) => {}
            }
            // One reader may take as long as it likes, and ended publishers may be many.
            pause = (2 * pause).min(PROGRESS_EVERY);
        }
        self.say(&News::End(last_word));
        self.source.stream.finish();
        // Dropped sooner, it would be told `cancelled`.
        let _ = timeout(linger, self.source.stream.peer_done()).await;
    }

    async fn publish(&mut self) -> Over {
        let mut begun = Moment::now();
        self.tell();
        loop {
            let due = self.due;
            tokio::select! {
                biased;
                () = self.publisher.roused.notified() => self.tell(),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.tell_progress(false),
                () = self.hub.stopped.cancelled() => return Over::Ended(Ending::new(Code::Gone, super::STOPPED)),
                batch = take(&self.hub, self.wait_for, &mut self.account, &mut self.source, &self.counters) => match batch {
                    Ok(batch) => {
                        let readers = self.hub.deliver(self.publisher.number, &batch);
                        self.account.charge(batch.items.len() * readers);
                        self.due.get_or_insert_with(|| Instant::now() + PROGRESS_EVERY);
                    }
                    Err(over) => return over,
                },
            }
            if begun.elapsed() > TURN_MAX {
                tokio::task::yield_now().await;
                begun = Moment::now();
            }
        }
    }

    /// Tells who came and left, as far as that is taken.
    fn tell(&mut self) {
        let mut out = BytesMut::new();
        let room = TOLD_MAX.saturating_sub(self.source.stream.cell().queued());
        while out.len() < room {
            let Some(news) = self.publisher.events.lock().pop_front() else { break };
            news.write(&mut out);
        }
        let readers = self.hub.readers();
        if room > 0 && self.told_readers.replace(readers) != Some(readers) {
            News::Readers(readers).write(&mut out);
        }
        if room == 0 {
            // It takes nothing: again when it is time for progress.
            self.due.get_or_insert_with(|| Instant::now() + PROGRESS_EVERY);
        }
        if !out.is_empty() {
            self.source.stream.write_now(out.freeze());
        }
    }

    /// Tells how much was taken, and comes back while that is not all.
    fn tell_progress(&mut self, is_last: bool) {
        self.due = None;
        let progress = self.hub.progress(self.publisher.number);
        let is_taken = self.source.stream.cell().queued() < TOLD_MAX;
        if (is_taken || is_last) && std::mem::replace(&mut self.told_progress, progress.told) != progress.told {
            let (slowest, delivered) = progress.told;
            self.say(&News::Progress { slowest, delivered });
        }
        if !progress.is_all || !is_taken {
            self.due = Some(Instant::now() + PROGRESS_EVERY);
        }
        self.tell();
    }

    fn say(&mut self, news: &News) {
        let mut out = BytesMut::new();
        news.write(&mut out);
        self.source.stream.write_now(out.freeze());
    }
}

/// The next of what came, when the channel takes more. Cancel-safe.
async fn take(hub: &Hub, wait_for: u32, account: &mut Account, source: &mut Source, counters: &Counters) -> Result<Batch, Over> {
    let cell = source.stream.cell().clone();
    let over = |end: End| Err(Over::Ended(Ending::new(code(end.into()), "")));
    if !hub.has_had(wait_for) {
        tokio::select! {
            () = hub.readers_came(wait_for) => {}
            // It will never publish what it has sent.
            end = cell.stopped() => return over(end),
        }
    }
    let room = async {
        hub.room().await;
        account.settle(counters, Refusal::ChannelRateSlowed).await;
        while hub.waits_for_memory() {
            sleep(MEMORY_LOOK).await;
        }
    };
    tokio::select! {
        biased;
        () = room => source.batch().await,
        // However long the others wait for a reader: it will never say the rest.
        end = broke_off(&cell) => over(end),
    }
}

/// Resolves when the stream ends of one who had more to say. Cancel-safe.
async fn broke_off(cell: &Cell) -> End {
    let end = cell.stopped().await;
    if cell.peer_finished() {
        // All was said, and waits here.
        return pending().await;
    }
    end
}

fn code(error: StreamError) -> u32 {
    match error {
        StreamError::Reset(0) => Code::Cancelled.number(),
        StreamError::Reset(code) => code,
        StreamError::Lost | StreamError::Finished => Code::Lost.number(),
    }
}

/// The code of an end as readers are told it: what is not a publisher's to say becomes `internal`.
fn sayable(code: u32) -> u32 {
    let own = [Code::Limit, Code::Busy, Code::Gone, Code::Cancelled];
    let is_own = code == 0 || code >= APPLICATION_CODE_MIN || own.iter().any(|own| own.number() == code);
    if is_own { code } else { Code::Internal.number() }
}
