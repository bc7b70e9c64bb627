//! Row 16: what is wrong, wasteful or endless below the mux, in the WebSocket itself.

use std::{io::Write, time::Duration};

use harness::{
    DATA, PING, SYN,
    blocking::{Blocking, is_timeout},
    frame,
    wire::{BINARY, mask, masked, masked_head},
};
use rand::{RngCore, SeedableRng, rngs::StdRng};

use crate::{
    attack::Attack,
    client::FIRST_WINDOW,
    fate::Fate,
    frames::{FRAMES, SINCE_THE_LOOK, held},
    pour::{Flood, pour},
    siege::{Siege, lasting},
};

#[test]
fn threat_16_garbage_is_closed_with_1002_each_time() {
    let mut random = StdRng::seed_from_u64(16);
    let fate = Siege::of("WebSocket garbage").stand(|attack| {
        again(attack, || {
            let mut garbage = vec![0; 4096];
            random.fill_bytes(&mut garbage);
            // A reserved bit, so that it is never by chance the beginning of a long message.
            garbage[0] |= 0x10;
            garbage
        })
    });
    closed(&fate);
}

#[test]
fn threat_16_frames_without_a_mask_are_closed_with_1002_each_time() {
    let ping = frame(PING, SYN, 0, 7, b"");
    let unmasked = [&[BINARY, ping.len() as u8][..], &ping].concat();
    closed(&Siege::of("unmasked").stand(|attack| again(attack, || unmasked.repeat(64))));
}

#[test]
fn threat_16_a_flood_of_websocket_pings_leaves_others_alone() {
    let pings = masked(0x89, &[b'p'; 125]).repeat(256);
    let fate = Siege::of("WebSocket pings").stand(|attack| {
        let next = |batch: &mut Vec<u8>| {
            batch.extend_from_slice(&pings);
            256
        };
        pour(attack, Flood { first: Vec::new(), next, reads: true })
    });
    // Each fills the proxy's read with few frames: it is read no faster for a minute and a half before it is cut.
    slowed(&fate, pings.len() / 256);
}

#[test]
fn threat_16_a_flood_of_websocket_pings_that_are_never_read_leaves_others_alone() {
    let pings = masked(0x89, &[b'p'; 125]).repeat(256);
    let fate = Siege::of("WebSocket pings, reads nothing").stand(|attack| {
        let next = |batch: &mut Vec<u8>| {
            batch.extend_from_slice(&pings);
            256
        };
        pour(attack, Flood { first: Vec::new(), next, reads: false })
    });
    slowed(&fate, pings.len() / 256);
}

#[test]
fn threat_16_fragments_without_bytes_for_ever_leave_others_alone() {
    let empty = masked(0x00, b"").repeat(1024);
    let fate = Siege::of("empty fragments for ever").stand(|attack| {
        let next = |batch: &mut Vec<u8>| {
            batch.extend_from_slice(&empty);
            1024
        };
        pour(attack, Flood { first: masked(0x02, b""), next, reads: true })
    });
    held(&fate, FRAMES, empty.len() as u64 / 1024);
}

#[test]
fn threat_16_fragments_of_one_byte_for_ever_leave_others_alone() {
    // Legal to the last byte: streams whose opens are refused, and as many bytes on each as its first window takes.
    let (mut id, mut left) = (1u32, 0);
    let next = |batch: &mut Vec<u8>| {
        if left == 0 {
            let head = frame(DATA, SYN, id, FIRST_WINDOW, b"\0\x02{}");
            batch.extend(head.iter().flat_map(|byte| masked(0x00, &[*byte])));
            (id, left) = (id + 2, FIRST_WINDOW - 4);
        }
        let run = left.min(1024);
        left -= run;
        batch.extend(masked(0x00, b"x").repeat(run as usize));
        u64::from(run)
    };
    // A message that has begun, with nothing in it yet.
    let fate = Siege::of("one-byte fragments for ever").stand(|attack| pour(attack, Flood { first: masked(0x02, b""), next, reads: true }));
    assert_eq!((fate.connections, fate.ended), (1, 0), "legal, and so not cut: {fate}");
}

