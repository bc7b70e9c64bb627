//! The table on NATS: a bucket of JetStream's KV.

mod key;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr,
    jetstream::{
        self,
        kv::{Config, CreateErrorKind, Entry, Operation, Store, UpdateErrorKind},
    },
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, OnceCell, mpsc},
    time::timeout,
};

use super::{Adapter, Change, Expected, Outcome, Row, Write};

/// The table of a cluster on a NATS server with JetStream, 2.11 or newer. Cheap to clone; every clone is the same.
///
/// It connects when first needed, again and again until it succeeds, and makes the bucket if there is none: so a node starts, and says that it takes no claims yet, where NATS comes later.
///
/// See [`Adapter`].
#[derive(Clone)]
pub struct Nats {
    inner: Arc<Inner>,
}

struct Inner {
    options: NatsOptions,
    /// Kept while there is no table: it makes itself anew whenever it breaks.
    client: OnceCell<Client>,
    store: OnceCell<Store>,
    /// The connection is there again: what NATS has may be another table than before.
    back: Arc<Notify>,
    /// What was said last of why it is not to be had.
    said: Mutex<String>,
}

/// Where the table is, and by what right it is had.
///
/// See [`Nats`].
#[derive(Clone)]
pub struct NatsOptions {
    /// Servers of one NATS, as URLs; a user and password may stand in them.
    pub servers: Vec<String>,
    /// What a file with the credentials of a user says.
    pub credentials: Option<String>,
    /// Who vouches for the servers' certificates, a PEM file, beside those whom the system believes.
    pub ca: Option<PathBuf>,
    /// The bucket, and with it the cluster.
    pub bucket: String,
}

/// Why the table cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// Nobody there.
    #[error("NATS does not answer ({0}): check the address, and whether a server with JetStream runs there (nats-server -js)")]
    Connect(async_nats::ConnectError),
    /// Somebody who does not let it in.
    #[error("NATS does not let this node in ({0}): check the user and password, or the credentials")]
    Forbidden(async_nats::ConnectError),
    /// The server keeps no tables, and no other could.
    #[error("NATS runs without JetStream, which keeps the cluster's table of names: start it with `nats-server -js`")]
    NoJetStream,
    /// The server is of a version that cannot do what is needed.
    #[error("the NATS server is {0}: a cluster needs 2.11 or newer")]
    Old(String),
    /// A text that is no server's URL.
    #[error("{0}: write it as nats://HOST:PORT")]
    Url(String),
    /// Something that is no credentials, or a file that cannot be read.
    #[error("the credentials for NATS cannot be used ({0}): check the file")]
    Credentials(std::io::Error),
    /// There is no such bucket, and none can be made.
    #[error("the bucket {0:?} cannot be had ({1}): check that JetStream is on (nats-server -js), and what this user may do")]
    Bucket(String, String),
}

impl Nats {
    /// The table in that bucket of the server at `url`, such as `nats://user:password@host:4222`.
    pub fn new(url: &str, bucket: &str) -> Self {
        Self::with(NatsOptions::new(url, bucket))
    }

    /// The same with more to say.
    pub fn with(options: NatsOptions) -> Self {
        Self {
            inner: Arc::new(Inner {
                options,
                client: OnceCell::new(),
                store: OnceCell::new(),
                back: Arc::default(),
                said: Mutex::default(),
            }),
        }
    }

    /// Connects, unless that was done, and finds or makes the bucket.
    ///
    /// # Errors
    /// Each says what to do. Asked again, it tries again. Cancel-safe.
    pub async fn reach(&self) -> Result<(), NatsError> {
        self.store().await.map(drop)
    }

    async fn store(&self) -> Result<&Store, NatsError> {
        self.inner.store.get_or_try_init(|| self.inner.open()).await
    }

