//! Every bound and timer of resumable streams.

use std::time::Duration;

/// The bounds, each with its reason. The defaults are the specification's; a test takes smaller ones.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes that a peer may send before it was told of any room. Both ends assume it, so both must have the same.
    pub window_min: u64,
    /// What a window may grow to: one second at 64 Mbit/s.
    pub window_max: u64,
    /// Bytes kept for repeating without taking of the budget; a writer waits beyond them when that is used up.
    pub replay_min: u64,
    /// Bytes kept for repeating, if the budget has them and the peer's window is not larger.
    pub replay: u64,
    /// What they may grow to with the peer's window.
    pub replay_max: u64,
    /// The longest payload of a DATA record that is sent.
    pub data_max: u32,
    /// The most bytes behind an open.
    pub early_max: u32,
    /// So many new bytes are acknowledged at once, or a quarter of the window if that is less.
    pub ack_bytes: u64,
    /// Fewer are acknowledged this long after the first.
    pub ack_delay: Duration,
    /// The longest pause between two tries to open a proxy carrier.
    pub reopen_max: Duration,
    /// The longest pause before the first; it doubles with each.
    pub reopen_min: Duration,
    /// From the open of a proxy carrier until it is proven.
    pub handshake_proxy: Duration,
    /// The same of a direct one.
    pub handshake_direct: Duration,
    /// From a carrier's open until it is proven, at the server.
    pub unproven: Duration,
    /// Unproven carriers of one session; beyond that the oldest that said nothing goes.
    pub unproven_max: u32,
    /// A client that had no proven carrier for this long gives up.
    pub grace: Duration,
    /// So much longer than the grace does a server remember: a client may notice a death up to 45 s later.
    pub hold_extra: Duration,
    /// A clock that is this late has slept: one more try before the stream is lost.
    pub sleep: Duration,
    /// Silence on a proxy carrier, while something is outstanding, until it is asked.
    pub quiet_proxy: Duration,
    /// The same on a direct one.
    pub quiet_direct: Duration,
    /// Silence on a proxy carrier after the question until it is dead.
    pub dead_proxy: Duration,
    /// The same on a direct one.
    pub dead_direct: Duration,
    /// Between two moves by choice.
    pub choice: Duration,
    /// How long a sender that moves by choice waits for acknowledgements, to repeat less; zero: it does not wait.
    pub choice_wait: Duration,
    /// Proven carriers of one stream.
    pub carriers_max: usize,
    /// Proven carriers that may break without one new byte in between.
    pub broken_max: u32,
    /// Ended streams that a server remembers, about 250 bytes each.
    pub tombstones_max: usize,
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            window_min: 256 * KIB,
            window_max: 8 * MIB,
            replay_min: 256 * KIB,
            replay: MIB,
            replay_max: 8 * MIB,
            data_max: super::DATA_MAX,
            early_max: super::EARLY_MAX,
            ack_bytes: 256 * KIB,
            ack_delay: Duration::from_millis(50),
            reopen_max: seconds(5),
            reopen_min: Duration::from_millis(100),
            handshake_proxy: seconds(15),
            handshake_direct: seconds(3),
            unproven: seconds(10),
            unproven_max: 64,
            grace: seconds(120),
            hold_extra: seconds(60),
            sleep: seconds(5),
            quiet_proxy: seconds(5),
            quiet_direct: seconds(1),
            dead_proxy: seconds(10),
            dead_direct: seconds(2),
            choice: seconds(1),
            choice_wait: Duration::from_millis(200),
            carriers_max: 4,
            broken_max: 3,
            tombstones_max: 65_536,
        }
    }
}
