//! The streams of a session: who may send how much on each, which are over, and what they carry.

use std::collections::HashMap;

use browser_stream_mux::{Flags, Header, INITIAL_WINDOW, Kind as FrameKind, Violation};

use super::{
    budget::Share,
    line::Side,
    plan::{Next, Plan},
    redact::Json,
    scribe::Scribe,
    way::Way,
};

/// What is known of a session's streams.
#[derive(Debug)]
pub struct Streams {
    known: HashMap<u32, Stream>,
    /// Everything since the session's begin was seen and understood, so that what does not fit is the peers' fault.
    is_whole: bool,
}

#[derive(Debug)]
struct Stream {
    opener: Side,
    plan: Option<Plan>,
    directions: [Direction; 2],
    _share: Share,
}

#[derive(Debug)]
struct Direction {
    way: Way,
    /// What may still be sent.
    credit: u64,
    is_finished: bool,
}

/// What is told of a frame beside its header.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub violation: Option<Violation>,
    /// Its stream is over, or was never opened: it is dropped by whoever gets it.
    pub is_late: bool,
}

/// What one stream is counted as, with the facts of a record that is not whole yet.
const STREAM_BYTES: usize = 4096;
const _: () = assert!(size_of::<Stream>() < STREAM_BYTES / 4);

impl Streams {
    pub fn new() -> Self {
        Self { known: HashMap::new(), is_whole: true }
    }

    /// Something is missing: from now on nothing is held against anybody.
    pub fn missed(&mut self) {
        self.is_whole = false;
    }

    /// A frame of a stream begins; its payload comes to [`payload`](Self::payload).
    pub fn begin(&mut self, side: Side, header: &Header, scribe: &mut Scribe<'_>) -> Verdict {
        let is_syn = header.flags.contains(Flags::SYN);
        let mut verdict = Verdict::default();
        if is_syn {
            let opener = if header.stream % 2 == 1 { Side::Peer } else { Side::Proxy };
            if opener != side {
                verdict.violation = Some(Violation::Parity);
            } else if self.known.contains_key(&header.stream) {
                verdict.violation = Some(Violation::Reuse);
            } else {
                self.open(header.stream, opener, scribe);
            }
        }
        let Some(stream) = self.known.get_mut(&header.stream) else {
            verdict.is_late = self.is_whole && verdict.violation.is_none();
            return verdict;
        };
        let reset = header.flags.contains(Flags::RST);
        if header.kind == FrameKind::Data {
            let direction = &mut stream.directions[side.index()];
            if direction.is_finished {
                verdict.violation = verdict.violation.or(Some(Violation::AfterFin));
            }
            match direction.credit.checked_sub(u64::from(header.length)) {
                Some(left) => direction.credit = left,
                None => {
                    direction.credit = 0;
                    verdict.violation = verdict.violation.or(Some(Violation::Window));
                }
            }
        } else if !reset {
            let direction = &mut stream.directions[side.other().index()];
            direction.credit += u64::from(header.length);
            if direction.credit > u64::from(u32::MAX) {
                direction.credit = u64::from(u32::MAX);
                verdict.violation = verdict.violation.or(Some(Violation::CreditOverflow));
            }
        }
        // What was not seen may have given credit, or finished nothing.
        if !self.is_whole {
            verdict.violation = verdict.violation.filter(|violation| !matches!(violation, Violation::Window | Violation::CreditOverflow));
        }
        verdict
    }

    fn open(&mut self, id: u32, opener: Side, scribe: &mut Scribe<'_>) {
        let Some(share) = scribe.budget.take(STREAM_BYTES) else {
            self.missed();
            return scribe.limit(Some(id), "no room for what is known of another stream: it is not decoded");
        };
        let direction = || Direction { way: Way::first(), credit: u64::from(INITIAL_WINDOW), is_finished: false };
        self.known.insert(id, Stream { opener, plan: None, directions: [direction(), direction()], _share: share });
    }

    /// Payload of a stream, wherever its frames end.
    pub fn payload(&mut self, side: Side, id: u32, mut bytes: &[u8], scribe: &mut Scribe<'_>) {
        let Some(stream) = self.known.get_mut(&id) else { return };
        let is_open = stream.opener == side;
        while !bytes.is_empty() {
            let Some(first) = stream.directions[side.index()].way.take(&mut bytes, is_open, id, scribe) else { continue };
            stream.learned(side, first);
        }
    }

    /// So many bytes of a stream's payload are missing.
    pub fn skip(&mut self, side: Side, id: u32, bytes: u64, scribe: &mut Scribe<'_>) {
        if let Some(stream) = self.known.get_mut(&id) {
            stream.directions[side.index()].way.skip(bytes, id, scribe);
        }
    }

    /// A frame of a stream is there with its payload.
    pub fn end(&mut self, side: Side, header: &Header, scribe: &mut Scribe<'_>) {
        let Some(stream) = self.known.get_mut(&header.stream) else { return };
        let direction = &mut stream.directions[side.index()];
        direction.way.frame_ended(header.stream, scribe);
        direction.is_finished |= header.flags.contains(Flags::FIN);
        let is_over = header.flags.contains(Flags::RST) || stream.directions.iter().all(|direction| direction.is_finished);
        if is_over {
            self.known.remove(&header.stream);
        }
    }
}

impl Stream {
    /// An open or a reply is there: what follows is decided by it.
    fn learned(&mut self, side: Side, first: Option<Json>) {
        if side == self.opener {
            self.plan = first.as_ref().map(Plan::of);
            self.go_on(side, self.plan.map(|plan| Way::going_on(plan.opener())));
            return;
        }
        let answered = first.as_ref().zip(self.plan).and_then(|(reply, plan)| plan.answered(reply));
        self.go_on(side, answered.map(|(_, acceptor)| Way::going_on(acceptor)));
        let way = &mut self.directions[self.opener.index()].way;
        match (&mut *way, answered.map(|(opener, _)| opener)) {
            (Way::Early { then, .. }, Some(next)) => *then = Some(next),
            // What was taken for records is none, for who answers knows nothing of them.
            (Way::Records(_), Some(Next::Raw)) => *way = Way::going_on(Next::Raw),
            (_, Some(_)) => {}
            (_, None) => *way = Way::Unknown,
        }
    }

    fn go_on(&mut self, side: Side, way: Option<Way>) {
        self.directions[side.index()].way = way.unwrap_or(Way::Unknown);
    }
}
