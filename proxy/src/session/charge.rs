//! What a peer owes for frames that move nothing: window updates, pings, resets, empty ones (threats.md, row 9).
//!
//! Such frames are part of any traffic, so traffic gives them for nothing: one WINDOW_UPDATE for each DATA frame that was sent to the
//! peer, one ACK for each stream opened to it, one FIN and one RST for each stream at all, one PING for each 128 KiB that it sent. A kind cannot
//! be paid with another's. DATA is never charged (the mux counts what is beyond any credit as stray), and opens have a rate of their own.
//!
//! The transport has frames of its own that bring nothing: the WebSocket's pings, pongs and empty fragments. Nothing gives them for nothing, as
//! nobody needs more than a few.
//!
//! What is beyond shares [`Limits::misc_frames_per_second`](crate::Limits::misc_frames_per_second). A peer that owes more than one burst is read after a pause,
//! one that owes more than ten is cut. The pause repays half of what the read brought, and is [`PAUSE_MAX`] at most: streams of an honest user suffer
//! with it, and a peer that is read at exactly its rate would hide for ever how much it sends. So what a flood may cost us is twenty bursts in
//! all, in a minute and a half, where each read brings little, and ten, in seconds, where it brings much; a peer a little above its rate is
//! slowed for minutes first.

use std::time::{Duration, Instant};

use browser_stream_mux::Counts;

use super::rate::{Bucket, Rate};
use crate::counters::Refusal;

/// One session's account. To be asked once for each read: that costs the same for one frame as for thousands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    /// How many of each kind were charged; the others were free.
    charged: [u64; KINDS],
    owed: Bucket,
}

/// How to go on with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As before.
    Fine,
    /// Read nothing of it until then.
    Pause(Instant, Blame),
    /// Cut it: 1008.
    Cut(Blame),
}

/// Whose frames most of the last excess were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The mux's.
    Mux,
    /// The transport's own.
    Transport,
}

impl Blame {
    /// What a pause counts as.
    pub fn slowed(self) -> Refusal {
        match self {
            Self::Mux => Refusal::MiscRateSlowed,
            Self::Transport => Refusal::TransportRateSlowed,
        }
    }

    /// What a cut counts as.
    pub fn cut(self) -> Refusal {
        match self {
            Self::Mux => Refusal::MiscRateCut,
            Self::Transport => Refusal::TransportRateCut,
        }
    }
}

impl Charge {
    /// Nothing owed.
    pub fn new(now: Instant) -> Self {
        Self { charged: [0; KINDS], owed: Bucket::new(now) }
    }

    /// Charges what came since the last call. `counts` are the session's, which only grow; `chatter` is what came of the transport's own frames.
    pub fn read(&mut self, counts: &Counts, chatter: u64, rate: &Rate, now: Instant) -> Verdict {
        let mut beyond = 0;
        for (charged, (came, free)) in self.charged.iter_mut().zip(kinds(counts)) {
            let more = came.saturating_sub(*charged).saturating_sub(free);
            *charged += more;
            beyond += more;
        }
        let blame = if chatter > beyond { Blame::Transport } else { Blame::Mux };
        beyond += chatter;
        if beyond == 0 {
            return Verdict::Fine;
        }
        let excess = self.owed.charge(rate, beyond, 1, now);
        if excess.is_zero() {
            Verdict::Fine
        } else if !self.owed.charge(rate, 0, BURSTS_MAX, now).is_zero() {
            Verdict::Cut(blame)
        } else {
            Verdict::Pause(now + (rate.repays(beyond) / 2).min(PAUSE_MAX), blame)
        }
    }
}

/// Of each kind how many came, and how many of them traffic gives for nothing so far.
fn kinds(counts: &Counts) -> [(u64, u64); KINDS] {
    let streams = counts.opens + counts.opened;
    [
        (counts.updates, counts.data_sent),
        (counts.acks, counts.opened),
        (counts.fins, streams),
        (counts.resets, streams),
        (counts.pings, counts.bytes / PING_EVERY),
        (counts.empty + counts.stray, 0),
    ]
}

const KINDS: usize = 6;

