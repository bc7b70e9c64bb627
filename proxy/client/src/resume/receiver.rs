//! One direction as its receiver knows it: what came, what was read, and what the peer must be told of that.

use std::time::Instant;

use bytes::Bytes;

use super::{Budget, Limits, Record, budget::Share, carrier::Broken, chunks::Chunks};

/// Bytes are held from the moment they come until they are taken to be read; room is given back when they were consumed.
#[derive(Debug)]
pub(super) struct Receiver {
    /// From what was taken to what was received.
    unread: Chunks,
    /// What the application consumed of what it took.
    read: u64,
    /// Something was dropped unread: what is left is no clean end.
    dropped: bool,
    /// The direction's length, once FIN came.
    total: Option<u64>,
    /// The highest `received + room` that the peer was told.
    granted: u64,
    /// The last few of those.
    steps: [u64; STEPS],
    window: u64,
    /// The position that was last told on a current carrier.
    told: u64,
    /// The peer must be told at once.
    due: bool,
    /// When it must be told of bytes that are too few to be told at once.
    due_at: Option<Instant>,
    share: Share,
}

/// Room is told in steps of a quarter of the window, so a sender that stopped stands at one of this many.
const STEPS: usize = 4;

impl Receiver {
    pub(super) fn new(limits: &Limits, budget: &Budget) -> Self {
        let window = limits.window_min;
        Self {
            unread: Chunks::default(),
            read: 0,
            dropped: false,
            total: None,
            granted: window,
            steps: [window; STEPS],
            window,
            told: 0,
            due: false,
            due_at: None,
            share: Share::of(budget),
        }
    }

    /// A direction of which `position` was received; nothing more is taken, and nothing is to be read.
    pub(super) fn buried(position: u64, total: Option<u64>, limits: &Limits) -> Self {
        let received = total.unwrap_or(position);
        Self {
            unread: Chunks::starting_at(received),
            read: received,
            dropped: true,
            total,
            granted: received,
            ..Self::new(limits, &Budget::new(0))
        }
    }

    /// Bytes received.
    pub(super) fn received(&self) -> u64 {
        self.unread.end()
    }

    /// Bytes received, and one more for FIN.
    pub(super) fn position(&self) -> u64 {
        self.received() + u64::from(self.total.is_some())
    }

    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Everything that comes was taken to be read.
    pub(super) fn is_read(&self) -> bool {
        self.total == Some(self.unread.start()) && !self.dropped
    }

    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// The head of DATA: it may neither leave a hole nor go beyond what was granted, or beyond the end.
    pub(super) fn head(&self, offset: u64, length: u64) -> Result<(), Broken> {
        let end = offset + length;
        let beyond = end > self.granted || self.total.is_some_and(|total| end > total);
        if offset > self.received() || beyond { Err(Broken) } else { Ok(()) }
    }

    /// Payload: skips what is here already, keeps the rest; whether there was one.
    pub(super) fn payload(&mut self, offset: u64, mut bytes: Bytes, now: Instant, limits: &Limits) -> Result<bool, Broken> {
        // Another carrier may have brought FIN since the head came.
        self.head(offset, bytes.len() as u64)?;
        let known = self.received() - offset;
        if known >= bytes.len() as u64 {
            return Ok(false);
        }
        self.unread.push(bytes.split_off(known as usize));
        if self.received() - self.told >= limits.ack_bytes.min(self.window / 4) {
            self.due = true;
        } else {
            self.due_at.get_or_insert(now + limits.ack_delay);
        }
        Ok(true)
    }

    /// FIN: all of the direction must be here; it is acknowledged at once.
    pub(super) fn fin(&mut self, total: u64) -> Result<bool, Broken> {
        if total != self.received() {
            return Err(Broken);
        }
        self.due = true;
        Ok(self.total.replace(total).is_none())
    }

    /// The next chunk.
    pub(super) fn read(&mut self) -> Option<Bytes> {
        self.unread.pop()
    }

    /// The application is through with that many of the bytes that it took: room for as many, and a larger window if the window was what held the
    /// sender up: it reached the end of a step, and nothing is left to read.
    pub(super) fn consumed(&mut self, bytes: u64, limits: &Limits) {
        self.read = (self.read + bytes).min(self.unread.start());
        if self.total.is_some() {
            return;
        }
        let held_up = self.read == self.received() && self.steps.contains(&self.read);
        if held_up && self.window < limits.window_max && self.share.take(self.window) {
            self.window *= 2;
        }
        self.due |= self.has_new_room();
    }

