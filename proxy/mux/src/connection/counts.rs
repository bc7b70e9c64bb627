//! What went over one session, and over one stream, as numbers that only grow.

use std::ops::AddAssign;

/// What passed so far, for a caller that charges its peer for frames that move nothing.
///
/// A frame of the peer's counts as one kind at most: `opens` before `resets` before payload (which no kind counts) before `fins`, `acks`,
/// `updates` and `empty`.
///
/// ```
/// use std::time::Instant;
///
/// use browser_stream_mux::{Config, Connection, OpenError, Outbound, Role};
/// use bytes::Bytes;
///
/// let now = Instant::now();
/// let mut opener = Connection::<()>::new(Role::Opener, Config::default(), now);
/// let id = opener.open(())?;
/// opener.send(id, Bytes::from_static(b"ping"));
/// assert_eq!(opener.get(id).map(|view| (view.queued, view.finished)), Some((4, false)));
///
/// opener.transmit(usize::MAX, &mut Outbound::new());
/// assert_eq!((opener.counts().opened, opener.counts().bytes_sent), (1, 4));
/// let (_, moved, queued, _) = opener.survey().next().expect("it lives");
/// assert_eq!((moved.sent, queued), (4, 0));
///
/// opener.go_away(0);
/// assert_eq!(opener.open(()), Err(OpenError::GoneAway));
/// # Ok::<(), OpenError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames of any kind.
    pub frames: u64,
    /// Bytes of payload, also of what nobody wants.
    pub bytes: u64,
    /// Streams that the peer opened.
    pub opens: u64,
    /// Frames with RST, on a stream that was opened before.
    pub resets: u64,
    /// Frames with FIN and without payload.
    pub fins: u64,
    /// Frames with ACK and without payload.
    pub acks: u64,
    /// WINDOW_UPDATEs without a flag.
    pub updates: u64,
    /// DATA frames without payload or flag.
    pub empty: u64,
    /// PINGs that asked for an answer.
    pub pings: u64,
    /// Frames that no stock peer sends in earnest: SYN with RST, answers to pings that nobody sent, GO_AWAYs, payload for an id that is
    /// not live beyond the credit that the peer had on streams which we reset.
    pub stray: u64,
    /// Frames, or parts of frames, that had no meaning: for an id that is not live, unsolicited ACKs and pongs, unknown flags.
    pub dropped: u64,
    /// Streams opened here.
    pub opened: u64,
    /// DATA frames with payload that were transmitted.
    pub data_sent: u64,
    /// Bytes of payload that were.
    pub bytes_sent: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.opens += other.opens;
        self.resets += other.resets;
        self.fins += other.fins;
        self.acks += other.acks;
        self.updates += other.updates;
        self.empty += other.empty;
        self.pings += other.pings;
        self.stray += other.stray;
        self.dropped += other.dropped;
        self.opened += other.opened;
        self.data_sent += other.data_sent;
        self.bytes_sent += other.bytes_sent;
    }
}

/// What went over one stream so far, as numbers that only grow.
///
/// See [`Counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes of payload that the peer sent; those of a frame count with its header.
    pub received: u64,
    /// Bytes of payload that were transmitted.
    pub sent: u64,
}
