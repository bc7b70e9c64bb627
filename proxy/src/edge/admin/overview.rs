//! The proxy in a few numbers.

use std::{collections::BTreeMap, time::SystemTime};

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{proxy::Inner, readiness::Trouble},
    tables::unix_ms,
};
use crate::counters::Deed;

/// The proxy in a few numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Overview {
    pub version: &'static str,
    /// Milliseconds since 1970, by the proxy's clock.
    pub now_ms: u64,
    /// When it began.
    pub since_ms: u64,
    /// Whether new sessions are welcome.
    pub ready: bool,
    /// Why not: `draining`, `descriptors`, `memory`, or `cluster`.
    pub ready_reason: Option<&'static str>,
    /// Whether it goes down.
    pub draining: bool,
    pub sessions: usize,
    /// Names that are held.
    pub names: u64,
    /// Streams that peers opened.
    pub streams: usize,
    pub channels: usize,
    pub rooms: usize,
    /// Contents that peers of the swarm hold.
    pub swarm_contents: usize,
    /// Holders of them: a peer counts once for each that it holds.
    pub swarm_holders: usize,
    /// Bytes of payload that came from peers.
    pub received: u64,
    /// Bytes of payload that went to peers.
    pub sent: u64,
    /// Bytes that buffers, queues and what channels and rooms keep hold.
    pub memory_used: usize,
    /// Bytes that they may hold.
    pub memory_budget: usize,
    /// Bytes of the process in memory, where the system tells.
    pub rss: Option<u64>,
    /// What was refused, shed or cut, by the limit or rule; what never was is left out.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Where it is one of a cluster: the others that are there, as it has heard, by their ids, and where they are reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<BTreeMap<String, String>>,
    /// Where there are others: which of them was asked, by the first eight digits of its id. What is no count of all is of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Where there are others: those that did not answer in time, and are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
}

impl Overview {
    /// As it is at this moment.
    pub fn of(inner: &Inner) -> Self {
        let traffic = inner.sessions.traffic();
        let trouble = inner.readiness.trouble();
        let (swarm_contents, swarm_holders) = inner.tracker.count();
        let (got, freed) = (inner.counters.deeds(Deed::NameHeld), inner.counters.deeds(Deed::NameFreed));
        Self {
            version: env!("CARGO_PKG_VERSION"),
            now_ms: unix_ms(SystemTime::now()),
            since_ms: inner.sessions.begun_ms(),
            ready: trouble.is_none(),
            ready_reason: trouble.map(Trouble::as_str),
            draining: inner.draining.is_cancelled(),
            sessions: traffic.sessions,
            names: got.saturating_sub(freed),
            streams: traffic.opened,
            channels: inner.channels.count(),
            rooms: inner.rooms.count(),
            swarm_contents,
            swarm_holders,
            received: traffic.counts.bytes,
            sent: traffic.counts.bytes_sent,
            memory_used: inner.memory.used(),
            memory_budget: inner.memory.budget(),
            rss: rss(),
            refusals: inner.counters.iter().filter(|(_, count)| *count > 0).collect(),
            #[cfg(feature = "cluster")]
            nodes: inner.membership.get().map(super::super::cluster::Membership::others),
            #[cfg(not(feature = "cluster"))]
            nodes: None,
            node: None,
            missing: None,
        }
    }
}

/// Bytes of this process in memory, as Linux tells them.
fn rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
