//! What one member has not acknowledged: what went to it, and what waits for it.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use super::batch::{Batch, Kind, Weight};

/// Counted records of one member in order: those that went out and are not acknowledged, and behind them those that wait.
#[derive(Debug)]
pub(super) struct Ring {
    member: u32,
    pieces: VecDeque<Piece>,
    /// So many pieces at the front went out.
    sent: usize,
    /// So many records stood in front of all these: they were received, or cannot be had any more.
    before: u64,
    /// So many records, from the first on, went out ever.
    out: u64,
    /// What they weigh; what was left out weighs nothing.
    held: Weight,
    /// The same for those that wait.
    waits: Weight,
}

/// Some records of one batch, or some that were left out.
#[derive(Debug)]
pub(super) struct Piece {
    pub what: What,
    records: u64,
    bytes: usize,
}

#[derive(Debug)]
pub(super) enum What {
    Run(Arc<Batch>, Range<usize>),
    Lost,
}

/// It said that it has what it was never sent.
#[derive(Debug)]
pub(super) struct Never;

impl Ring {
    pub fn new(member: u32) -> Self {
        Self { member, pieces: VecDeque::new(), sent: 0, before: 0, out: 0, held: Weight::default(), waits: Weight::default() }
    }

    /// Whether something waits.
    pub fn waits(&self) -> bool {
        self.sent < self.pieces.len()
    }

    /// What waits.
    pub fn waiting(&self) -> Weight {
        self.waits
    }

    /// All that is held.
    pub fn held(&self) -> Weight {
        self.held
    }

    /// Adds a batch of which so much is for the member; it waits, unless it was `sent`.
    pub fn push(&mut self, batch: Arc<Batch>, weight: Weight, sent: bool) {
        let Weight { records, bytes } = weight;
        let within = 0..batch.len();
        self.pieces.push_back(Piece { what: What::Run(batch, within), records, bytes });
        add(&mut self.held, weight);
        if sent {
            self.sent += 1;
            self.out += records;
        } else {
            add(&mut self.waits, weight);
        }
    }

    /// Adds that so many were left out; it waits, unless it was `sent`.
    #[cfg(feature = "cluster")]
    pub fn push_lost(&mut self, records: u64, sent: bool) {
        let waits = !sent && self.waits();
        if let Some(Piece { what: What::Lost, records: before, .. }) = self.pieces.back_mut().filter(|_| waits) {
            *before += records;
            return;
        }
        self.pieces.push_back(Piece { what: What::Lost, records, bytes: 0 });
        if sent {
            self.sent += 1;
            self.out += records;
        }
    }

    /// The next that waits; it counts as sent.
    pub fn next(&mut self) -> Option<&Piece> {
        let piece = self.pieces.get(self.sent)?;
        self.sent += 1;
        self.out += piece.records;
        take(&mut self.waits, piece.weight());
        Some(piece)
    }

    /// The member has received so many records.
    pub fn acknowledge(&mut self, got: u64) -> Result<(), Never> {
        if got > self.out {
            return Err(Never);
        }
        while self.before < got && !self.pieces.is_empty() {
            self.drop_front(got - self.before);
        }
        Ok(())
    }

    /// The member has received so many records, and gets the rest anew: how many of that it cannot have.
    pub fn rewind(&mut self, got: u64) -> Result<u64, Never> {
        self.acknowledge(got)?;
        for piece in self.pieces.iter().take(self.sent) {
            add(&mut self.waits, piece.weight());
        }
        self.sent = 0;
        self.out = self.before;
        Ok(self.before.saturating_sub(got))
    }

    /// Forgets the oldest record; how many that were: where some were left out, they are forgotten together.
    pub fn forget_oldest(&mut self) -> u64 {
        let all = match self.pieces.front() {
            Some(Piece { what: What::Lost, records, .. }) => *records,
            Some(_) => 1,
            None => return 0,
        };
        self.drop_front(all);
        self.out = self.out.max(self.before);
        all
    }

