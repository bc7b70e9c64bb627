//! Row 8: one stream too many, and then on and on.

use std::time::Duration;

use harness::{
    DATA, PING, SYN,
    blocking::{Blocking, is_timeout},
    frame,
    wire::{framed, message},
};

use crate::{
    fate::Fate,
    frames::LIMIT,
    pour::{Flood, pour},
    siege::{Siege, within},
};

const STREAMS_MAX: u32 = 1024;

/// An open that waits for a name that nobody holds: its stream lives as long as a flood.
fn waiting(id: u32) -> Vec<u8> {
    let open = framed(r#"{"path":"/browser-server/connect/NOBODY","wait":15000}"#);
    frame(DATA, SYN, id, open.len() as u32, &open)
}

/// Opens of the first 1,024 streams and of `more`, in one message.
fn opens(more: u32) -> Vec<u8> {
    message(&(0..STREAMS_MAX + more).flat_map(|number| waiting(2 * number + 1)).collect::<Vec<_>>())
}

#[test]
fn threat_08_the_stream_too_many_is_refused_and_the_session_lives() {
    let fate = Siege::of("1,025 streams").stand(|attack| {
        let mut fate = Fate { connections: 1, sent: u64::from(STREAMS_MAX) + 1, ..Fate::default() };
        let mut peer = Blocking::dial(attack.proxy, attack.address()).expect("it comes in");
        peer.socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        std::io::Write::write_all(&mut peer.socket, &opens(1)).expect("taken");
        peer.send(&frame(PING, SYN, 0, 7, b"")).expect("taken");
        let answered = within(Duration::from_secs(20), || {
            let read = peer.receive(|came| fate.came(&came));
            fate.ended = u64::from(read.is_err_and(|error| !is_timeout(&error)));
            fate.pongs == 1 && !fate.resets.is_empty()
        });
        assert!(answered, "the session lives and says no: {fate}");
        // The streams wait on, as a page's would.
        while attack.goes_on() && fate.ended == 0 {
            let read = peer.receive(|came| fate.came(&came));
            fate.ended = u64::from(read.is_err_and(|error| !is_timeout(&error)));
        }
        fate
    });
    assert_eq!(fate.resets.into_iter().collect::<Vec<_>>(), [(LIMIT, 1)], "the one too many and no other");
    assert_eq!(fate.ended, 0, "the session lives");
}

#[test]
fn threat_08_streams_beyond_the_limit_are_refused_on_and_on() {
    let mut id = 2 * STREAMS_MAX - 1;
    let next = |batch: &mut Vec<u8>| {
        let mut body = Vec::new();
        for _ in 0..256 {
            id = id.wrapping_add(2);
            body.extend(waiting(id));
        }
        batch.extend(message(&body));
        256
    };
    let fate = Siege::of("1,025 streams, on and on").stand(|attack| pour(attack, Flood { first: opens(0), next, reads: true }));
    assert_eq!(fate.resets.keys().collect::<Vec<_>>(), [&LIMIT], "all of them `limit`");
    assert!(fate.closes.keys().all(|code| *code == 1008), "and too many of them are a policy's matter: {fate}");
}
