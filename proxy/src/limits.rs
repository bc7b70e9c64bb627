//! Every bound of the proxy, with its default and its reason.

use std::time::Duration;

/// The bounds that one proxy holds its peers to. All are configurable; the defaults are those of the threat table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Live streams that one peer may have opened: enough for a page, and what stock peers allow.
    pub streams_per_session_max: usize,
    /// Names that one session may hold.
    pub names_per_session_max: usize,
    /// Clients that a server gets at once unless it says `clients_max`: a stock yamux peer dies of more.
    pub clients_max: usize,
    /// Opens on their way to one server that it has not answered; the next one waits its turn.
    pub unreplied_opens_max: usize,
    /// Bytes of a peer's open or reply.
    pub open_bytes_max: usize,
    /// Nesting of the JSON in an open or reply, `meta` included.
    pub open_depth_max: usize,
    /// How long a peer may take to send its whole open.
    pub open_timeout: Duration,
    /// How long a connect waits for a name that nobody holds, unless it says `wait`.
    pub wait_default: Duration,
    /// The longest `wait` that a connect may ask for, and how long a paused name is waited for.
    pub wait_max: Duration,
    /// How long a server may take to answer an open.
    pub reply_timeout: Duration,
    /// How long a refused stream is drained before it is reset.
    pub refused_linger: Duration,
    /// Between two pings of the proxy to a peer (± 20 %).
    pub ping_interval: Duration,
    /// A session is dead when nothing came from its peer for this long.
    pub silence_max: Duration,
    /// A peer that takes nothing off its socket for this long is cut.
    pub write_stall_max: Duration,
    /// How long a connection may take to become a session.
    pub establish_timeout: Duration,
    /// Connections that may be waiting for their upgrade or be open at once.
    pub connections_max: usize,
    /// Events that a subscriber may lag behind before it misses some.
    pub events_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams_per_session_max: 1024,
            names_per_session_max: 32,
            clients_max: 500,
            unreplied_opens_max: 256,
            open_bytes_max: 8 * 1024,
            open_depth_max: 16,
            open_timeout: Duration::from_secs(10),
            wait_default: Duration::from_secs(2),
            wait_max: Duration::from_secs(15),
            reply_timeout: Duration::from_secs(15),
            refused_linger: Duration::from_secs(5),
            ping_interval: Duration::from_secs(20),
            silence_max: Duration::from_secs(45),
            write_stall_max: Duration::from_secs(10),
            establish_timeout: Duration::from_secs(10),
            connections_max: 16 * 1024,
            events_buffer: 1024,
        }
    }
}
