//! Every bound of the proxy, with its default and its reason.

use std::time::Duration;

/// The bounds that one proxy holds its peers to. All are configurable; the defaults are those of the threat table.
///
/// Per session where nothing else is said. In the configuration file they stand in `[limits]` under these names, times as `…_ms`.
///
/// ```
/// use browser_stream_server::{Config, Limits};
///
/// let mut config = Config::default();
/// config.limits.names_per_session_max = 4;
/// assert!(config.limits.names_per_session_max < Limits::default().names_per_session_max);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Live streams that one peer may have opened: enough for a page, and what stock peers allow.
    pub streams_per_session_max: usize,
    /// Names that one session may hold.
    pub names_per_session_max: usize,
    /// How long a name with a lease is kept for its owner after its session went: long enough for a reload, a change of network or a
    /// restart of the proxy.
    pub lease_grace: Duration,
    /// Names of one prefix that may be suspended at once, about 1 KiB each; beyond, a name is free when its session goes.
    pub suspended_names_max: usize,
    /// Claims that may stand by for one name.
    pub standbys_per_name_max: usize,
    /// Streams that may watch one name.
    pub watchers_per_name_max: usize,
    /// The least time between two notes of a watch: a name that flaps must not cost each watcher as much as it costs its owner.
    pub watch_interval: Duration,
    /// Tokens of which the authorizer judges who shows them at this moment, in the whole process: the next one waits its turn, and is refused
    /// `busy` where that takes longer than an open may. A signature costs time, and an authorizer of the program's own may ask elsewhere.
    pub judgements_max: usize,
    /// Streams that may list the names of one prefix at this moment.
    pub listings_max: usize,
    /// Names that one of them is told.
    pub listed_names_max: usize,
    /// The least time between two of them: to look through all names costs as much as there are.
    pub list_interval: Duration,
    /// Clients that a server gets at once unless it says `clients_max`: a stock yamux peer dies of more.
    pub clients_max: usize,
    /// Opens on their way to one server that it has not answered; the next one waits its turn.
    pub unreplied_opens_max: usize,
    /// Streams that a peer may open in a second for ever: far above a page, far below what would keep a core busy. Beyond them, and the
    /// burst, an open is refused `limit`; a peer that goes on ten times as fast is cut.
    pub opens_per_second: usize,
    /// Streams that a peer may open at once, on top of the rate: a server whose clients all come back after a restart.
    pub opens_burst: usize,
    /// Frames that move nothing (window updates, pings, resets, empty ones, the WebSocket's own among them) which a peer may send in a second beyond those that its
    /// traffic gives it for nothing. Stock peers send a handful; 1,000 cost a core less than a thousandth of its time.
    pub misc_frames_per_second: usize,
    /// Such frames at once, on top of the rate. A peer that owes more is read after a pause, one that owes ten times as many is cut.
    pub misc_frames_burst: usize,
    /// Live sessions from one address, an IPv6 /64 counting as one: many tabs behind one office's router, not one program that takes
    /// all places. Behind a trusted proxy the address that it names.
    pub sessions_per_address_max: usize,
    /// Connections from one address that are no sessions, or not yet: enough for a crowd of browsers behind one router to load their pages.
    /// Counted as sessions are; one too many is answered 429, or nothing where many are.
    pub connections_per_address_max: usize,
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
    /// How long a stream of which one direction has finished may be without a byte in the other: long enough for an answer that takes
    /// minutes, and an end for streams that somebody forgot. The stream is reset `timeout`.
    pub half_closed_timeout: Duration,
    /// Bytes that may wait behind opens for an answer: sixteen first windows. Beyond, the newest waiting open is reset `limit`.
    pub waiting_bytes_max: usize,
    /// Bytes queued for a session from which on its streams' windows count as 256 KiB: a peer that takes less than it is sent.
    pub queued_cap_falls_at_bytes: usize,
    /// Bytes queued for a session from which on new opens to it are refused `busy`: two seconds at 4 MiB/s, nobody is served well there.
    pub queued_busy_at_bytes: usize,
    /// Bytes queued for a session from which on its fullest stream is reset `limit`: what credit already granted can still pile up.
    pub queued_reset_at_bytes: usize,
    /// Bytes that all sessions of the process may hold in buffers and queues; above, new sessions are shed, and no credit is given.
    pub memory_budget_bytes: usize,
    /// Between two pings of the proxy to a peer (± 20 %).
    pub ping_interval: Duration,
    /// A session is dead when nothing came from its peer for this long.
    pub silence_max: Duration,
    /// A peer that takes nothing off its socket for this long is cut.
    pub write_stall_max: Duration,
    /// How long a connection may take to become a session.
    pub establish_timeout: Duration,
    /// STUN requests of one address that are answered in a second for ever: a page that looks for its way out sends a handful.
    pub stun_per_address_per_second: usize,
    /// Such requests at once, on top of the rate: an office behind one router.
    pub stun_per_address_burst: usize,
    /// STUN requests that are answered in a second in all.
    pub stun_per_second: usize,
    /// Bodies that one session over HTTP may have under way: two, and each once again where its connection broke.
    pub http_ups_max: usize,
    /// Bytes of one such body: a second of a fast line, and memory until its turn comes.
    pub http_up_bytes_max: usize,
    /// Requests by HTTP to servers that are under way at once, WebSockets among them: each holds a stream.
    pub http_requests_max: usize,
    /// Those of them to one name: what a tab can well do at once, and half of the clients that it takes.
    pub http_requests_per_name_max: usize,
    /// Those of them from one address, which is counted as for sessions: a browser asks six times, or over HTTP/2 100 times at once.
    pub http_requests_per_address_max: usize,
    /// Bytes of the head of a request to a server, and of that of its answer.
    pub http_head_bytes_max: usize,
    /// How long a server may take to begin its answer, from when it was sent something last.
    pub http_response_timeout: Duration,
    /// How long such a request or its answer may move nothing: long enough for a film that is paused, and an end for what somebody forgot. Events are to be sent more often.
    pub http_idle_timeout: Duration,
    /// The same for a WebSocket to a server.
    pub http_websocket_idle_timeout: Duration,
    /// Connections that may be waiting for their upgrade or be open at once.
    pub connections_max: usize,
    /// How long sessions may take to go when the program is told to end; what is left then is closed.
    pub drain_timeout: Duration,
    /// Events that a subscriber may lag behind before it misses some.
    pub events_buffer: usize,
    /// Channels at once, about 2 KiB each beside what they keep.
    pub channels_max: usize,
    /// Who publish in one channel at once: for many to many there are rooms.
    pub channel_publishers_max: usize,
    /// Who subscribe to one channel at once, about 1 KiB each: a message costs the proxy as much work as it has subscribers.
    pub channel_readers_max: usize,
    /// Bytes of one message: what a page can well put together. The proxy itself keeps none whole.
    pub channel_message_bytes_max: usize,
    /// The most that a channel keeps for who subscribes later.
    pub channel_replay_bytes_max: usize,
    /// What may wait for a subscriber that is behind, where the channel's policy is to drop or disconnect.
    pub channel_queue_bytes_max: usize,
    /// How long a subscriber whose channel waits for it may take nothing.
    pub channel_stall_max: Duration,
    /// Parts of messages, times subscribers, that one session may cause in a second: a few hundred nanoseconds each, so a tenth of a core.
    pub channel_deliveries_per_second: usize,
    /// Such deliveries at once, on top of the rate; beyond, the session's publishers are read no faster. Both hold for what it sends in rooms, too.
    pub channel_deliveries_burst: usize,
    /// Rooms at once, about 4 KiB each beside their members.
    pub rooms_max: usize,
    /// Who have a seat in one room, about 2 KiB each beside what is kept for them: an event costs the proxy as much work as the room has members.
    pub room_members_max: usize,
    /// Rooms that one session is in at once: a person's chats, not a crawl.
    pub rooms_per_session_max: usize,
    /// Bytes of one event's arguments, 1 MiB at most: an image by drop goes in one; what is longer is a stream's.
    pub room_event_bytes_max: usize,
    /// Records that are kept for a member that has not acknowledged them.
    pub room_kept_events_max: usize,
    /// Bytes of them.
    pub room_kept_bytes_max: usize,
    /// Bytes that may wait in the session of a member that reads slowly, before events are left out for it.
    pub room_queue_bytes_max: usize,
    /// Seats in the process whose members' connections are gone: beyond, who loses its connection has left at once.
    pub room_absent_max: usize,
    /// Asks of one member that wait for answers at once.
    pub room_asks_max: usize,
    /// How long a seat is kept without a connection: a phone in a tunnel, a page that reloads.
    pub room_grace: Duration,
    /// Who watch the directory of rooms at once.
    pub room_watchers_max: usize,
    /// Between two changes that one who watches the directory is told of.
    pub room_list_interval: Duration,
    /// Contents that peers of a swarm hold, in all, about half a KiB each beside its holders.
    pub swarm_contents_max: usize,
    /// Contents that one session announces: what a page may have kept.
    pub swarm_contents_per_session_max: usize,
    /// Who hold one content, about a quarter of a KiB each, and the bits of its pieces; whoever comes then still finds those.
    pub swarm_holders_max: usize,
    /// Candidates that one find is told: more than a page connects to.
    pub swarm_candidates_max: usize,
    /// Notes to a tracker that a session may send in a second: a page finds and announces a handful. Those beyond are refused, ten times beyond the stream is reset.
    pub swarm_notes_per_second: usize,
    /// Such notes at once, on top of the rate: a page of pictures that all are to be found.
    pub swarm_notes_burst: usize,
    /// How often a peer says that what it announced holds on; what it does not say so of for three times as long is forgotten.
    pub swarm_renew: Duration,
    /// How long a holder that was of no use, as several say, is told to nobody.
    pub swarm_left_out: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams_per_session_max: 1024,
            names_per_session_max: 32,
            lease_grace: Duration::from_secs(120),
            suspended_names_max: 16 * 1024,
            standbys_per_name_max: 256,
            watchers_per_name_max: 1024,
            watch_interval: Duration::from_millis(100),
            judgements_max: 64,
            listings_max: 64,
            listed_names_max: 10_000,
            list_interval: Duration::from_millis(10),
            clients_max: 500,
            unreplied_opens_max: 256,
            opens_per_second: 2000,
            opens_burst: 10_000,
            misc_frames_per_second: 1000,
            misc_frames_burst: 10_000,
            sessions_per_address_max: 256,
            connections_per_address_max: 256,
            open_bytes_max: 8 * 1024,
            open_depth_max: 16,
            open_timeout: Duration::from_secs(10),
            wait_default: Duration::from_secs(2),
            wait_max: Duration::from_secs(15),
            reply_timeout: Duration::from_secs(15),
            refused_linger: Duration::from_secs(5),
            half_closed_timeout: Duration::from_secs(5 * 60),
            waiting_bytes_max: 4 * MIB,
            queued_cap_falls_at_bytes: MIB,
            queued_busy_at_bytes: 8 * MIB,
            queued_reset_at_bytes: 64 * MIB,
            memory_budget_bytes: 1024 * MIB,
            ping_interval: Duration::from_secs(20),
            silence_max: Duration::from_secs(45),
            write_stall_max: Duration::from_secs(10),
            establish_timeout: Duration::from_secs(10),
            stun_per_address_per_second: 20,
            stun_per_address_burst: 200,
            stun_per_second: 5000,
            http_ups_max: 4,
            http_up_bytes_max: MIB,
            http_requests_max: 4096,
            http_requests_per_name_max: 256,
            http_requests_per_address_max: 128,
            http_head_bytes_max: 32 * 1024,
            http_response_timeout: Duration::from_secs(30),
            http_idle_timeout: Duration::from_secs(5 * 60),
            http_websocket_idle_timeout: Duration::from_secs(10 * 60),
            connections_max: 16 * 1024,
            drain_timeout: Duration::from_secs(30),
            events_buffer: 1024,
            channels_max: 1024,
            channel_publishers_max: 64,
            channel_readers_max: 1024,
            channel_message_bytes_max: 16 * MIB,
            channel_replay_bytes_max: MIB,
            channel_queue_bytes_max: MIB,
            channel_stall_max: Duration::from_secs(10),
            channel_deliveries_per_second: 200_000,
            channel_deliveries_burst: 200_000,
            rooms_max: 1024,
            room_members_max: 1024,
            rooms_per_session_max: 64,
            room_event_bytes_max: MIB,
            room_kept_events_max: 256,
            room_kept_bytes_max: MIB,
            room_queue_bytes_max: MIB,
            room_absent_max: 4096,
            room_asks_max: 256,
            room_grace: Duration::from_secs(120),
            room_watchers_max: 1024,
            room_list_interval: Duration::from_millis(250),
            swarm_contents_max: 64 * 1024,
            swarm_contents_per_session_max: 4096,
            swarm_holders_max: 4096,
            swarm_candidates_max: 32,
            swarm_notes_per_second: 100,
            swarm_notes_burst: 1000,
            swarm_renew: Duration::from_secs(60),
            swarm_left_out: Duration::from_secs(60),
        }
    }
}

