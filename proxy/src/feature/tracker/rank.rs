//! Whom to ask first: who is near and has much.

use std::time::Duration;

use browser_stream_protocol::swarm::{Extent, PeerName};
use uuid::Uuid;

/// One who could be asked.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub name: PeerName,
    pub extent: &'a Extent,
    pub rtt: Option<Duration>,
    pub session: Uuid,
}

/// Who is to be asked.
pub(super) struct Chosen<'a> {
    /// Whoever is best first.
    pub entries: Vec<Entry<'a>>,
    /// The last of those that were taken because it was their turn.
    pub turn: Option<PeerName>,
}

/// How far somebody is of whom that is not known, where it is known of nobody.
const UNKNOWN: Duration = Duration::from_millis(100);
/// Nearer than this is as near.
const NEAR: Duration = Duration::from_millis(1);
/// One of so many is taken because it is its turn: else a crowd would ask the same few.
const TURNS: usize = 4;

/// At most so many of these, who come in the order of their turns.
pub(super) fn choose(entries: Vec<Entry<'_>>, most: usize) -> Chosen<'_> {
    let unknown = median(entries.iter().filter_map(|entry| entry.rtt).collect());
    let score = |entry: &Entry| {
        let rtt = entry.rtt.unwrap_or(unknown).max(NEAR);
        // Whoever has nothing of it was not announced.
        rtt.as_secs_f64() / entry.extent.portion.share()
    };
    let mut scored: Vec<_> = entries.into_iter().map(|entry| (score(&entry), entry)).enumerate().collect();
    scored.sort_by(|(_, (one, _)), (_, (other, _))| one.total_cmp(other));
    let mut turn = None;
    if scored.len() > most {
        let mut rest = scored.split_off(most - most / TURNS);
        rest.sort_unstable_by_key(|(at, _)| *at);
        rest.truncate(most / TURNS);
        turn = rest.last().map(|(_, (_, entry))| entry.name);
        scored.extend(rest);
        scored.sort_by(|(_, (one, _)), (_, (other, _))| one.total_cmp(other));
    }
    Chosen { entries: scored.into_iter().map(|(_, (_, entry))| entry).collect(), turn }
}

fn median(mut known: Vec<Duration>) -> Duration {
    let middle = known.len() / 2;
    if known.is_empty() { UNKNOWN } else { *known.select_nth_unstable(middle).1 }
}

#[cfg(test)]
mod tests {
    use browser_stream_protocol::swarm::{Bitmap, Portion};

    use super::*;

    fn extents() -> [Extent; 3] {
        let quarter = Portion::Have(Bitmap::parse(4, &[0x80]).unwrap());
        [Portion::All, Portion::Share(0.5), quarter].map(|portion| Extent { pieces: 4, portion })
    }

    fn entry(number: u128, extent: &Extent, rtt_ms: u64) -> Entry<'_> {
        let rtt = (rtt_ms > 0).then(|| Duration::from_millis(rtt_ms));
        Entry { name: PeerName(Uuid::from_u128(number)), extent, rtt, session: Uuid::nil() }
    }

    fn numbers(chosen: &Chosen) -> Vec<u128> {
        chosen.entries.iter().map(|entry| entry.name.0.as_u128()).collect()
    }

    #[test]
    fn who_is_near_and_has_much_comes_first() {
        let [all, half, quarter] = &extents();
        let entries = vec![entry(1, quarter, 10), entry(2, all, 50), entry(3, half, 10), entry(4, all, 30), entry(5, half, 30)];
        assert_eq!(numbers(&choose(entries.clone(), 32)), [3, 4, 1, 2, 5]);
        assert_eq!(numbers(&choose(entries, 2)), [3, 4]);
    }

    #[test]
    fn of_whom_nothing_is_known_counts_as_the_one_in_the_middle_or_as_100_ms_away() {
        let [all, half, _] = &extents();
        let entries = vec![entry(1, all, 0), entry(2, all, 10), entry(3, all, 20), entry(4, all, 90)];
        assert_eq!(numbers(&choose(entries, 32)), [2, 1, 3, 4]);
        assert_eq!(numbers(&choose(vec![entry(1, half, 0), entry(2, all, 0)], 32)), [2, 1]);
    }

    #[test]
    fn of_many_a_quarter_is_taken_by_turn_and_stands_where_it_belongs() {
        let [all, ..] = &extents();
        let entries: Vec<_> =
            [90, 80, 70, 60, 50, 40, 30, 20, 10, 1].iter().zip(1..).map(|(&rtt, number)| entry(number, all, rtt)).collect();
        let chosen = choose(entries.clone(), 8);
        assert_eq!(numbers(&chosen), [10, 9, 8, 7, 6, 5, 2, 1]);
        assert_eq!(chosen.turn, Some(entries[1].name));
        assert_eq!(choose(entries, 10).turn, None);
    }
}
