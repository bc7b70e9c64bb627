//! What there is at this moment, taken from sessions, names, channels and rooms: some at a time, so that nobody waits for it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::{SystemTime, UNIX_EPOCH},
};

use browser_stream_mux::{Moved, StreamId};
use tokio::{
    sync::Mutex,
    task::yield_now,
    time::{Duration, Instant},
};
use uuid::Uuid;

use super::{
    super::proxy::Inner,
    rows::{ChannelRow, MemberRow, NameRow, RoomRow, SessionRow, StreamRow},
    table::Table,
};
use crate::{
    feature::{
        channel::ChannelStatus,
        room::{MemberInfo, RoomStatus},
    },
    route::{Name, SeenName, StreamServerProxy},
    session::{SeenSession, SeenStream, Session},
};

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Sessions,
    Names,
    Streams,
    Channels,
    Rooms,
    Events,
}

impl Kind {
    /// Those that are looked at anew each time.
    pub const TABLES: [Self; 5] = [Self::Sessions, Self::Names, Self::Streams, Self::Channels, Self::Rooms];

    /// Its name, as in a path and on the live stream.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Names => "names",
            Self::Streams => "streams",
            Self::Channels => "channels",
            Self::Rooms => "rooms",
            Self::Events => "events",
        }
    }
}

/// The tables, each as it was when somebody looked last, as long as anybody keeps it: who looks at the same moment sees the same.
#[derive(Default)]
pub(super) struct Tables([Mutex<(Option<Instant>, Weak<Table>)>; Kind::TABLES.len()]);

/// So many sessions, or streams, are looked at before others have their turn.
const AT_ONCE: usize = 1000;

impl Tables {
    /// A table that is no older than this. One looks at a time, and others who wait for that see what it saw.
    pub async fn get(&self, inner: &Inner, kind: Kind, age_max: Duration) -> Arc<Table> {
        self.kept(kind, age_max, look(inner, kind)).await
    }

    /// The same of one that is made so.
    pub async fn kept(&self, kind: Kind, age_max: Duration, look: impl Future<Output = Table>) -> Arc<Table> {
        let asked = Instant::now();
        let Some(kept) = self.0.get(kind as usize) else { return Arc::default() };
        let mut kept = kept.lock().await;
        if let (Some(at), Some(table)) = (kept.0, kept.1.upgrade())
            && at + age_max >= asked
        {
            return table;
        }
        let at = Instant::now();
        let table = Arc::new(look.await);
        *kept = (Some(at), Arc::downgrade(&table));
        table
    }
}

async fn look(inner: &Inner, kind: Kind) -> Table {
    match kind {
        Kind::Sessions => Table::of(sessions(inner).await),
        Kind::Names => Table::of(names(inner).await),
        Kind::Streams => Table::of(streams(inner).await),
        Kind::Channels => Table::of(inner.channels.list().into_iter().map(channel)),
        Kind::Rooms => Table::of(inner.rooms.list().into_iter().map(room)),
        Kind::Events => Table::default(),
    }
}

async fn sessions(inner: &Inner) -> Vec<SessionRow> {
    let mut rows = Vec::new();
    for some in inner.sessions.list().chunks(AT_ONCE) {
        rows.extend(some.iter().map(|session| self::session(session.seen())));
        yield_now().await;
    }
    rows
}

/// A session as a row.
pub(super) fn session(seen: SeenSession) -> SessionRow {
    SessionRow {
        id: seen.id,
        address: seen.remote.map(|remote| remote.to_string()),
        sub: seen.sub.map(|sub| sub.to_string()),
        since_ms: seen.since_ms,
        rtt_ms: seen.rtt.map(|rtt| (rtt.as_secs_f64() * 1e6).round() / 1e3),
        streams: seen.streams,
        names: seen.names,
        received: seen.moved.received,
        sent: seen.moved.sent,
        queue: seen.queued,
        user_agent: seen.agent.map(String::from),
    }
}

/// The streams of these sessions, one session after the other.
async fn each_stream(sessions: impl IntoIterator<Item = Arc<Session>>, mut each: impl FnMut(&Session, SeenStream)) {
    let mut looked_at = 0;
    for session in sessions {
        let seen = session.seen_streams();
        looked_at += 1 + seen.len();
        seen.into_iter().for_each(|stream| each(&session, stream));
        if looked_at >= AT_ONCE {
            looked_at = 0;
            yield_now().await;
        }
    }
}

async fn streams(inner: &Inner) -> Vec<StreamRow> {
    let mut rows = Vec::new();
    // What waits at the far ends.
    let mut queued: HashMap<(Uuid, StreamId), usize> = HashMap::new();
    each_stream(inner.sessions.list(), |session, stream| {
        if stream.is_the_peers || stream.far.is_none() {
            rows.push((stream.far, self::stream(session, &stream)));
        } else if stream.queued > 0 {
            queued.insert((session.id(), stream.id), stream.queued);
        }
    })
    .await;
    let whole = |(far, mut row): (Option<(Uuid, StreamId)>, StreamRow)| {
        row.queue += far.and_then(|far| queued.get(&far)).copied().unwrap_or_default();
        row
    };
    rows.into_iter().map(whole).collect()
}

