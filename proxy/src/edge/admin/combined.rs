//! What pages that look on are told of all nodes of a cluster: the others are asked while somebody looks, once for all who do.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    sync::Mutex,
    time::{Duration, Instant},
};
use uuid::Uuid;

use super::{
    super::{cluster::Membership, proxy::Inner},
    across::{self, Wish},
    merged::{self, Part, Row},
    overview::Overview,
    table::Table,
    tables::{Kind, Tables, short},
    whole::Other,
};

/// What all nodes have, as it was when somebody looked last.
#[derive(Default)]
pub(super) struct Combined {
    tables: Tables,
    overview: Mutex<Option<(Instant, Value)>>,
    /// Nodes that were asked in vain, and until when they are not asked again.
    silent: parking_lot::Mutex<HashMap<Uuid, Instant>>,
}

/// So long another node has for what it is asked, for as long the page waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// So long one that did not answer is let be, and missing.
const SILENT: Duration = Duration::from_secs(5);

/// So many rows are asked for at once.
const ROWS: usize = 10_000;

/// So many events of another node are told at once, the newest.
const EVENTS: usize = 200;

/// What this node is called, where there are others.
pub(super) fn name_of(inner: &Inner) -> Option<String> {
    let membership = inner.membership.get()?;
    (!membership.neighbours().is_empty()).then(|| short(membership.process()))
}

impl Combined {
    /// The overview of all, no older than this; nothing where there are no others.
    pub async fn overview(&self, inner: &Inner, age_max: Duration) -> Option<Value> {
        let (membership, others) = others(inner)?;
        let asked = Instant::now();
        let mut kept = self.overview.lock().await;
        if let Some((at, overview)) = &*kept
            && *at + age_max >= asked
        {
            return Some(overview.clone());
        }
        let (mut answers, mut missing) = (Vec::new(), Vec::new());
        let ask = |other: &Other| {
            let other = other.clone();
            async move { (short(other.0.process), self.get(membership, &other, "overview", PATIENCE).await) }
        };
        for (node, answer) in join_all(others.iter().map(ask)).await {
            match answer {
                Some(answer) => answers.push((node, answer)),
                None => missing.push(node),
            }
        }
        let overview = merged::overview(&short(membership.process()), json!(Overview::of(inner)), &answers, missing);
        *kept = Some((asked, overview.clone()));
        Some(overview)
    }

    /// A table of all, no older than this, whose own rows are in `own`; nothing where there are no others.
    pub async fn table(&self, own: &Tables, inner: &Inner, kind: Kind, age_max: Duration) -> Option<Arc<Table>> {
        let (membership, others) = others(inner)?;
        let look = async {
            let here = own.get(inner, kind, age_max).await;
            let node = short(membership.process());
            let row = |entry: &super::table::Entry| Row { key: entry.key.clone(), node: node.clone(), json: entry.json.clone() };
            let mut rows: Vec<Row> = here.rows.iter().map(row).collect();
            // Who is missing is told with the overview.
            rows.extend(join_all(others.iter().map(|other| self.rows_of(membership, other, kind))).await.into_iter().flatten().flatten());
            Table::told(merged::apart(kind, rows))
        };
        Some(self.tables.kept(kind, age_max, look).await)
    }

    /// Events of other nodes that are newer than those of these numbers, which they then are; as rows, by keys that say whose they are.
    pub async fn events(&self, inner: &Inner, told: &mut HashMap<Uuid, u64>) -> Vec<Value> {
        let Some((membership, others)) = others(inner) else { return Vec::new() };
        told.retain(|process, _| others.iter().any(|(id, _)| id.process == *process));
        let behind = &*told;
        let ask = |other: &Other| {
            let (other, last) = (other.clone(), behind.get(&other.0.process).copied().unwrap_or_default());
            async move {
                let body = self.get(membership, &other, &format!("events?limit={EVENTS}&after={last}"), PATIENCE).await?;
                let mut said: Value = serde_json::from_slice(&body).ok()?;
                Some((other.0.process, said.get_mut("rows")?.as_array_mut().map(std::mem::take)?))
            }
        };
        let mut rows = Vec::new();
        for (process, some) in join_all(others.iter().map(ask)).await.into_iter().flatten() {
            for mut row in some {
                let Value::Object(fields) = &mut row else { continue };
                let number = fields.get("number").and_then(Value::as_u64).unwrap_or_default();
                told.insert(process, number);
                fields.insert("node".to_owned(), json!(short(process)));
                fields.insert("key".to_owned(), json!(format!("{} {number}", short(process))));
                rows.push(row);
            }
        }
        rows
    }

    /// All rows of a table of that node's, if it tells them in time.
    async fn rows_of(&self, membership: &Membership, other: &Other, kind: Kind) -> Option<Vec<Row>> {
        let (node, until) = (short(other.0.process), Instant::now() + PATIENCE);
        let (mut rows, mut behind) = (Vec::new(), String::new());
        loop {
            let path = format!("{}?limit={ROWS}{behind}", kind.as_str());
            let left = if behind.is_empty() { PATIENCE } else { until.saturating_duration_since(Instant::now()) };
            let body = self.get(membership, other, &path, left).await?;
            let part = Part::of(&node, &body)?;
            rows.extend(part.rows);
            match part.next {
                Some(next) => behind = format!("&after={}", escaped(&next)),
                None => return Some(rows),
            }
        }
    }

    /// What a node has below that path of its API.
    async fn get(&self, membership: &Membership, other: &Other, path: &str, patience: Duration) -> Option<Bytes> {
        let process = other.0.process;
        if self.silent.lock().get(&process).is_some_and(|until| *until > Instant::now()) {
            return None;
        }
        let uri = format!("/admin/api/{path}").parse().ok()?;
        let wish = Wish { method: Method::GET, uri, body: Bytes::new(), sub: None };
        let answer = across::ask(membership, other, wish, patience).await;
        // Who had less time for one part of many is there all the same.
        if answer.is_none() && patience >= PATIENCE {
            let (mut silent, now) = (self.silent.lock(), Instant::now());
            silent.retain(|_, until| *until > now);
            silent.insert(process, now + SILENT);
        }
        answer.filter(|(status, _)| *status == StatusCode::OK).map(|(_, body)| body)
    }
}

/// The other nodes; nothing where there are none.
fn others(inner: &Inner) -> Option<(&Membership, Vec<Other>)> {
    let membership = inner.membership.get()?;
    let others = membership.neighbours();
    (!others.is_empty()).then_some((membership, others))
}

/// A text as it stands in a query.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(byte).collect()
}
