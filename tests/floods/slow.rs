//! Row 6: readers that give credit back slowly or never, beside a ping-pong of the same two sessions.

use crate::{
    fate::Fate,
    process::Settings,
    server::Manner,
    siege::{MIB, Siege},
};

/// Streams that are read slowly, and as many that are not read at all.
const STREAMS: u64 = 8;
/// What a stream's reader granted, and the proxy may therefore hold for it.
const WINDOW: u64 = MIB / 4;

#[test]
fn threat_06_a_slow_reader_stops_its_writer_alone() {
    let settings = Settings::default();
    let mut siege = Siege::with("slow readers", &settings, 2 * STREAMS * WINDOW + 8 * MIB, |honest| {
        for _ in 0..STREAMS {
            honest.beside(Manner::Sip);
            honest.beside(Manner::Nothing);
        }
    });
    // The honest pair does it all, with a writer at full speed on each of these streams: there is nobody else.
    siege.stand(|_| Fate::default());
    let (slow, never) = siege.honest.written_beside();
    let first = u64::from(crate::client::FIRST_WINDOW);
    assert!(never <= STREAMS * first, "{never} bytes were taken for readers that granted {}", STREAMS * first);
    assert!(slow > STREAMS * first, "a slow reader is a reader: it got {slow} bytes");
}
