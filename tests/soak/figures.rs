//! What a proxy holds, in numbers.

use std::{collections::BTreeMap, fs};

use browser_stream_server::Proxy;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

/// What the allocator may keep of what was freed: as much as `tests/floods` allows it.
pub const KEPT_MAX: u64 = 8 * 1024 * 1024;

/// What there is at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    pub sessions: usize,
    pub channels: usize,
    pub rooms: usize,
    /// Bytes that the proxy's own books say are held.
    pub memory: usize,
    /// Tasks of the runtime.
    pub tasks: usize,
    pub descriptors: usize,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// How often it refused or cut so far, by reason.
    pub refusals: BTreeMap<String, u64>,
}

/// Refusals that no peer of this crowd gives reason for: one of them is a fault, of the proxy or of the client.
const NEVER: [&str; 14] = [
    "bad_open",
    "bad_reply",
    "bad_note",
    "channel_record",
    "room_record",
    "violation",
    "transport",
    "text",
    "budget",
    "handshake",
    "misc_rate_cut",
    "open_rate_cut",
    "transport_rate_cut",
    "reply_timeout",
];

type Figure = fn(&Figures) -> String;

impl Figures {
    /// Each, as it is told, but for the refusals.
    pub const ALL: [(&str, Figure); 7] = [
        ("sessions", |figures| figures.sessions.to_string()),
        ("channels", |figures| figures.channels.to_string()),
        ("rooms", |figures| figures.rooms.to_string()),
        ("bytes on its books", |figures| figures.memory.to_string()),
        ("tasks", |figures| figures.tasks.to_string()),
        ("descriptors", |figures| figures.descriptors.to_string()),
        ("MiB resident", |figures| mib(figures.resident)),
    ];

    pub fn of(proxy: &Proxy) -> Self {
        Self {
            sessions: proxy.sessions().len(),
            channels: proxy.channels().list().len(),
            rooms: proxy.rooms().list().len(),
            memory: proxy.sessions().memory_used(),
            tasks: Handle::current().metrics().num_alive_tasks(),
            descriptors: descriptors(),
            resident: resident(),
            refusals: proxy.refusals().filter(|(_, times)| *times > 0).map(|(name, times)| (name.to_owned(), times)).collect(),
        }
    }

    /// What there is more of than at the start; empty where nothing is.
    pub fn beyond(&self, start: &Self) -> String {
        let each = [
            ("sessions", self.sessions, start.sessions),
            ("channels", self.channels, start.channels),
            ("rooms", self.rooms, start.rooms),
            ("bytes of the memory budget", self.memory, start.memory),
            ("tasks", self.tasks, start.tasks),
            ("descriptors", self.descriptors, start.descriptors),
        ];
        let more = each.into_iter().filter(|(_, now, before)| now > before);
        more.map(|(what, now, before)| format!("{now} {what} after {before}")).collect::<Vec<_>>().join(", ")
    }

    /// Panics where the proxy refused what nobody here does.
    pub fn check_refusals(&self) {
        for reason in NEVER {
            assert_eq!(self.refusals.get(reason), None, "refused, or cut: {reason}");
        }
    }
}

/// Open descriptors of this process.
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux tells it").count()
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells it");
    value.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Bytes as MiB with one digit behind the point.
pub fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1024.0 / 1024.0)
}
