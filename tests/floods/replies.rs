//! Row 10: replies that a peer provokes and never reads.

use std::time::Duration;

use harness::{DATA, FIN, PING, SYN, frame, wire::message};

use crate::{
    fate::Fate,
    frames::same,
    pour::{Flood, pour},
    process::Settings,
    siege::{MIB, Siege, lasting},
};

/// How long the proxy reads and drops what a peer sends that it has cut.
const LINGER: Duration = Duration::from_secs(1);

/// More than is sent in a flood: the rates must not end it before the stall does.
const NEVER: u64 = 10_000_000;

/// A proxy whose patience with a stalled write is half of a flood, and a time in which the cut must show.
fn siege(flood: &'static str) -> (Siege, Duration) {
    let patience = lasting() / 2;
    let rates = ["opens_per_second", "opens_burst", "misc_frames_per_second", "misc_frames_burst"];
    let limits = [("write_stall_max_ms", patience.as_millis() as u64)].into_iter().chain(rates.map(|rate| (rate, NEVER))).collect();
    (Siege::with(flood, &Settings { limits, ..Settings::default() }, 32 * MIB, |_| ()), patience * 2 + LINGER + LINGER / 2)
}

fn cut(fate: &Fate) {
    assert!(fate.ended > 0, "the proxy never cut: {fate}");
}

#[test]
fn threat_10_a_peer_that_pings_and_never_reads_is_cut_at_the_write_stall() {
    let (mut siege, long_enough) = siege("PING, reads nothing");
    cut(&siege.stand_for(long_enough, |attack| pour(attack, same(b"", false, &frame(PING, SYN, 0, 7, b"")))));
}

#[test]
fn threat_10_a_peer_that_provokes_refusals_and_never_reads_is_cut_at_the_write_stall() {
    let (mut siege, long_enough) = siege("refused opens, reads nothing");
    let mut id = 1u32;
    let next = move |batch: &mut Vec<u8>| {
        let mut body = Vec::new();
        for _ in 0..512 {
            id = id.wrapping_add(2);
            body.extend(frame(DATA, SYN | FIN, id, 4, b"\0\x02{}"));
        }
        batch.extend(message(&body));
        512
    };
    cut(&siege.stand_for(long_enough, |attack| pour(attack, Flood { first: Vec::new(), next, reads: false })));
}