const MIB: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_threat_table() {
        let limits = Limits::default();
        let seconds = |time: Duration| time.as_millis() as usize / 1000;
        for (what, ours, table) in [
            ("TCP to established", seconds(limits.establish_timeout), 10),
            ("ping", seconds(limits.ping_interval), 20),
            ("dead", seconds(limits.silence_max), 45),
            ("write stall", seconds(limits.write_stall_max), 10),
            ("reply", seconds(limits.reply_timeout), 15),
            ("half-closed", seconds(limits.half_closed_timeout), 5 * 60),
            ("lease", seconds(limits.lease_grace), 120),
            ("drain", seconds(limits.drain_timeout), 30),
            ("open and reply", limits.open_bytes_max, 8 * 1024),
            ("JSON depth", limits.open_depth_max, 16),
            ("the ladder's first step", limits.queued_cap_falls_at_bytes, MIB),
            ("its second", limits.queued_busy_at_bytes, 8 * MIB),
            ("its third", limits.queued_reset_at_bytes, 64 * MIB),
            ("the process", limits.memory_budget_bytes, 1024 * MIB),
            ("before a splice", limits.waiting_bytes_max, 4 * MIB),
            ("streams of a peer", limits.streams_per_session_max, 1024),
            ("clients of a server that says nothing", limits.clients_max, 500),
            ("unreplied opens", limits.unreplied_opens_max, 256),
            ("names", limits.names_per_session_max, 32),
            ("sessions of an address", limits.sessions_per_address_max, 256),
            ("opens in a second", limits.opens_per_second, 2000),
            ("opens at once", limits.opens_burst, 10_000),
            ("frames that move nothing in a second", limits.misc_frames_per_second, 1000),
            ("such frames at once", limits.misc_frames_burst, 10_000),
        ] {
            assert_eq!(ours, table, "{what}");
        }
    }
}