fn stream(session: &Session, seen: &SeenStream) -> StreamRow {
    let destination = seen.destination();
    let path = match &destination {
        Some(destination) => destination.path.clone(),
        None => seen.path().unwrap_or_default().to_owned(),
    };
    let is_the_peers = seen.is_the_peers;
    let (opener, acceptor) = match is_the_peers {
        true => (Some(session.id()), seen.far.map(|(far, _)| far)),
        false => (None, Some(session.id())),
    };
    let Moved { received, sent } = seen.moved;
    let kind = match path.split('/').nth(1) {
        _ if destination.is_some() || !is_the_peers => "stream",
        Some("channel") => "channel",
        Some("room") => "room",
        _ => "control",
    };
    StreamRow {
        id: format!("{}:{}", session.id(), seen.id),
        opener,
        acceptor,
        since_ms: seen.since_ms,
        received: if is_the_peers { received } else { sent },
        sent: if is_the_peers { sent } else { received },
        queue: seen.queued,
        resumable: seen.is_aside && destination.is_some(),
        kind,
        name: destination.map(|destination| destination.name).or_else(|| named(&path)),
        path: beginning(path),
    }
}

/// Bytes of a path that are shown: its peer chose it, and 10,000 of them are one answer.
const PATH_SHOWN: usize = 256;

fn beginning(mut path: String) -> String {
    if path.len() > PATH_SHOWN {
        path.truncate(path.floor_char_boundary(PATH_SHOWN - '…'.len_utf8()));
        path.push('…');
    }
    path
}

/// The name that a path is about, as people write it: what stands behind a verb is one.
fn named(path: &str) -> Option<String> {
    let (before, segment) = path.rsplit_once('/')?;
    let verb = before.rsplit('/').next()?;
    let is_about = ["listen", "connect", "watch", "publish", "subscribe", "join"].contains(&verb);
    Name::from_segment(segment).ok().filter(|_| is_about).map(|name| name.as_str().to_owned())
}

async fn names(inner: &Inner) -> Vec<NameRow> {
    let mut rows = Vec::new();
    for names in &inner.names {
        let seen = names.seen();
        let going_on = going_on(inner, names, &seen).await;
        rows.extend(seen.into_iter().map(|seen| {
            let more = going_on.get(seen.name.as_str()).copied().unwrap_or_default();
            name(names.prefix(), seen, more)
        }));
    }
    rows
}

/// What went over streams of these names that go on.
async fn going_on(inner: &Inner, names: &StreamServerProxy, seen: &[SeenName]) -> HashMap<String, Moved> {
    let owners: HashSet<Uuid> = seen.iter().filter_map(|seen| seen.session).collect();
    let mut going_on: HashMap<String, Moved> = HashMap::new();
    let owners = owners.into_iter().filter_map(|owner| inner.sessions.get(owner));
    each_stream(owners, |_, stream| {
        if let Some(destination) = stream.destination().filter(|to| !stream.is_the_peers && to.prefix == names.prefix()) {
            let moved = going_on.entry(destination.name).or_default();
            moved.received += stream.moved.received;
            moved.sent += stream.moved.sent;
        }
    })
    .await;
    going_on
}

fn name(prefix: &str, seen: SeenName, more: Moved) -> NameRow {
    NameRow {
        node: seen.kept_of.map(short),
        key: format!("{prefix}/{}", seen.name.as_str()),
        name: seen.name.as_str().to_owned(),
        prefix: prefix.to_owned(),
        session: seen.session,
        since_ms: seen.since_ms,
        state: seen.state,
        reserved: seen.is_reserved,
        generation: seen.generation,
        clients: seen.clients,
        // What its session was sent is what it received.
        received: seen.moved.sent + more.sent,
        sent: seen.moved.received + more.received,
    }
}

fn channel(status: ChannelStatus) -> ChannelRow {
    ChannelRow {
        name: status.name.as_str().to_owned(),
        publishers: status.publishers,
        subscribers: status.subscribers,
        since_ms: unix_ms(status.since),
        received: status.bytes,
        sent: status.bytes_sent,
        queue: status.queued_bytes,
        policy: serde_json::to_value(status.policy).ok().and_then(|policy| Some(policy.as_str()?.to_owned())).unwrap_or_default(),
    }
}

fn room(status: RoomStatus) -> RoomRow {
    RoomRow {
        name: status.name.as_str().to_owned(),
        members: status.here.members,
        live: status.here.live,
        since_ms: unix_ms(status.since),
        emits: status.events,
    }
}

/// A member as a row.
pub(super) fn member(info: MemberInfo) -> MemberRow {
    let profile: Option<serde_json::Value> = info.profile();
    let alias = ["alias", "nickname", "name"].iter().find_map(|field| profile.as_ref()?.get(field)?.as_str().map(str::to_owned));
    MemberRow { id: info.id, session: info.session, alias, live: info.is_live, since_ms: unix_ms(info.since) }
}

/// What a node of a cluster is called where people read it: the first eight digits of its process.
pub(super) fn short(process: Uuid) -> String {
    process.simple().to_string().chars().take(8).collect()
}

/// Milliseconds since 1970.
pub(super) fn unix_ms(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_path_the_beginning_is_shown() {
        let path = "/channel/".to_owned() + &"a".repeat(PATH_SHOWN - 9);
        assert_eq!(beginning(path.clone()), path);
        assert_eq!(beginning(format!("{path}a")), format!("{}…", &path[..PATH_SHOWN - 3]));
        let long = beginning(format!("/{}", "日".repeat(3000)));
        assert!(long.len() <= PATH_SHOWN && long.ends_with("日…"), "{long}");
    }
}
