//! The live stream: a page says which tables it watches, and is told each second what changed. A slow one is told less often; nothing piles up for it.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use browser_stream_mux::{Code, Stream};
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, future::BoxFuture};
use serde::Deserialize;
use serde_json::{Value, json, to_string};
use tokio::{
    sync::watch,
    time::{Duration, MissedTickBehavior, interval, sleep},
};

use super::{
    super::proxy::Inner, changes::Changes, chronicle::KEPT, door::Need, office::Office, overview::Overview, table::Table, tables::Kind,
};
use crate::{
    error::OpenError,
    route::Handler,
    session::{Opening, Reply},
    token::Verb,
};

/// The route of the live stream.
pub(super) struct Live(pub Weak<Office>);

/// So often a page is told what changed.
const EVERY: Duration = Duration::from_secs(1);

/// Events that happen so soon after one another are told together.
const EVENTS_EVERY: Duration = Duration::from_millis(50);

/// Who looks within this time of another sees the same.
const AGE_MAX: Duration = Duration::from_millis(900);

/// The longest line that a page says.
const LINE_MAX: usize = 4096;

impl Handler for Live {
    fn call(&self, opening: Opening) -> BoxFuture<'static, ()> {
        let office = self.0.upgrade();
        async move {
            let Some(office) = office else {
                return opening.refuse(OpenError::new(Code::Draining, "the proxy is gone")).await;
            };
            let _permit = match opening.permit(Verb::Admin, Need::Read.as_str()) {
                Ok(permit) => permit,
                Err(error) => return opening.refuse(error).await,
            };
            let stream = opening.accept_with(&Reply::accept(uuid::Uuid::new_v4().to_string()));
            Telling::new(office, stream).run().await;
        }
        .boxed()
    }
}

/// What a page watches from now on.
#[derive(Deserialize)]
struct Watch {
    watch: Vec<Kind>,
}

/// A page that looks on.
struct Telling {
    office: Arc<Office>,
    stream: Stream,
    /// What it said of a line that is not whole.
    said: BytesMut,
    /// The tables that it watches, and what it knows of them.
    tables: HashMap<Kind, (Changes, Arc<Table>)>,
    /// What it was told of events, where it watches them.
    told: Option<Told>,
    events: watch::Receiver<u64>,
}

/// Which events a page was told.
#[derive(Default)]
struct Told {
    /// The number of the last.
    last: u64,
    /// Those of other nodes.
    #[cfg(feature = "cluster")]
    others: HashMap<uuid::Uuid, u64>,
    /// There were any.
    has_begun: bool,
}

/// The stream is over.
struct Over;

impl Telling {
    fn new(office: Arc<Office>, stream: Stream) -> Self {
        let events = office.chronicle.watch();
        Self { office, stream, said: BytesMut::new(), tables: HashMap::new(), told: None, events }
    }