/// Bytes of a peer's that give it one ping. Our own libraries send one for every 64 KiB where little may be under way, and owe half of those; else one
/// for as much as this, or more.
const PING_EVERY: u64 = 128 * 1024;

/// Beyond so many bursts a peer is cut: "ten times beyond" of the threat table.
const BURSTS_MAX: u32 = 10;

/// One read brings up to 5,461 headers: with the default limits a flood is cut within two seconds. Too short to be taken for a dead connection.
const PAUSE_MAX: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    mod stock;

    use proptest::prelude::*;

    use super::*;
    use crate::limits::Limits;

    fn rate() -> Rate {
        let limits = Limits::default();
        Rate::new(limits.misc_frames_per_second, limits.misc_frames_burst)
    }

    type Field = fn(&mut Counts) -> &mut u64;

    /// Everything that is charged when nothing was delivered before.
    const CHARGED: [(&str, Field); 7] = [
        ("updates", |counts| &mut counts.updates),
        ("acks", |counts| &mut counts.acks),
        ("fins", |counts| &mut counts.fins),
        ("resets", |counts| &mut counts.resets),
        ("pings", |counts| &mut counts.pings),
        ("empty", |counts| &mut counts.empty),
        ("stray", |counts| &mut counts.stray),
    ];

    #[test]
    fn threat_09_a_flood_of_any_kind_is_slowed_after_one_burst_and_cut_after_ten() {
        for (name, field) in CHARGED {
            let (mut now, mut counts) = (Instant::now(), Counts::default());
            let (start, mut charge, mut paused_at) = (now, Charge::new(now), None);
            loop {
                // As many headers as one read brings.
                *field(&mut counts) += 5461;
                match charge.read(&counts, 0, &rate(), now) {
                    Verdict::Fine => assert_eq!(paused_at, None, "{name}"),
                    Verdict::Pause(until, _) => {
                        paused_at.get_or_insert(*field(&mut counts));
                        now = until;
                    }
                    Verdict::Cut(_) => break,
                }
            }
            assert_eq!(paused_at, Some(2 * 5461), "{name}");
            assert!((100_000..110_000).contains(field(&mut counts)), "{name}: {counts:?}");
            assert!(now - start < Duration::from_secs(2), "{name}: {:?}", now - start);
        }
    }

    #[test]
    fn a_peer_within_the_rate_is_never_slowed_and_one_a_little_above_is_slowed_long_before_it_is_cut() {
        let sends = |per_second: u64, seconds: u64| {
            let start = Instant::now();
            let (mut counts, mut charge, mut slowed) = (Counts::default(), Charge::new(start), false);
            for tenth in 0..10 * seconds {
                counts.pings += per_second / 10;
                match charge.read(&counts, 0, &rate(), start + Duration::from_millis(100 * tenth)) {
                    Verdict::Fine => {}
                    Verdict::Pause(..) => slowed = true,
                    Verdict::Cut(_) => return None,
                }
            }
            Some(slowed)
        };
        assert_eq!(sends(1000, 3600), Some(false));
        assert_eq!(sends(1500, 10), Some(false));
        assert_eq!(sends(1500, 170), Some(true));
        assert_eq!(sends(1500, 200), None);
    }

    #[test]
    fn threat_16_frames_of_the_transports_own_share_the_rate_and_are_blamed_by_their_own_name() {
        let (mut now, mut counts) = (Instant::now(), Counts { bytes: 1 << 40, data_sent: 1 << 40, ..Counts::default() });
        let mut charge = Charge::new(now);
        assert_eq!(charge.read(&counts, 10_000, &rate(), now), Verdict::Fine);
        assert!(matches!(charge.read(&counts, 1, &rate(), now), Verdict::Pause(_, Blame::Transport)));
        counts.stray += 2;
        assert!(matches!(charge.read(&counts, 1, &rate(), now), Verdict::Pause(_, Blame::Mux)));
        let blame = loop {
            match charge.read(&counts, 1000, &rate(), now) {
                Verdict::Fine => panic!("it owes more than a burst"),
                Verdict::Pause(until, _) => now = until,
                Verdict::Cut(blame) => break blame,
            }
        };
        assert_eq!((blame.slowed().name(), blame.cut().name()), ("transport_rate_slowed", "transport_rate_cut"));
    }

    #[test]
    fn a_peer_that_pings_the_transport_every_second_owes_nothing() {
        let start = Instant::now();
        let mut charge = Charge::new(start);
        for second in 0..24 * 60 * 60 {
            let now = start + Duration::from_secs(second);
            assert_eq!(charge.read(&Counts::default(), 2, &rate(), now), Verdict::Fine);
            assert!(charge.owed.charge(&rate(), 0, 0, now) <= Duration::from_millis(2));
        }
    }

    #[test]
    fn what_one_kind_leaves_over_pays_for_no_other() {
        let now = Instant::now();
        let mut charge = Charge::new(now);
        let counts = Counts { data_sent: 1 << 40, opened: 1 << 40, bytes: 1 << 40, stray: 10_001, ..Counts::default() };
        assert!(matches!(charge.read(&counts, 0, &rate(), now), Verdict::Pause(..)));
    }

    #[test]
    fn what_was_charged_before_it_became_free_is_not_given_back_as_a_second_allowance() {
        let now = Instant::now();
        let mut charge = Charge::new(now);
        let mut counts = Counts { updates: 10_000, ..Counts::default() };
        assert_eq!(charge.read(&counts, 0, &rate(), now), Verdict::Fine);
        counts.data_sent = 500;
        counts.updates += 500;
        assert_eq!(charge.read(&counts, 0, &rate(), now), Verdict::Fine);
        counts.updates += 1;
        assert!(matches!(charge.read(&counts, 0, &rate(), now), Verdict::Pause(..)));
    }

    /// One read: what was delivered to the peer and what it sent, then how many of the free frames it makes use of, per mille.
    fn reads() -> impl Strategy<Value = Vec<([u64; 4], [u64; 5])>> {
        let delivered = [0_u64..50_000, 0..5_000, 0..5_000, 0..1 << 30];
        let used = std::array::from_fn::<_, 5, _>(|_| 0_u64..=1000);
        prop::collection::vec((delivered, used), 1..60)
    }

    proptest! {
        #[test]
        fn no_schedule_of_free_frames_is_ever_slowed(reads in reads()) {
            let now = Instant::now();
            let (mut charge, mut counts) = (Charge::new(now), Counts::default());
            for ([data, opened, opens, bytes], used) in reads {
                counts.data_sent += data;
                counts.opened += opened;
                counts.opens += opens;
                counts.bytes += bytes;
                let streams = counts.opens + counts.opened;
                let free = [counts.data_sent, counts.opened, streams, streams, counts.bytes / (128 * 1024)];
                let kinds = [&mut counts.updates, &mut counts.acks, &mut counts.fins, &mut counts.resets, &mut counts.pings];
                for ((kind, free), used) in kinds.into_iter().zip(free).zip(used) {
                    *kind += (free - *kind) * used / 1000;
                }
                // Not a moment passes, so nothing is repaid: a single frame too many would stay owed.
                prop_assert_eq!(charge.read(&counts, 0, &rate(), now), Verdict::Fine);
                prop_assert_eq!(charge.charged, [0; KINDS]);
            }
        }

        #[test]
        fn threat_09_whatever_the_mix_and_the_reads_a_flood_is_cut(kinds in prop::collection::vec((0..7_usize, 20_u64..5461), 1..20)) {
            let start = Instant::now();
            let (mut now, mut charge, mut counts, mut sent) = (start, Charge::new(start), Counts::default(), 0);
            'flood: loop {
                for &(kind, frames) in &kinds {
                    *CHARGED[kind].1(&mut counts) += frames;
                    sent += frames;
                    match charge.read(&counts, 0, &rate(), now) {
                        Verdict::Fine => prop_assert!(sent <= 10_000 + 1000 * (now - start).as_secs() + 1000),
                        Verdict::Pause(until, _) => {
                            prop_assert!(until > now && until <= now + PAUSE_MAX);
                            now = until;
                        }
                        Verdict::Cut(_) => break 'flood,
                    }
                }
            }
            // The slowest: reads of which half is repaid in the pause behind them.
            prop_assert!(now - start <= Duration::from_secs(95), "{:?}", now - start);
            prop_assert!(sent > 100_000);
        }
    }
}
