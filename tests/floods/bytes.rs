//! One byte to a frame, as fast as it goes: a use, not an attack. It is carried whole, and others keep their latency.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use harness::{DATA, frame, wire::message};

use crate::{
    attack::Attack,
    client::Client,
    cores,
    fate::Fate,
    server::{Manner, Server},
    siege::{Siege, within},
};

/// Frames in one batch: whole periods of the bytes that the reader expects.
const BATCH: u32 = 251 * 16;
/// Bytes, and so frames, that make it a flood.
const ENOUGH: u64 = 10 * BATCH as u64;

#[test]
fn threat_09_one_byte_to_a_frame_is_carried_and_leaves_others_alone() {
    let mut drunk = 0;
    let fate = Siege::of("one byte to a frame").stand(|attack| {
        let (fate, arrived) = carry(attack);
        drunk = arrived;
        fate
    });
    assert!(fate.sent >= ENOUGH, "it is carried: {fate}");
    assert_eq!(drunk, fate.sent, "every byte arrived");
}

/// Sends single bytes within credit until the attack is over; what it did, and how many bytes arrived.
fn carry(attack: &Attack) -> (Fate, u64) {
    let server = Server::claim(attack.proxy, attack.address(), "SINK").expect("a name");
    let drunk = server.drunk.clone();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let serving = scope.spawn(|| {
            cores::behind_everybody();
            server.serve(&over)
        });
        let mut client = Client::dial(attack.proxy, attack.address()).expect("it comes in");
        let stream = client.connect("SINK", Manner::Drink).expect("accepted");
        let batch: Vec<u8> = (0..BATCH).flat_map(|at| message(&frame(DATA, 0, stream, 1, &[(at % 251) as u8]))).collect();
        let mut fate = Fate { connections: 2, ..Fate::default() };
        while attack.goes_on_until(fate.sent >= ENOUGH) {
            if client.credit(stream) >= BATCH {
                client.spend(stream, BATCH);
                client.peer.socket.write_all(&batch).expect("a use is not cut");
                fate.sent += u64::from(BATCH);
            } else {
                client.receive(|_, _| ()).expect("a use is not cut");
            }
        }
        within(Duration::from_secs(10), || drunk.load(Ordering::Relaxed) == fate.sent);
        over.store(true, Ordering::Relaxed);
        serving.join().expect("every byte is where it belongs").expect("the reader's session lives");
        (fate, drunk.load(Ordering::Relaxed))
    })
}