    async fn run(mut self) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let watches_events = self.told.is_some();
            let told = tokio::select! {
                chunk = self.stream.read_chunk() => match chunk {
                    Ok(Some(chunk)) => self.hear(&chunk).await,
                    Ok(None) => return self.stream.finish(),
                    Err(_) => return,
                },
                _ = tick.tick() => self.tell().await,
                _ = self.events.changed(), if watches_events => {
                    sleep(EVENTS_EVERY).await;
                    self.tell_events().await
                }
            };
            if told.is_err() {
                return;
            }
        }
    }

    /// Does what the page says.
    async fn hear(&mut self, chunk: &Bytes) -> Result<(), Over> {
        self.said.extend_from_slice(chunk);
        let mut watched = None;
        while let Some(end) = self.said.iter().position(|byte| *byte == b'\n') {
            let line = self.said.split_to(end + 1);
            match serde_json::from_slice(&line) {
                Ok(Watch { watch }) => watched = Some(watch),
                Err(_) => return Err(self.refuse(Code::BadRequest)),
            }
        }
        if self.said.len() > LINE_MAX {
            return Err(self.refuse(Code::Limit));
        }
        let Some(watched) = watched else { return Ok(()) };
        self.tables.retain(|kind, _| watched.contains(kind));
        self.told = self.told.take().filter(|_| watched.contains(&Kind::Events));
        for kind in watched {
            match kind {
                Kind::Events => {
                    self.told.get_or_insert_default();
                }
                kind => drop(self.tables.entry(kind).or_default()),
            }
        }
        self.tell().await?;
        self.tell_events().await
    }

    fn refuse(&mut self, code: Code) -> Over {
        self.stream.reset(code.number());
        Over
    }

    /// Tells what changed.
    async fn tell(&mut self) -> Result<(), Over> {
        let Ok(inner) = self.office.inner() else { return Err(Over) };
        let overview = json!({ "overview": overview(&self.office, &inner).await });
        self.say(vec![format!("{overview}\n")]).await?;
        for kind in Kind::TABLES {
            if !self.tables.contains_key(&kind) {
                continue;
            }
            let table = table(&self.office, &inner, kind).await;
            let lines = self.tables.get_mut(&kind).map(|(changes, kept)| {
                // Who looks soon sees the same.
                *kept = table;
                changes.lines(kind, kept)
            });
            self.say(lines.unwrap_or_default()).await?;
        }
        #[cfg(feature = "cluster")]
        if let Some(told) = &mut self.told {
            let rows = self.office.combined.events(&inner, &mut told.others).await;
            if !rows.is_empty() {
                self.say_events(&json!(rows).to_string()).await?;
            }
        }
        Ok(())
    }

    /// Tells the events that it was not told. One that is behind by more than are kept misses the oldest.
    async fn tell_events(&mut self) -> Result<(), Over> {
        let Some(told) = &mut self.told else { return Ok(()) };
        self.events.mark_unchanged();
        let rows = self.office.chronicle.behind(told.last, KEPT);
        let Some(last) = rows.last() else { return Ok(()) };
        told.last = last.number;
        #[cfg(feature = "cluster")]
        if let Some(node) = self.office.inner().ok().and_then(|inner| super::combined::name_of(&inner)) {
            let mut rows = json!(rows);
            rows.as_array_mut().into_iter().flatten().for_each(|row| row["node"] = json!(node));
            return self.say_events(&rows.to_string()).await;
        }
        // Rows are structs of plain fields: nothing of them has a way to fail.
        self.say_events(&to_string(&rows).unwrap_or_default()).await
    }

    async fn say_events(&mut self, rows: &str) -> Result<(), Over> {
        let is_first = self.told.as_mut().is_some_and(|told| !std::mem::replace(&mut told.has_begun, true));
        let begins = if is_first { r#""reset":true,"# } else { "" };
        self.say(vec![format!("{{\"table\":\"events\",{begins}\"rows\":{rows}}}\n")]).await
    }

    /// Says these lines one after the other, each when the one before has left.
    async fn say(&mut self, lines: Vec<String>) -> Result<(), Over> {
        for line in lines {
            if self.stream.write_chunk(line.into()).await.is_err() {
                return Err(Over);
            }
            self.stream.cell().drained().await;
        }
        if self.stream.cell().end().is_some() { Err(Over) } else { Ok(()) }
    }
}

/// The overview: in a cluster of all nodes.
async fn overview(office: &Office, inner: &Inner) -> Value {
    #[cfg(feature = "cluster")]
    if let Some(of_all) = office.combined.overview(inner, AGE_MAX).await {
        return of_all;
    }
    #[cfg(not(feature = "cluster"))]
    let _ = office;
    json!(Overview::of(inner))
}

/// A table: in a cluster of all nodes.
async fn table(office: &Office, inner: &Inner, kind: Kind) -> Arc<Table> {
    #[cfg(feature = "cluster")]
    if let Some(of_all) = office.combined.table(&office.tables, inner, kind, AGE_MAX).await {
        return of_all;
    }
    office.tables.get(inner, kind, AGE_MAX).await
}
