//! Row 7: peers that break the protocol, are cut, and come again as fast as they can.

use std::{io, time::Duration};

use harness::{DATA, PING, SYN, WINDOW_UPDATE, blocking::Blocking, frame, wire::message};

use crate::{attack::Attack, client::FIRST_WINDOW, fate::Fate, siege::Siege};

/// Every way to break it (PROTOCOL.md, "Violations").
fn violations() -> [Vec<u8>; 8] {
    let opened = frame(WINDOW_UPDATE, SYN, 1, 0, b"");
    let mut version = frame(PING, SYN, 0, 0, b"");
    version[0] = 1;
    [
        frame(DATA, SYN, 1, FIRST_WINDOW + 1, b""),
        [opened.clone(), frame(DATA, 0, 1, FIRST_WINDOW, &vec![0; FIRST_WINDOW as usize]), frame(DATA, 0, 1, 1, b"x")].concat(),
        [frame(WINDOW_UPDATE, SYN, 1, u32::MAX, b"")].concat(),
        frame(WINDOW_UPDATE, SYN, 2, 0, b""),
        [opened.clone(), opened].concat(),
        frame(9, 0, 1, 0, b""),
        version,
        frame(DATA, 0, 0, 1, b"x"),
    ]
}

#[test]
fn threat_07_violators_that_come_again_as_fast_as_they_can_are_cut_each_time() {
    let fate = Siege::of("violators, again and again").stand(|attack| {
        let mut fate = Fate::default();
        let messages = violations().map(|frames| message(&frames));
        while attack.goes_on_until(fate.connections >= 8) {
            for message in &messages {
                match violate(attack, message) {
                    Ok(one) => fate.add(one),
                    Err(error) => fate.refused(&error),
                }
            }
        }
        fate
    });
    // All but those that the end of the flood found half-way or a limit kept out.
    assert!(fate.connections >= 8 && fate.ended == fate.connections, "each is cut: {fate}");
    assert_eq!(fate.go_aways.get(&1), Some(&fate.ended), "each is told GO_AWAY(protocol): {fate}");
    assert_eq!(fate.closes.get(&1002), Some(&fate.ended), "each is closed with 1002: {fate}");
}

/// One connection, one violation, and what came of it.
fn violate(attack: &Attack, message: &[u8]) -> io::Result<Fate> {
    let mut peer = Blocking::dial(attack.proxy, attack.address())?;
    peer.socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut fate = Fate { connections: 1, sent: 1, ..Fate::default() };
    // A cut in the middle of the message is as good.
    let _ = io::Write::write_all(&mut peer.socket, message);
    fate.ended = loop {
        match peer.receive(|came| fate.came(&came)) {
            Ok(()) => {}
            Err(error) => break u64::from(!harness::blocking::is_timeout(&error)),
        }
    };
    Ok(fate)
}
