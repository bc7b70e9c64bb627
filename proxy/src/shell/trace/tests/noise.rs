//! Whatever comes, the trace goes on: no bytes make it panic, and it keeps no more than its budget.

use harness::{Capture, Way, frame, wire::framed};
use proptest::{collection::vec, prelude::*};

use super::told::{ANSWER, REQUEST, Watched, message};
use crate::shell::trace::{capture, flows::Flows, line::Side, scribe::Shown};

const ALL: Shown = Shown { data: true, secrets: true };

/// What a stream may begin with, so that noise behind it is taken for each kind of thing.
const OPENS: [(&str, &str); 8] = [
    (r#"{"path":"/session"}"#, "{}"),
    (r#"{"path":"/b/connect/N"}"#, "{}"),
    (r#"{"path":"/b/connect/N","resume":{"v":1,"id":"","early":3}}"#, r#"{"resume":{"v":1}}"#),
    (r#"{"path":"/direct","resume":{"v":1,"join":true}}"#, r#"{"resume":{"v":1}}"#),
    (r#"{"path":"/b/connect/N","seal":{"v":1}}"#, r#"{"seal":{"v":1}}"#),
    (r#"{"path":"/c/publish/N"}"#, r#"{"channel":{}}"#),
    (r#"{"path":"/c/subscribe/N"}"#, r#"{"channel":{}}"#),
    (r#"{"path":"/r/join/N"}"#, r#"{"room":{}}"#),
];

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Peer), Just(Side::Proxy)]
}

fn noise(most: usize) -> impl Strategy<Value = Vec<u8>> {
    // Small numbers are types, flags, lengths and kinds of records; others are whatever.
    vec(prop_oneof![3 => 0_u8..16, 1 => any::<u8>()], 0..most)
}

/// Nothing is held when it is gone, and each line is an object.
fn assert_sound(watched: Watched) -> Result<(), TestCaseError> {
    for line in &watched.lines {
        prop_assert!(serde_json::from_str::<serde_json::Value>(&line.json()).is_ok(), "{}", line.json());
    }
    let (budget, full) = (watched.budget.clone(), crate::shell::trace::budget::Budget::new().left());
    drop(watched);
    prop_assert_eq!(budget.left(), full);
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_of_a_connection_make_it_panic(steps in vec((side(), vec(any::<u8>(), 0..60), 0_u64..20), 1..20), upgraded in any::<bool>()) {
        let mut watched = if upgraded { Watched::upgraded(ALL) } else { Watched::new(ALL) };
        for (side, bytes, missing) in steps {
            watched.says(side, &bytes);
            if missing > 17 {
                watched.misses(side, missing);
            }
        }
        assert_sound(watched)?;
    }

    #[test]
    fn no_frames_of_a_session_make_it_panic(steps in vec((side(), 0_u8..5, 0_u16..32, 0_u32..8, any::<u32>(), noise(40)), 1..30)) {
        let mut watched = Watched::upgraded(ALL);
        for (side, kind, flags, stream, length, payload) in steps {
            let length = if kind == 0 { payload.len() as u32 } else { length };
            watched.sends(side, &frame(kind, flags, stream, length, if kind == 0 { &payload } else { &[] }));
        }
        assert_sound(watched)?;
    }

    #[test]
    fn nothing_that_a_stream_carries_makes_it_panic(
        (open, reply) in proptest::sample::select(&OPENS[..]),
        steps in vec((side(), noise(60), 0_u64..40), 1..20),
        size in 1_usize..50,
    ) {
        let mut watched = Watched::upgraded(ALL);
        watched.sends(Side::Peer, &data(1, &framed(open)));
        watched.sends(Side::Proxy, &data(2, &framed(reply)));
        for (side, payload, missing) in steps {
            for piece in payload.chunks(size) {
                watched.sends(side, &data(0, piece));
            }
            if missing > 37 {
                watched.misses(side, missing);
            }
        }
        assert_sound(watched)?;
    }

    #[test]
    fn no_capture_makes_it_panic(
        is_pcapng in any::<bool>(),
        changes in vec((any::<proptest::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut recorded = Capture::new();
        recorded.says(Way::Up, REQUEST);
        recorded.says(Way::Down, ANSWER);
        recorded.says(Way::Up, &message(Side::Peer, &data(1, &framed(OPENS[2].0))));
        recorded.says(Way::Down, &message(Side::Proxy, &data(2, &framed(OPENS[2].1))));
        recorded.finishes(Way::Up);
        let mut bytes = if is_pcapng { recorded.pcapng() } else { recorded.pcap() };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let mut out = |line: crate::shell::trace::line::Line| drop(line.plain());
        // Whether it can be read to its end is another matter.
        let _ = capture::read(&bytes[..], &mut Flows::new(&[], ALL, &mut out));
    }
}

fn data(flags: u16, payload: &[u8]) -> Vec<u8> {
    frame(0, flags, 1, payload.len() as u32, payload)
}
