//! What the process refused and did so far, as numbers that only grow: never a name or an address.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use browser_stream_mux::Code;

use crate::error::RefusalCode;

/// Makes the enum and its stable names from one table. Nothing here makes a value of the enum, so that the compiler warns of a kind that nobody counts.
macro_rules! refusals {
    ($($(#[$doc:meta])* $kind:ident = $name:literal),* $(,)?) => {
        /// Why a peer did not get what it asked for, or was cut.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Refusal {
            $($(#[$doc])* $kind,)*
        }

        /// The stable names, for logs and metrics, in the order of the kinds.
        const REFUSALS: &[&str] = &[$($name,)*];
    };
}

/// What the process did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A session began.
    Session,
    /// One that HTTP carries.
    SessionOverHttp,
    /// One that WebTransport carries.
    #[cfg(feature = "webtransport")]
    SessionOverWebTransport,
    /// Somebody got a name.
    NameHeld,
    /// Its holder has it no longer.
    NameFreed,
    /// A stream whose ends go on with it over other connections.
    Resumable,
    /// A connection that such a stream went on over.
    CarrierMove,
    /// A message that came on a channel.
    ChannelMessage,
    /// A reader that one was handed to.
    ChannelDelivery,
    /// A byte of a channel that was read at another node.
    #[cfg(feature = "cluster")]
    ChannelFromNodes,
    /// A body of a session over HTTP went on to the node that has it.
    #[cfg(feature = "cluster")]
    UpPassedOn,
    /// An event that came in a room.
    RoomEvent,
    /// A member that one was for.
    RoomDelivery,
    /// A peer of a swarm said what it holds.
    SwarmAnnounce,
    /// What it holds no longer.
    SwarmWithdraw,
    /// That all holds on.
    SwarmRenew,
    /// One asked who has a content.
    SwarmFind,
    /// A report counted that somebody was of no use.
    SwarmFailure,
    /// Somebody was left out for such reports.
    SwarmLeftOut,
    /// What was announced and not renewed was forgotten.
    SwarmExpired,
    /// It was looked how long a task waits for its turn.
    #[cfg_attr(not(feature = "metrics"), expect(dead_code))]
    Poll,
    /// A nanosecond that it waited.
    PollDelay,
}

refusals! {
    /// Connections: as many as there may be are open.
    Connections = "connections",
    /// Connections: the process has no file descriptors left.
    Descriptors = "descriptors",
    /// Connections: too many that are no sessions from one address.
    ConnectionsPerAddress = "connections_per_address",
    /// Upgrades: too many sessions from one address.
    SessionsPerAddress = "sessions_per_address",
    /// Upgrades shed, or streams reset, because the memory budget of the process is used up.
    Budget = "budget",
    /// Upgrades, and opens of streams, while the proxy goes down.
    Draining = "draining",
    /// Requests for another host, or from a page of another origin.
    Gate = "gate",
    /// Upgrades: requests that are no handshake of a WebSocket, or of another version or subprotocol.
    Handshake = "handshake",
    /// Bodies for sessions over HTTP: of no connection, out of turn, too long, not come to their end, or for a node that is not to be reached.
    HttpUp = "http_up",
    /// Connections to a port that speaks TLS, by a peer that does not, or not as we do.
    #[cfg_attr(not(feature = "tls"), expect(dead_code))]
    Tls = "tls",
    /// Connections to the cluster's port, of who is no node of it.
    #[cfg_attr(not(feature = "cluster"), expect(dead_code))]
    ClusterHandshake = "cluster_handshake",
    /// Connections of HTTP/2 that only cost: requests that were taken back as soon as made, or heads without an end.
    #[cfg_attr(not(feature = "tls"), expect(dead_code))]
    Http2Flood = "http2_flood",
    /// Requests whose head is too large.
    HeaderTooLarge = "header_too_large",
    /// Requests by HTTP to servers: as many are under way as may be.
    HttpRequests = "http_requests",
    /// Such requests: as many are under way to that name.
    HttpRequestsPerName = "http_requests_per_name",
    /// Such requests: as many are under way from that address.
    HttpRequestsPerAddress = "http_requests_per_address",
    /// Such requests that are none: without a host, of another version, or of a method that is no server's to answer.
    HttpRequest = "http_request",
    /// Answers of servers that are none, or whose heads are too large.
    HttpResponse = "http_response",
    /// Such requests that a server did not answer in time, or that moved nothing for too long.
    HttpTimeout = "http_timeout",
    /// STUN requests that were not answered: too many from one address, or in all.
    StunRate = "stun_rate",
    /// Connections that did not become a session in time.
    EstablishTimeout = "establish_timeout",
    /// Opens: the peer has too many live streams.
    StreamsPerSession = "streams_per_session",
    /// Opens: the peer opens faster than it may.
    OpenRate = "open_rate",
    /// Opens that are oversized, malformed, cut short, or of no valid name.
    BadOpen = "bad_open",
    /// Opens of who shows no token that the proxy knows, and tokens that it does not.
    Unauthorized = "unauthorized",
    /// Opens of who is known and has not the right.
    Forbidden = "forbidden",
    /// Opens, and sessions, beyond what a token allows.
    Quota = "quota",
    /// Opens that the peer did not finish in time.
    OpenTimeout = "open_timeout",
    /// Claims: the peer holds as many names as it may.
    NamesPerSession = "names_per_session",
    /// Names that were free at once when their leased owner's session went: as many are suspended as may be.
    SuspendedNames = "suspended_names",
    /// Claims that would stand by: as many do for that name as may.
    StandbysPerName = "standbys_per_name",
    /// Watches: as many watch that name as may.
    WatchersPerName = "watchers_per_name",
    /// Listings of names: as many go on as may.
    Listings = "listings",
    /// Connects: the server has as many clients as it takes.
    ClientsMax = "clients_max",
    /// Connects whose turn did not come, at a server with too many unanswered opens.
    Unreplied = "unreplied",
    /// Connects that the server did not answer in time.
    ReplyTimeout = "reply_timeout",
    /// Replies that are oversized, malformed, missing, or say what a server may not: `internal` for whoever asked.
    BadReply = "bad_reply",
    /// Notes that are oversized or malformed: the stream that they came on is reset.
    BadNote = "bad_note",
    /// Opens of channels: as many are there as may be.
    Channels = "channels",
    /// Publishers and subscribers of a channel that has as many as it may.
    ChannelMembers = "channel_members",
    /// Publishers reset because a message was too long, or what they sent was no record.
    ChannelRecord = "channel_record",
    /// Subscribers disconnected because they fell too far behind.
    ChannelLagging = "channel_lagging",
    /// Messages left out for a subscriber that was behind.
    ChannelSkipped = "channel_skipped",
    /// Publishers read more slowly, once for each pause, because their messages have too many subscribers.
    ChannelRateSlowed = "channel_rate_slowed",
    /// Joins: as many rooms are there as may be.
    Rooms = "rooms",
    /// Joins of a room that has as many members as it may.
    RoomMembers = "room_members",
    /// Joins of a session that is in as many rooms as it may.
    RoomsPerSession = "rooms_per_session",
    /// Joins that the program did not allow, and events for all rooms of who may not send such.
    RoomForbidden = "room_forbidden",
    /// Members reset because what they sent was no record of a room.
    RoomRecord = "room_record",
    /// Members reset because they fell too far behind.
    RoomLagging = "room_lagging",
    /// Events left out for a member that was behind or away.
    RoomSkipped = "room_skipped",
    /// Seats that were not kept when their members' connections went: as many are as may be.
    RoomAbsent = "room_absent",
    /// Asks of a member of whose asks as many wait as may.
    RoomAsks = "room_asks",
    /// Members read more slowly, once for each pause, because their events have too many addressees.
    RoomRateSlowed = "room_rate_slowed",
    /// Watches of the directory of rooms: as many go on as may.
    RoomWatchers = "room_watchers",
    /// Notes to a tracker that are oversized or malformed.
    SwarmNote = "swarm_note",
    /// Announcements under a name that the session does not hold.
    SwarmName = "swarm_name",
    /// Contents that were not taken: as many are held as may be.
    SwarmContents = "swarm_contents",
    /// Contents that were not taken: the session announces as many as it may.
    SwarmContentsPerSession = "swarm_contents_per_session",
    /// Holders of a content that has as many as it may.
    SwarmHolders = "swarm_holders",
    /// Notes to a tracker, and opens, of a session that says too much.
    SwarmRate = "swarm_rate",
    /// Streams to a tracker that were reset for that.
    SwarmRateCut = "swarm_rate_cut",
    /// Opens to a session with too much queued.
    QueueBusy = "queue_busy",
    /// Streams reset because too much was queued for their session.
    QueueReset = "queue_reset",
    /// Waiting opens reset because too many bytes wait behind opens.
    WaitingBytes = "waiting_bytes",
    /// Streams of which one direction finished and the other was silent for too long.
    HalfClosed = "half_closed",
    /// Sessions read more slowly, once for each pause, because of frames that move nothing.
    MiscRateSlowed = "misc_rate_slowed",
    /// Sessions cut for frames that move nothing.
    MiscRateCut = "misc_rate_cut",
    /// Sessions read more slowly, once for each pause, because of WebSocket pings, pongs and empty frames.
    TransportRateSlowed = "transport_rate_slowed",
    /// Sessions cut for WebSocket pings, pongs and empty frames.
    TransportRateCut = "transport_rate_cut",
    /// WebSocket pings that were not answered, because others came right behind them.
    PongsDropped = "pongs_dropped",
    /// Sessions cut for opening streams far faster than they may.
    OpenRateCut = "open_rate_cut",
    /// Sessions cut because the peer took nothing off its connection.
    WriteStall = "write_stall",
    /// Sessions cut because nothing came from the peer.
    Dead = "dead",
    /// Sessions cut because the peer violated the mux's protocol.
    Violation = "violation",
    /// Sessions cut because the peer violated the WebSocket's protocol.
    Transport = "transport",
    /// Sessions cut for a text message.
    Text = "text",
}

impl Refusal {
    /// The stable name.
    pub fn name(self) -> &'static str {
        REFUSALS.get(self as usize).copied().unwrap_or_default()
    }
}

/// So that a set of them fits into two words.
const _: () = assert!(REFUSALS.len() <= u128::BITS as usize);

/// One counter for each [`Refusal`], each [`Deed`], and each way in which an open is answered.
#[derive(Debug)]
pub(crate) struct Counters {
    refusals: Arc<[AtomicU64; REFUSALS.len()]>,
    deeds: [AtomicU64; Deed::PollDelay as usize + 1],
    /// Accepted, refused with one of our codes, refused as only an application does.
    opens: [AtomicU64; APPLICATION + 1],
}

/// Where refusals with an application's code are counted; before it stand those with ours, by their numbers, and what was accepted.
const APPLICATION: usize = Code::ALL.len() + 1;

/// Whether the proxy refuses opens with this code. The others are of streams that go on, or are never said to it: who refuses an open with one is an application.
const fn refuses(code: Code) -> bool {
    !matches!(code, Code::Lagging | Code::Tampered | Code::KeyChanged)
}

impl Counters {
    /// All at zero.
    pub fn new() -> Self {
        fn zeros<const N: usize>() -> [AtomicU64; N] {
            std::array::from_fn(|_| AtomicU64::new(0))
        }
        Self { refusals: Arc::new(zeros()), deeds: zeros(), opens: zeros() }
    }

    /// Of another kind of sessions: what is refused there counts here, what is done there does not.
    #[cfg(feature = "admin")]
    pub fn aside(&self) -> Self {
        Self { refusals: self.refusals.clone(), ..Self::new() }
    }

    /// One refusal more. Cheap enough for every refused open.
    pub fn count(&self, refusal: Refusal) {
        self.add(refusal, 1);
    }

    /// So many more; none is for nothing.
    pub fn add(&self, refusal: Refusal, times: u64) {
        add(&*self.refusals, refusal as usize, times);
    }

    /// One deed more.
    pub fn done(&self, deed: Deed) {
        self.did(deed, 1);
    }

    /// So many more; none is for nothing.
    pub fn did(&self, deed: Deed, times: u64) {
        add(&self.deeds, deed as usize, times);
    }

    #[cfg(feature = "metrics")]
    /// A task that was ready waited so long for its turn.
    pub fn waited(&self, delay: std::time::Duration) {
        self.done(Deed::Poll);
        self.did(Deed::PollDelay, u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX));
    }

    /// An open was accepted.
    pub fn accepted(&self) {
        add(&self.opens, 0, 1);
    }

    /// An open was refused with this code.
    pub fn refused(&self, code: RefusalCode) {
        let place = match code {
            RefusalCode::Known(code) if refuses(code) => code.number() as usize,
            _ => APPLICATION,
        };
        add(&self.opens, place, 1);
    }

    /// How often so far.
    #[cfg(test)]
    pub fn of(&self, refusal: Refusal) -> u64 {
        self.refusals.get(refusal as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// All refusals, those at zero included, under their stable names and always in the same order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REFUSALS.iter().copied().zip(numbers(&*self.refusals))
    }

    #[cfg(feature = "metrics")]
    /// How often it was done so far.
    pub fn deeds(&self, deed: Deed) -> u64 {
        self.deeds.get(deed as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    #[cfg(feature = "metrics")]
    /// How opens were answered, in the same way: `accepted`, a code that the proxy refuses them with, or `application`.
    pub fn opens(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let codes = Code::ALL.iter().map(|&code| refuses(code).then_some(code.as_str()));
        let results = std::iter::once(Some("accepted")).chain(codes).chain(std::iter::once(Some("application")));
        results.zip(numbers(&self.opens)).filter_map(|(result, count)| result.map(|result| (result, count)))
    }
}

fn add(counters: &[AtomicU64], place: usize, times: u64) {
    if let Some(counter) = counters.get(place).filter(|_| times > 0) {
        counter.fetch_add(times, Ordering::Relaxed);
    }
}

fn numbers(counters: &[AtomicU64]) -> impl Iterator<Item = u64> {
    counters.iter().map(|counter| counter.load(Ordering::Relaxed))
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_kind_has_a_counter_and_a_name_of_its_own() {
        let counters = Counters::default();
        counters.count(Refusal::Connections);
        counters.add(Refusal::Text, 2);
        let told: Vec<_> = counters.iter().collect();
        assert_eq!((told.first(), told.last()), (Some(&("connections", 1)), Some(&("text", 2))));
        assert_eq!(told.iter().map(|&(_, count)| count).sum::<u64>(), 3, "{told:?}");
        assert_eq!(counters.of(Refusal::Text), 2);
        assert_eq!(told.iter().map(|&(name, _)| name).collect::<HashSet<_>>().len(), told.len());
    }

    #[cfg(feature = "metrics")]
    #[test]
    fn an_open_is_refused_with_what_is_said_of_opens_or_as_an_application_does() {
        let counters = Counters::default();
        counters.accepted();
        let codes = [Code::NotFound.into(), Code::Internal.into(), Code::Lagging.into(), Code::Tampered.into(), Code::KeyChanged.into()];
        codes.into_iter().chain([RefusalCode::Application(4001)]).for_each(|code| counters.refused(code));
        let counted: Vec<_> = counters.opens().filter(|&(_, count)| count > 0).collect();
        assert_eq!(counted, [("accepted", 1), ("not_found", 1), ("internal", 1), ("application", 4)]);
        assert!(counters.opens().all(|(result, _)| !["lagging", "tampered", "key_changed"].contains(&result)));
    }

    #[test]
    fn threat_21_names_are_fixed_words() {
        let fits =
            |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(Counters::default().iter().all(|(name, _)| fits(name)));
    }
}