#[test]
fn threat_16_a_message_that_promises_four_exabytes_costs_nothing_and_is_taken_as_it_comes() {
    const TRICKLERS: usize = 16;
    let fate = Siege::of("2^62 bytes promised, trickled").stand_for(lasting().max(Duration::from_secs(1)), |attack| {
        let mut fate = Fate::default();
        let mut peers: Vec<Blocking> = (0..TRICKLERS).filter_map(|_| promise(attack, &mut fate)).collect();
        let ping = frame(PING, SYN, 0, 7, b"");
        for at in ping.len().. {
            if !attack.goes_on_until(fate.pongs >= TRICKLERS as u64) {
                break;
            }
            let byte = [mask(ping[at % ping.len()], at)];
            peers.retain_mut(|peer| {
                let alive = peer.socket.write_all(&byte).is_ok() && trickled(peer, &mut fate);
                fate.ended += u64::from(!alive);
                fate.sent += 1;
                alive
            });
            std::thread::park_timeout(Duration::from_millis(5));
        }
        fate
    });
    assert_eq!((fate.connections, fate.ended), (TRICKLERS as u64, 0), "any length is legal: {fate}");
    assert!(fate.pongs >= TRICKLERS as u64, "what came of the message is answered before its end: {fate}");
}

/// A connection in the middle of a message of 2^62 bytes, the first of which are a ping.
fn promise(attack: &Attack, fate: &mut Fate) -> Option<Blocking> {
    let mut peer = Blocking::dial(attack.proxy, attack.address()).map_err(|error| fate.refused(&error)).ok()?;
    peer.socket.set_read_timeout(Some(Duration::from_micros(50))).ok()?;
    let ping: Vec<u8> = frame(PING, SYN, 0, 7, b"").iter().enumerate().map(|(at, &byte)| mask(byte, at)).collect();
    peer.socket.write_all(&[masked_head(BINARY, 1 << 62), ping].concat()).ok()?;
    fate.connections += 1;
    Some(peer)
}

/// Takes what is there; false when the proxy has closed.
fn trickled(peer: &mut Blocking, fate: &mut Fate) -> bool {
    peer.receive(|came| fate.came(&came)).map_or_else(|error| is_timeout(&error), |()| true)
}

/// Dials, sends something, reads to the end, and dials again, as fast as it can.
fn again(attack: &Attack, mut what: impl FnMut() -> Vec<u8>) -> Fate {
    let mut fate = Fate::default();
    while attack.goes_on_until(fate.connections > 0) {
        let mut peer = match Blocking::dial(attack.proxy, attack.address()) {
            Ok(peer) => peer,
            Err(error) => {
                fate.refused(&error);
                continue;
            }
        };
        peer.socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        fate.connections += 1;
        fate.sent += u64::from(peer.socket.write_all(&what()).is_ok());
        fate.ended += loop {
            match peer.receive(|came| fate.came(&came)) {
                Ok(()) => {}
                Err(error) => break u64::from(!is_timeout(&error)),
            }
        };
    }
    fate
}

/// At most twice the rate was taken behind the burst, whatever was sent.
fn slowed(fate: &Fate, unit: usize) {
    let (burst, rate) = FRAMES;
    let allowed = fate.allowed((burst, 2 * rate)) + (fate.on_the_way + SINCE_THE_LOOK) / unit as u64;
    assert!(fate.connections > 0 && fate.most <= allowed, "one connection had {} pings taken, more than {allowed}: {fate}", fate.most);
    assert!(fate.closes.keys().all(|code| *code == 1008), "{fate}");
}

fn closed(fate: &Fate) {
    assert!(fate.connections > 0 && fate.ended == fate.connections, "each is cut: {fate}");
    assert_eq!(fate.closes.iter().collect::<Vec<_>>(), [(&1002, &fate.ended)], "each is told 1002: {fate}");
}
