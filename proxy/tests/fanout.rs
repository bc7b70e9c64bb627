//! One to eight through a process that may not have more than 64 MiB. `LONG=1` makes a gibibyte of its 64 MiB.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(all(target_os = "linux", feature = "shell"))]

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use browser_stream_client::{Channel, ChannelOptions, Peer};
use bytes::Bytes;
use tokio::task::JoinSet;

const MIB: usize = 1024 * 1024;
const READERS: usize = 8;
const MESSAGE: usize = 64 * 1024;
/// What the process may have for data: its heap, its buffers, the stacks of its threads.
const DATA_MAX: usize = 64 * MIB;
/// Messages between two looks at its memory.
const LOOK_EVERY: u64 = 16;
/// What it may take for this channel, however much goes through: the publisher's window, which grows to 4 MiB where that is fast; 256 KiB queued for each subscriber
/// and 128 KiB of the batch beyond that, were none of them the same bytes; as much again for what the allocator and the sockets' buffers hold beside.
const GROWTH_MAX: usize = 2 * (4 * MIB + READERS * (256 + 128) * 1024);

/// A `bss` with a limit on its memory, killed when dropped.
struct Proxy {
    child: Child,
    url: String,
}

impl Proxy {
    fn start() -> Self {
        let mut command = Command::new("prlimit");
        command.arg(format!("--data={DATA_MAX}")).arg(env!("CARGO_BIN_EXE_bss")).args(["serve", "--bind", "127.0.0.1:0"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_end_matches('/').rsplit('/').next().unwrap();
        Self { child, url: format!("ws://{address}/mux") }
    }

    /// `RssAnon:` of its own now, `VmRSS:` with the pages of its program, `VmHWM:` the most of that so far, in bytes.
    fn memory(&self, key: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        value.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_with_64_mib_carries_more_than_that_to_eight_subscribers() {
    let bytes = if std::env::var_os("LONG").is_some() { 1024 * MIB } else { 64 * MIB };
    let messages = (bytes / MESSAGE) as u64;
    let proxy = Proxy::start();
    let peer = Peer::dial(&proxy.url).await.unwrap();
    let mut publisher = Channel::new(&peer).publish("BIG", ChannelOptions::new().wait_for(READERS as u32)).await.unwrap();
    let mut reading = JoinSet::new();
    for _ in 0..READERS {
        let peer = Peer::dial(&proxy.url).await.unwrap();
        let mut subscription = Channel::new(&peer).subscribe("BIG").await.unwrap();
        reading.spawn(async move {
            let mut got = 0_u64;
            while let Some(message) = subscription.next().await.unwrap() {
                assert!(
                    message.bytes[..8] == got.to_be_bytes()[..] && message.bytes.len() == MESSAGE,
                    "message {got} is not what was sent"
                );
                got += 1;
            }
            drop(peer);
            got
        });
    }
    // Each of them is there, and what it takes at rest with it.
    let before = (proxy.memory("RssAnon:"), proxy.memory("VmRSS:"));
    let mut own = before.0;
    let rest = vec![7; MESSAGE - 8];
    for number in 0..messages {
        publisher.send(Bytes::from([&number.to_be_bytes()[..], &rest].concat())).await.unwrap();
        if number % LOOK_EVERY == 0 {
            own = own.max(proxy.memory("RssAnon:"));
        }
    }
    let closed = publisher.end().await.unwrap();
    while let Some(got) = reading.join_next().await {
        assert_eq!(got.unwrap(), messages);
    }
    assert_eq!(closed.delivered, (READERS * bytes) as u64);
    let highest = proxy.memory("VmHWM:");
    let grown = own.max(proxy.memory("RssAnon:")) - before.0;
    let mib = |bytes: usize| bytes as f64 / MIB as f64;
    println!(
        "{} MiB to {READERS} subscribers under a limit of {} MiB: the proxy's own memory grew by {:.1} MiB at most, of {:.1} MiB allowed; with its program's pages by {:.1} MiB, to {:.1} MiB",
        bytes / MIB,
        DATA_MAX / MIB,
        mib(grown),
        mib(GROWTH_MAX),
        mib(highest.saturating_sub(before.1)),
        mib(highest),
    );
    assert!(grown <= GROWTH_MAX, "it grew by {grown} bytes");
    assert!(highest < DATA_MAX, "it had {highest} bytes");
}