    /// Leaves the oldest event out that waits; false if there is none.
    pub fn leave_out(&mut self) -> bool {
        let found = self.pieces.iter().enumerate().skip(self.sent).find_map(|(index, piece)| {
            let What::Run(batch, within) = &piece.what else { return None };
            batch.counted(self.member, within.clone()).find(|&at| batch.is_event(at)).map(|at| (index, at))
        });
        let Some((index, at)) = found else { return false };
        let Some(Piece { what: What::Run(batch, within), .. }) = self.pieces.remove(index) else { return false };
        let gone = Weight { records: 1, bytes: batch.bytes_of(at) };
        take(&mut self.held, gone);
        take(&mut self.waits, gone);
        let front = self.piece(&batch, within.start..at);
        let back = self.piece(&batch, at + 1..within.end);
        let mut place = index;
        if let Some(front) = front {
            self.pieces.insert(place, front);
            place += 1;
        }
        // Those next to one another are told as one.
        match place.checked_sub(1).filter(|&before| before >= self.sent).and_then(|before| self.pieces.get_mut(before)) {
            Some(Piece { what: What::Lost, records, .. }) => *records += 1,
            _ => {
                self.pieces.insert(place, Piece { what: What::Lost, records: 1, bytes: 0 });
                place += 1;
            }
        }
        if let Some(back) = back {
            self.pieces.insert(place, back);
        }
        true
    }

    /// Who came and who left, newest first: undone in this order, the room is as it was before the first of them.
    pub fn changes(&self) -> impl Iterator<Item = (u32, &Kind)> {
        let runs = self.pieces.iter().rev().filter_map(|piece| match &piece.what {
            What::Run(batch, within) => Some((batch, within.clone())),
            What::Lost => None,
        });
        runs.flat_map(|(batch, within)| batch.counted(self.member, within).rev().filter_map(|at| batch.change(at)))
    }

    fn piece(&self, batch: &Arc<Batch>, within: Range<usize>) -> Option<Piece> {
        let mut weight = Weight::default();
        for at in batch.counted(self.member, within.clone()) {
            add(&mut weight, Weight { records: 1, bytes: batch.bytes_of(at) });
        }
        let Weight { records, bytes } = weight;
        (records > 0).then(|| Piece { what: What::Run(batch.clone(), within), records, bytes })
    }

    /// Drops at most so many records, all of the first piece.
    fn drop_front(&mut self, most: u64) {
        let (member, is_sent) = (self.member, self.sent > 0);
        let Some(piece) = self.pieces.front_mut() else { return };
        let records = piece.records.min(most);
        let mut gone = Weight { records, bytes: piece.bytes };
        if let (What::Run(batch, within), true) = (&mut piece.what, records < piece.records) {
            gone.bytes = 0;
            let mut behind = within.start;
            for at in batch.counted(member, within.clone()).take(records as usize) {
                gone.bytes += batch.bytes_of(at);
                behind = at + 1;
            }
            within.start = behind;
        }
        let weighs = if matches!(piece.what, What::Lost) { Weight::default() } else { gone };
        piece.records -= records;
        piece.bytes -= gone.bytes;
        let is_over = piece.records == 0;
        self.before += records;
        take(&mut self.held, weighs);
        if !is_sent {
            take(&mut self.waits, weighs);
        }
        if is_over {
            self.pieces.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
    }
}

impl Piece {
    /// How many records it is.
    pub fn records(&self) -> u64 {
        self.records
    }

    fn weight(&self) -> Weight {
        match self.what {
            What::Run(..) => Weight { records: self.records, bytes: self.bytes },
            What::Lost => Weight::default(),
        }
    }
}

fn add(weight: &mut Weight, more: Weight) {
    weight.records += more.records;
    weight.bytes += more.bytes;
}

fn take(weight: &mut Weight, less: Weight) {
    weight.records = weight.records.saturating_sub(less.records);
    weight.bytes = weight.bytes.saturating_sub(less.bytes);
}
