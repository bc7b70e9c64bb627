//! What happened last, for whoever runs the proxy: the newest so many events, and no more.

use std::{
    collections::VecDeque,
    fmt::Display,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::{
    StreamExt,
    future::BoxFuture,
    stream::{BoxStream, select_all, unfold},
};
use parking_lot::Mutex;
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    watch,
};
use uuid::Uuid;

use super::{super::proxy::Inner, rows::EventRow, tables::unix_ms};
use crate::{
    feature::{channel::ChannelEvent, room::RoomEvent},
    route::Event,
    session::Coming,
};

/// So many events are kept.
pub(super) const KEPT: usize = 1000;

/// What happened last.
pub(super) struct Chronicle {
    rows: Mutex<VecDeque<EventRow>>,
    /// The number of the last.
    last: watch::Sender<u64>,
    /// What writes it, until somebody runs that.
    writing: Mutex<Option<BoxFuture<'static, ()>>>,
}

/// Something that happened, as it is told.
struct Told {
    kind: String,
    text: String,
    session: Option<Uuid>,
    name: Option<String>,
}

impl Chronicle {
    /// Writes down what happens from now on, as soon as it is [written](Self::write).
    pub fn new(inner: &Inner) -> Arc<Self> {
        let mut sources: Vec<BoxStream<'static, Told>> = inner.names.iter().map(|names| heard(names.news(), of_name)).collect();
        sources.push(inner.channels.events().map(of_channel).boxed());
        sources.push(inner.rooms.events().map(of_room).boxed());
        sources.push(heard(inner.sessions.comings(), of_session));
        let stop = inner.stop.clone();
        Arc::new_cyclic(|me| {
            let me: std::sync::Weak<Self> = me.clone();
            let writing = async move {
                let mut told = select_all(sources);
                while let Some(Some(told)) = stop.run_until_cancelled(told.next()).await
                    && let Some(chronicle) = me.upgrade()
                {
                    chronicle.add(told);
                }
            };
            Self { rows: Mutex::default(), last: watch::Sender::new(0), writing: Mutex::new(Some(Box::pin(writing))) }
        })
    }

    /// Sees to it that it is written, within a runtime.
    pub fn write(&self) {
        if let Some(writing) = self.writing.lock().take() {
            tokio::spawn(writing);
        }
    }

    /// Writes down what an operator did, and says so in the log.
    pub fn acted(&self, who: &str, did: &str, session: Option<Uuid>, name: Option<&str>) {
        tracing::info!(who = ?who, "{did}");
        let (kind, text) = ("admin.action".to_owned(), format!("{did}, by {who:?}"));
        self.add(Told { kind, text, session, name: name.map(str::to_owned) });
    }

    fn add(&self, Told { kind, text, session, name }: Told) {
        let mut rows = self.rows.lock();
        let number = *self.last.borrow() + 1;
        if rows.len() == KEPT {
            rows.pop_front();
        }
        rows.push_back(EventRow { number, at_ms: unix_ms(SystemTime::now()), kind, text, session, name });
        // Under the lock, so that numbers come in order.
        self.last.send_replace(number);
    }

    /// The events behind that number, as far as they are kept, oldest first: at most so many, the newest of them.
    pub fn behind(&self, number: u64, most: usize) -> Vec<EventRow> {
        let rows = self.rows.lock();
        let newer = rows.iter().rev().take_while(|row| row.number > number).take(most);
        let mut newer: Vec<EventRow> = newer.cloned().collect();
        newer.reverse();
        newer
    }

    /// Tells when there are more.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
}

/// What somebody tells; one that is told too fast says how many are missing.
fn heard<T: Clone + Send + 'static>(receiver: Receiver<T>, told: fn(T) -> Told) -> BoxStream<'static, Told> {
    let told = unfold(receiver, move |mut receiver| async move {
        let told = match receiver.recv().await {
            Ok(event) => told(event),
            Err(RecvError::Lagged(count)) => {
                // Others have their turn: who tells so fast is not to be heard alone.
                tokio::time::sleep(Duration::from_millis(1)).await;
                missed(count)
            }
            Err(RecvError::Closed) => return None,
        };
        Some((told, receiver))
    });
    told.boxed()
}

fn missed(count: u64) -> Told {
    Told { kind: "missed".into(), text: format!("{count} events came too fast to be written down"), session: None, name: None }
}

/// An event as it reads, without its kind in front.
fn rest(kind: &str, event: &impl Display) -> String {
    let text = event.to_string();
    text.strip_prefix(kind).unwrap_or(&text).trim_start().to_owned()
}

fn of_name(event: Event) -> Told {
    let name = match &event {
        Event::ServerCreated { name, .. }
        | Event::ServerDestroyed { name, .. }
        | Event::ServerSuspended { name, .. }
        | Event::ServerResumed { name, .. }
        | Event::ClientConnected { name, .. }
        | Event::ClientDisconnected { name, .. } => Some(name.as_str().to_owned()),
        Event::Missed { count } => return missed(*count),
    };
    Told { kind: event.kind().into(), text: rest(event.kind(), &event), session: None, name }
}

fn of_channel(event: ChannelEvent) -> Told {
    let name = match &event {
        ChannelEvent::Created { name }
        | ChannelEvent::Destroyed { name, .. }
        | ChannelEvent::PublisherJoined { name, .. }
        | ChannelEvent::PublisherLeft { name, .. }
        | ChannelEvent::SubscriberJoined { name, .. }
        | ChannelEvent::SubscriberLeft { name, .. } => Some(name.as_str().to_owned()),
        ChannelEvent::Missed { count } => return missed(*count),
    };
    Told { kind: event.kind().into(), text: rest(event.kind(), &event), session: None, name }
}

fn of_room(event: RoomEvent) -> Told {
    let name = match &event {
        RoomEvent::Created { name }
        | RoomEvent::Destroyed { name }
        | RoomEvent::MemberJoined { name, .. }
        | RoomEvent::MemberLive { name, .. }
        | RoomEvent::MemberDisconnecting { name, .. }
        | RoomEvent::MemberLeft { name, .. } => Some(name.as_str().to_owned()),
        RoomEvent::Missed { count } => return missed(*count),
    };
    Told { kind: event.kind().into(), text: rest(event.kind(), &event), session: None, name }
}

fn of_session(Coming { session, ended }: Coming) -> Told {
    let (kind, text) = match ended {
        None => ("session.began", String::new()),
        Some(why) => ("session.ended", why),
    };
    Told { kind: kind.into(), text, session: Some(session), name: None }
}