    /// Tells all changes from the beginning until one is not heard, or nobody listens.
    async fn tell(&self, changes: &mpsc::Sender<Change>) -> Option<()> {
        let store = self.store().await.inspect_err(|error| self.inner.say(error.to_string())).ok()?;
        // Asked anew: what `status` says was kept when the bucket was opened.
        let Ok(info) = store.stream.get_info().await else {
            // A NATS that lost all that it had has no bucket either: it is found, or made anew, for the next time.
            self.inner.open().await.inspect_err(|error| self.inner.say(error.to_string())).ok()?;
            return None;
        };
        let state = info.state;
        changes.send(Change::Begun).await.ok()?;
        changes.send(Change::Newest(state.last_sequence)).await.ok()?;
        // All that there is, the newest of each key, and then what changes.
        let mut rows = store.watch_with_history(ALL).await.ok()?;
        // Of nothing no row is the last.
        let mut is_current = state.messages == 0;
        if is_current {
            changes.send(Change::Current).await.ok()?;
        }
        loop {
            // The renewals of this very node are heard: who hears nothing for long has missed something. So has one who waits for the rest of what there was.
            let silence = if is_current { SILENCE_MAX } else { REST_MAX };
            let entry = tokio::select! {
                entry = timeout(silence, rows.next()) => entry.ok()??.ok()?,
                () = self.inner.back.notified() => return None,
            };
            let is_last = !is_current && entry.delta == 0;
            is_current |= is_last;
            let revision = entry.revision;
            match read(entry) {
                Some(row) => changes.send(Change::Row(row, revision)).await.ok()?,
                None => tracing::warn!(
                    revision,
                    "a row of the cluster's table cannot be read: is another version of bss in the cluster, or another program in the bucket?"
                ),
            }
            if is_last {
                changes.send(Change::Current).await.ok()?;
            }
        }
    }
}

impl NatsOptions {
    /// That server, and no more to say.
    pub fn new(url: &str, bucket: &str) -> Self {
        Self { servers: vec![url.to_owned()], credentials: None, ca: None, bucket: bucket.to_owned() }
    }

    /// A connection that makes itself anew whenever it breaks.
    pub(super) async fn connect(&self, options: ConnectOptions) -> Result<Client, NatsError> {
        let servers: Result<Vec<ServerAddr>, _> = self.servers.iter().map(|url| url.parse()).collect();
        let servers = servers.map_err(|error| NatsError::Url(error.to_string()))?;
        let mut options = options.connection_timeout(CONNECT_MAX);
        if let Some(credentials) = &self.credentials {
            options = options.credentials(credentials).map_err(NatsError::Credentials)?;
        }
        if let Some(ca) = &self.ca {
            options = options.add_root_certificates(ca.clone());
        }
        options.connect(servers).await.map_err(NatsError::of)
    }
}

impl NatsError {
    fn of(error: async_nats::ConnectError) -> Self {
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => Self::Forbidden(error),
            _ => Self::Connect(error),
        }
    }

    /// Whether another try helps nobody: something is to be set in another way, here or at NATS.
    pub fn is_of_settings(&self) -> bool {
        matches!(self, Self::NoJetStream | Self::Old(_) | Self::Url(_) | Self::Credentials(_))
    }
}

impl Inner {
    /// Logs why there is no table, once for each reason.
    fn say(&self, why: String) {
        let mut said = self.said.lock();
        if *said != why {
            tracing::warn!("{why}");
            *said = why;
        }
    }

    async fn open(&self) -> Result<Store, NatsError> {
        let bucket = &self.options.bucket;
        let back = self.back.clone();
        let hears = move |event| {
            if let Event::Connected = event {
                back.notify_waiters();
            }
            tell_of(event)
        };
        let connecting = || self.options.connect(ConnectOptions::new().name("bss").event_callback(hears));
        let client = self.client.get_or_try_init(connecting).await?;
        if !client.is_server_compatible(2, 11, 0) {
            return Err(NatsError::Old(client.server_info().version));
        }
        let context = jetstream::new(client.clone());
        if let Ok(store) = context.get_key_value(bucket).await {
            return Ok(store);
        }
        let config = Config {
            bucket: bucket.clone(),
            description: "who has which name, in a cluster of browser-stream-server".to_owned(),
            history: 1,
            limit_markers: Some(MARKER_AGE),
            ..Config::default()
        };
        match context.create_key_value(config).await {
            Ok(store) => Ok(store),
            // Another node made it in this very moment, or this is why.
            Err(error) => context.get_key_value(bucket).await.map_err(|_| {
                let server = client.server_info();
                // Of several servers another may have it.
                let is_alone = server.cluster.is_none() && !server.jetstream;
                if is_alone { NatsError::NoJetStream } else { NatsError::Bucket(bucket.clone(), error.to_string()) }
            }),
        }
    }
}