    /// What the peer must know now. On the current carrier that settles it; on another it may be lost without anybody noticing.
    pub(super) fn tell(&mut self, current: bool) -> Record {
        if self.total.is_none() && self.has_new_room() {
            self.granted = self.read + self.window;
            self.steps.rotate_left(1);
            self.steps[STEPS - 1] = self.granted;
        }
        if current {
            self.told = self.position();
            self.due = false;
            self.due_at = None;
        }
        Record::Ack { received: self.position(), room: self.granted.saturating_sub(self.position()) }
    }

    /// Whether the peer must be told now.
    pub(super) fn is_due(&self) -> bool {
        self.due
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.due { None } else { self.due_at }
    }

    pub(super) fn tick(&mut self, now: Instant) {
        self.due |= self.due_at.is_some_and(|at| at <= now);
    }

    /// Nothing will be read any more.
    pub(super) fn clear(&mut self) {
        self.dropped = !self.unread.is_empty();
        self.unread.clear();
        self.read = self.unread.end();
        self.stop();
    }

    /// Nothing will come any more; what is here stays readable.
    pub(super) fn stop(&mut self) {
        self.due_at = None;
        self.share.give_back();
    }

    fn has_new_room(&self) -> bool {
        self.read + self.window >= self.granted + self.window / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    struct Reader {
        receiver: Receiver,
        limits: Limits,
        now: Instant,
    }

    impl Reader {
        fn new() -> Self {
            let limits = Limits::default();
            Self { receiver: Receiver::new(&limits, &Budget::default()), limits, now: Instant::now() }
        }

        fn receive(&mut self, bytes: u64) {
            let payload = Bytes::from(vec![0; bytes as usize]);
            self.receiver.payload(self.receiver.received(), payload, self.now, &self.limits).unwrap();
        }

        /// Reads that many bytes, in whatever chunks they are; what the peer is told at once, as `received + room`.
        fn consume(&mut self, bytes: u64) -> Option<u64> {
            while self.receiver.unread.start() < self.receiver.read + bytes {
                self.receiver.read().unwrap();
            }
            self.receiver.consumed(bytes, &self.limits);
            if !self.receiver.is_due() {
                return None;
            }
            match self.receiver.tell(true) {
                Record::Ack { received, room } => Some(received + room),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn room_is_told_in_quarters_of_the_window() {
        let mut reader = Reader::new();
        reader.receive(60 * KIB);
        assert_eq!(reader.consume(60 * KIB), None);
        reader.receive(4 * KIB);
        assert_eq!(reader.consume(4 * KIB), Some(320 * KIB));
        assert_eq!(reader.receiver.window, 256 * KIB);
    }

    #[test]
    fn the_window_doubles_when_the_sender_reached_the_end_of_its_room_and_nothing_is_left_to_read() {
        let mut reader = Reader::new();
        reader.receive(256 * KIB);
        for quarter in 1..4 {
            assert_eq!(reader.consume(64 * KIB), Some((256 + 64 * quarter) * KIB));
        }
        assert_eq!(reader.consume(64 * KIB), Some((256 + 512) * KIB));
        assert_eq!(reader.receiver.window, 512 * KIB);
    }

    #[test]
    fn a_slow_reader_gets_no_larger_window() {
        let mut reader = Reader::new();
        reader.receive(256 * KIB);
        for _ in 0..100 {
            reader.consume(64 * KIB);
            reader.receive(64 * KIB);
        }
        assert_eq!(reader.receiver.window, 256 * KIB);
    }

    #[test]
    fn a_window_grows_to_its_maximum_and_never_beyond_the_budget() {
        for (budget, window) in [(Budget::default(), 8 * 1024 * KIB), (Budget::new(300 * KIB), 512 * KIB), (Budget::new(0), 256 * KIB)] {
            let mut reader = Reader::new();
            reader.receiver = Receiver::new(&reader.limits, &budget);
            let all = budget.left();
            for _ in 0..10 {
                let bytes = reader.receiver.granted - reader.receiver.received();
                reader.receive(bytes);
                reader.consume(bytes);
            }
            assert_eq!(reader.receiver.window, window);
            drop(reader);
            assert_eq!(budget.left(), all);
        }
    }

    #[test]
    fn more_is_never_consumed_than_was_taken() {
        let mut reader = Reader::new();
        reader.receive(10);
        reader.receiver.consumed(u64::MAX >> 1, &reader.limits);
        assert_eq!(reader.receiver.read, 0);
    }
}
