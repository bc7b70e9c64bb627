//! One direction of a splice: a sender, the proxy's ledger and a reader act in any order. No byte and no credit is lost or made, nobody
//! sends beyond its credit, and in the end every byte arrives.
#![no_main]

use arbitrary::Arbitrary;
use browser_stream_server::fuzzing::Credit;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    /// Bytes of the client's open, which came out of its first window.
    open: u16,
    /// Bytes of the proxy's open, queued before the client's bytes.
    accept_open: u16,
    /// What the reader waits for before it returns credit.
    returns: Returns,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Returns {
    AtOnce,
    HalfAWindow,
    AWholeWindow,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// The sender sends, or would if it had credit.
    Send(u32),
    /// Sent bytes reach the proxy.
    Arrive(u32),
    /// The proxy sends on, as far as the reader's window goes.
    Forward(u32),
    /// The reader reads, and returns credit where it does so.
    Read(u32),
    /// Returned credit reaches the proxy.
    Update,
    /// Granted credit reaches the sender.
    Credit,
    /// The reader's window grows.
    Grow(u32),
    /// The proxy's memory fills or empties.
    Cap(Cap),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Cap {
    Full,
    Narrow,
    None,
}

fuzz_target!(|input: Input| {
    let mut line = Line::new(&input);
    for step in &input.steps {
        line.step(step);
        line.check();
    }
    line.run_out();
});

struct Line {
    ledger: Credit,
    returns: u64,
    cap: u32,
    /// The sender's: credit it may use, and bytes that it sent and that are on their way.
    credit: u64,
    sending: u64,
    /// Grants on their way to the sender.
    granted: u64,
    /// The proxy's: bytes queued, and credit of the reader's that no byte has used.
    held: u64,
    to: u32,
    /// The reader's: bytes not read, bytes read and not yet returned, credit on its way to the proxy, all that it read.
    unread: u64,
    read: u64,
    returned: u64,
    delivered: u64,
    /// All bytes that were made, and all credit that the reader gave.
    made: u64,
    given: u64,
    /// The most that may be under way: what was once granted is not taken back when the cap falls.
    most: u64,
}

impl Line {
    fn new(input: &Input) -> Self {
        let open = u32::from(input.open) % (8 * 1024 + 2);
        let accept_open = u64::from(input.accept_open) % (9 * 1024 + 2);
        let returns = match input.returns {
            Returns::AtOnce => 1,
            Returns::HalfAWindow => u64::from(WINDOW) / 2,
            Returns::AWholeWindow => u64::from(WINDOW),
        };
        Self {
            ledger: Credit::new(WINDOW - open),
            returns,
            cap: CAP,
            credit: u64::from(WINDOW - open),
            sending: 0,
            granted: 0,
            held: accept_open,
            to: WINDOW,
            unread: 0,
            read: 0,
            returned: 0,
            delivered: 0,
            made: accept_open,
            given: u64::from(WINDOW),
            most: u64::from(WINDOW - open) + accept_open,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Send(most) => {
                let bytes = self.credit.min(most.into());
                self.credit -= bytes;
                self.sending += bytes;
                self.made += bytes;
            }
            Step::Arrive(most) => {
                let bytes = self.sending.min(most.into());
                self.sending -= bytes;
                self.ledger.took(bytes as usize);
                self.held += bytes;
            }
            Step::Forward(most) => {
                let bytes = self.held.min(most.min(self.to).into());
                self.held -= bytes;
                self.to -= bytes as u32;
                self.unread += bytes;
                self.settle();
            }
            Step::Read(most) => {
                let bytes = self.unread.min(most.into());
                self.unread -= bytes;
                self.delivered += bytes;
                self.read += bytes;
                if self.read >= self.returns {
                    self.give(self.read);
                    self.read = 0;
                }
            }
            Step::Update => {
                let all = u64::from(self.to) + self.returned;
                self.to = u32::try_from(all).expect("a reader does not give more than a window can hold");
                self.returned = 0;
                self.settle();
            }
            Step::Credit => self.credit += std::mem::take(&mut self.granted),
            Step::Grow(by) => {
                let room = u64::from(u32::MAX) - (u64::from(self.to) + self.returned + self.unread + self.read);
                self.give(room.min(by.into()));
            }
            Step::Cap(cap) => {
                self.cap = cap.bytes();
                self.settle();
            }
        }
    }

    fn give(&mut self, credit: u64) {
        self.returned += credit;
        self.given += credit;
    }

    /// What the proxy does after each drain and each update of the reader's.
    fn settle(&mut self) {
        let Some(grant) = self.ledger.grant(self.to, self.held as usize, self.cap) else { return };
        assert!(grant > 0, "a grant of nothing");
        self.granted += u64::from(grant);
        let under_way = self.held + self.from();
        assert!(under_way <= u64::from(self.to.min(self.cap)), "{under_way} under way, {} to go", self.to);
        self.most = self.most.max(under_way);
        assert_eq!(self.ledger.grant(self.to, self.held as usize, self.cap), None, "granted twice");
    }

    /// What the ledger must believe: the sender's credit, wherever it is.
    fn from(&self) -> u64 {
        self.credit + self.granted + self.sending
    }

    fn check(&self) {
        assert_eq!(self.ledger, Credit::new(self.from() as u32), "credit was lost or made");
        assert_eq!(self.made, self.sending + self.held + self.unread + self.delivered, "bytes were lost or made");
        let used = self.unread + self.delivered;
        assert_eq!(self.given, used + u64::from(self.to) + self.returned, "the reader's credit was lost or made");
        assert!(self.held + self.from() <= self.most, "more is under way than was ever allowed");
        assert!(self.most <= u64::from(CAP));
    }

    /// Everybody goes on as far as it can: a schedule that cannot end has a fault.
    fn run_out(&mut self) {
        let wanted = self.made + 3 * u64::from(CAP);
        self.step(&Step::Cap(Cap::Full));
        for _ in 0..ROUNDS_MAX {
            let left = wanted - self.made;
            self.step(&Step::Send(u32::try_from(left).unwrap_or(u32::MAX)));
            for step in [Step::Arrive(u32::MAX), Step::Forward(u32::MAX), Step::Read(u32::MAX), Step::Update, Step::Credit] {
                self.step(&step);
                self.check();
            }
            if self.delivered == wanted {
                return;
            }
        }
        panic!("{} of {wanted} bytes arrived", self.delivered);
    }
}

impl Cap {
    fn bytes(self) -> u32 {
        match self {
            Self::Full => CAP,
            Self::Narrow => WINDOW,
            Self::None => 0,
        }
    }
}

const WINDOW: u32 = 256 * 1024;
const CAP: u32 = 4 * 1024 * 1024;
/// A reader that returns a whole window at a time lets a sender pass a window per two rounds, in steps of 32 KiB at the least.
const ROUNDS_MAX: u32 = 1000;