impl Adapter for Nats {
    fn write(&self, write: Write) -> BoxFuture<'static, Outcome> {
        let nats = self.clone();
        async move {
            let written = async {
                let store = nats.store().await.ok()?;
                Some(put(store, &write).await)
            };
            timeout(WRITE_MAX, written).await.ok().flatten().unwrap_or(Outcome::Unknown)
        }
        .boxed()
    }

    fn changes(&self) -> BoxStream<'static, Change> {
        let nats = self.clone();
        let (sender, receiver) = mpsc::channel(CHANGES_AHEAD);
        let telling = async move {
            let mut pause = RETRY;
            while !sender.is_closed() {
                nats.tell(&sender).await;
                tokio::time::sleep(pause).await;
                // A table that was there comes back with its server.
                pause = if nats.inner.store.initialized() { RETRY } else { (2 * pause).min(PAUSE_MAX) };
            }
        };
        // Both are polled together, so that the telling ends with whoever listens.
        let told = futures::stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|change| (change, receiver)) });
        futures::stream::select(told, telling.into_stream().filter_map(|()| std::future::ready(None))).boxed()
    }
}

/// Logs whether NATS is there, once for each time that it comes or goes.
async fn tell_of(event: Event) {
    match event {
        Event::Connected => tracing::info!("NATS is there"),
        Event::Disconnected => tracing::warn!("NATS is gone: tried again and again until it is back; meanwhile this node takes no names"),
        _ => {}
    }
}

/// Writes one row over what is expected.
async fn put(store: &Store, write: &Write) -> Outcome {
    let key = key::of(&write.row);
    let value = match &write.row {
        Row::Node(_, row) => row.as_ref().map(serde_json::to_vec),
        Row::Name(_, row) => row.as_ref().map(serde_json::to_vec),
    };
    let written = match (value, write.expected) {
        (Some(Ok(value)), Expected::Absent) => {
            store.create(key, value.into()).await.map_err(|error| error.kind() == CreateErrorKind::AlreadyExists)
        }
        (Some(Ok(value)), Expected::At(revision)) => {
            store.update(key, value.into(), revision).await.map_err(|error| is_conflict(error.kind()))
        }
        // What is absent is deleted already.
        (None, Expected::Absent) => return Outcome::Conflict,
        (None, Expected::At(revision)) => {
            // Its own number is not told; the changes tell it.
            let deleted = store.purge_expect_revision_with_ttl(key, revision, MARKER_AGE).await;
            deleted.map(|()| revision).map_err(|error| is_conflict(error.kind()))
        }
        // What a row is made of has no way to fail.
        (Some(Err(_)), _) => Err(false),
    };
    match written {
        Ok(revision) => Outcome::Done(revision),
        Err(true) => Outcome::Conflict,
        Err(false) => Outcome::Unknown,
    }
}

fn is_conflict(kind: UpdateErrorKind) -> bool {
    kind == UpdateErrorKind::WrongLastRevision
}

/// What a change of the bucket says.
fn read(entry: Entry) -> Option<Row> {
    let is_there = entry.operation == Operation::Put;
    Some(match key::parse(&entry.key)? {
        Row::Node(id, _) if is_there => Row::Node(id, Some(serde_json::from_slice(&entry.value).ok()?)),
        Row::Name(place, _) if is_there => Row::Name(place, Some(serde_json::from_slice(&entry.value).ok()?)),
        gone => gone,
    })
}

/// All keys.
const ALL: &str = ">";
/// Who was without the bucket for longer than this must hear all of it anew, or a row would seem to be there that was deleted.
const MARKER_AGE: Duration = Duration::from_secs(3600);
/// A write that has no answer by then has none.
const WRITE_MAX: Duration = Duration::from_secs(2);
const CONNECT_MAX: Duration = Duration::from_secs(2);
const SILENCE_MAX: Duration = Duration::from_secs(60);
const REST_MAX: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(500);
/// Between two looks for a table that there never was.
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// Changes that were told and not yet taken: behind them NATS waits.
const CHANGES_AHEAD: usize = 1024;
