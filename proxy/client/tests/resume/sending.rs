//! RESUME.md section 4: what leaves when, and on which carrier.

use std::time::Duration;

use browser_stream_client::resume::{Action, Budget, CARRIER_QUEUE_MAX, Close, Endpoint, Kind, Limits, Record, State};
use bytes::Bytes;

use crate::{
    network::{CLIENT, SERVER},
    world::{World, identity},
};

const KIB: u64 = 1024;

fn opened() -> World {
    World::opened(Limits::default())
}

fn data(offset: u64, length: u32) -> Record {
    Record::Data { offset, length }
}

fn acks(world: &World, side: usize) -> Vec<(u64, u64)> {
    let ack = |(_, record): &(u64, Record)| if let Record::Ack { received, room } = record { Some((*received, *room)) } else { None };
    world.network.said[side].iter().filter_map(ack).collect()
}

#[test]
fn a_new_carrier_hears_what_is_known_and_then_everything_that_is_not_acknowledged() {
    let mut world = opened();
    world.write(CLIENT, 100);
    world.run_for(Duration::from_secs(1));
    world.write(CLIENT, 50);
    world.finish(CLIENT);
    world.cut_all();
    world.run_for(Duration::from_secs(1));
    let said = world.network.said_on(CLIENT, 2);
    assert!(matches!(said[..2], [Record::Join { .. }, Record::Proof { .. }]));
    assert_eq!(said[2..], [Record::Ack { received: 0, room: 262_144 }, data(100, 50), Record::Fin { total: 150 }]);
}

#[test]
fn each_move_is_counted_and_each_byte_that_it_says_again() {
    let mut world = opened();
    world.write(CLIENT, 100);
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.client().moves(), world.client().resent()), (0, 0));
    for moves in 1..=3 {
        world.write(CLIENT, 50);
        world.cut_all();
        world.run_for(Duration::from_secs(1));
        assert_eq!((world.client().moves(), world.server().moves()), (moves, moves));
        assert_eq!((world.client().resent(), world.server().resent()), (50 * moves, 0), "nothing that was acknowledged before");
    }
    world.finish(CLIENT);
    world.cut_all();
    world.run_for(Duration::from_secs(1));
    assert!(world.client().is_written());
    assert_eq!((world.client().moves(), world.client().resent()), (4, 150), "FIN is no byte");
}

#[test]
fn bytes_that_were_acknowledged_meanwhile_are_not_sent_again() {
    let mut world = opened();
    world.write(CLIENT, 100);
    let first = world.carrier();
    world.arrive_at(SERVER, first);
    world.advance(Duration::from_millis(50));
    let second = world.join(Kind::Direct);
    world.pump(CLIENT);
    while world.carrier() != second {
        assert!(world.deliver(second, SERVER, 1000) | world.deliver(second, CLIENT, 1000) | world.answer_mac(0));
    }
    assert!(!world.network.said_on(CLIENT, second).iter().any(|record| matches!(record, Record::Data { .. })), "PROVE's ACK told");
}

#[test]
fn a_direct_carrier_is_taken_as_soon_as_it_is_proven_and_the_newest_proxy_one_when_it_dies() {
    let mut world = opened();
    let proxy = world.carrier();
    let direct = world.proven(Kind::Direct);
    assert_eq!([world.carrier_of(CLIENT), world.carrier_of(SERVER)], [direct; 2]);
    assert!(world.has(CLIENT, proxy), "the proxy carrier stays, idle");
    world.network.cut(proxy, [0; 2], true);
    world.arrive();
    world.run_for(Duration::from_secs(3));
    let proxy = world.client().carriers().max().unwrap();
    assert!(proxy > direct && world.has(SERVER, proxy));
    assert_eq!([world.carrier_of(CLIENT), world.carrier_of(SERVER)], [direct; 2], "a newer proxy one is no better");
    world.network.cut(direct, [0; 2], true);
    world.arrive();
    assert_eq!([world.carrier_of(CLIENT), world.carrier_of(SERVER)], [proxy; 2]);
}

#[test]
fn records_are_taken_from_any_proven_carrier() {
    let mut world = opened();
    let proxy = world.carrier();
    world.proven(Kind::Direct);
    world.apps[CLIENT].written = 10;
    world.say(SERVER, proxy, &[data(0, 10)]);
    assert_eq!(world.server().progress().0, 10);
}

#[test]
fn moves_by_choice_are_at_least_a_second_apart() {
    let mut world = opened();
    let first = world.proven(Kind::Direct);
    let second = world.proven(Kind::Direct);
    assert_eq!(world.carrier_of(CLIENT), first);
    world.advance(Duration::from_millis(999));
    assert_eq!(world.carrier_of(CLIENT), first);
    world.advance(Duration::from_millis(1));
    assert_eq!([world.carrier_of(CLIENT), world.carrier_of(SERVER)], [second; 2]);
    world.proven(Kind::Direct);
    world.network.cut(second, [0; 2], true);
    world.arrive();
    assert_ne!(world.carrier_of(CLIENT), second, "a death waits for nothing");
}

#[test]
fn a_move_by_choice_waits_a_moment_for_what_is_on_its_way() {
    let mut world = opened();
    let proxy = world.carrier();
    let direct = world.join(Kind::Direct);
    world.write(CLIENT, 100);
    while !world.network.said_on(CLIENT, direct).iter().any(|record| matches!(record, Record::Proof { .. })) {
        assert!(world.deliver(direct, SERVER, 1000) | world.deliver(direct, CLIENT, 1000) | world.answer_mac(0));
    }
    world.write(CLIENT, 10);
    assert_eq!(world.carrier(), proxy);
    assert_eq!(world.network.data[CLIENT], 100, "it sends nothing more on the old one");
    world.run_for(Duration::from_millis(60));
    assert_eq!((world.carrier(), world.network.data[CLIENT]), (direct, 110), "moved when it was acknowledged, and nothing went twice");
}

#[test]
fn a_move_by_choice_waits_no_longer_than_200_ms() {
    let mut world = opened();
    let (proxy, direct) = (world.carrier(), world.join(Kind::Direct));
    world.write(CLIENT, 100);
    world.network.cut(proxy, [0; 2], false);
    for _ in 0..10 {
        world.arrive_at(SERVER, direct);
        world.arrive_at(CLIENT, direct);
        world.answer_mac(0);
    }
    world.advance(Duration::from_millis(199));
    assert_eq!(world.carrier(), proxy);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.carrier(), direct);
    assert_eq!(world.network.said_on(CLIENT, direct).last(), Some(&data(0, 100)));
}

#[test]
fn data_stays_below_the_limit_and_fin_needs_no_room() {
    let mut world = opened();
    world.write(CLIENT, 300 * KIB);
    world.run();
    assert_eq!(world.network.data[CLIENT], 256 * KIB);
    assert_eq!(world.server().progress().0, 256 * KIB);
    world.read(SERVER, u64::MAX);
    world.consume(SERVER);
    world.run();
    assert_eq!(world.network.data[CLIENT], 300 * KIB);
    let mut world = World::opened(Limits { window_min: 1000, ..Limits::default() });
    let (id, now) = (world.carrier(), world.now);
    world.client().write(&mut Bytes::from(vec![0; 5000]));
    let mut out = Vec::new();
    world.client().transmit(id, usize::MAX, now, &mut out);
    assert_eq!(out.iter().map(Bytes::len).sum::<usize>(), 4 + 1000);
    let mut world = opened();
    world.write(CLIENT, 256 * KIB);
    world.finish(CLIENT);
    world.run();
    assert!(world.client().is_written());
}

#[test]
fn what_must_be_said_goes_ahead_of_data() {
    let mut world = opened();
    let (id, now) = (world.carrier(), world.now);
    world.client().write(&mut Bytes::from(vec![0; 300_000]));
    world.client().received(id, Bytes::from_static(b"\x07\x05"), now);
    let mut out = Vec::new();
    world.client().transmit(id, 1, now, &mut out);
    assert_eq!(out.concat(), b"\x03\x00\x80\x80\x10\x08\x05\x01\x00\x01\x00", "ACK, then PONG, then DATA");
    world.client().received(id, Bytes::from_static(b"\x03\x00\x80\x80\x40"), now);
    world.client().received(id, Bytes::from_static(b"\x07\x05"), now);
    out.clear();
    world.client().transmit(id, usize::MAX, now, &mut out);
    assert_eq!(out[0][..8], *b"\x03\x00\x80\x80\x10\x08\x05\x01");
    let payload: usize = out.iter().map(Bytes::len).filter(|&length| length > 1000).sum();
    assert_eq!(payload, CARRIER_QUEUE_MAX);
}

#[test]
fn threat_13_a_peer_that_asks_without_end_and_never_reads_is_owed_one_answer_when_it_reads_again() {
    let mut world = opened();
    let (id, now) = (world.carrier(), world.now);
    let mut out = Vec::new();
    for token in 0..100 {
        world.client().received(id, Bytes::copy_from_slice(&[7, token, 2, 0]), now);
        world.client().transmit(id, 0, now, &mut out);
    }
    assert_eq!(out, [] as [Bytes; 0], "nothing is queued on a carrier that is full");
    assert!(world.client().wants_transmit(id));
    world.client().transmit(id, 1, now, &mut out);
    assert_eq!(out.concat(), b"\x03\x01\xff\xff\x0f\x08\x63", "the facts as they are now, and the PONG of the newest PING");
    assert!(!world.client().wants_transmit(id));
}

#[test]
fn a_last_word_waits_for_no_room_so_that_a_peer_that_never_reads_holds_no_carrier_open() {
    let mut world = opened();
    let (id, now) = (world.carrier(), world.now);
    world.client().received(id, Bytes::from_static(b"\x04\x04busy\x00"), now);
    let mut out = Vec::new();
    world.client().transmit(id, 0, now, &mut out);
    assert_eq!(out.concat(), b"\x05");
    assert!(matches!(world.client().poll(), Some(Action::Close(closed, Close::Finish)) if closed == id));
    assert!(world.client().is_over());
}

#[test]
fn payload_is_neither_copied_when_it_is_sent_nor_when_it_is_received() {
    let mut world = opened();
    let (id, now) = (world.carrier(), world.now);
    let payload = Bytes::from(vec![1; 10_000]);
    world.client().write(&mut payload.clone());
    let mut out = Vec::new();
    world.client().transmit(id, usize::MAX, now, &mut out);
    assert_eq!(out[1].as_ptr(), payload.as_ptr());
    for bytes in out {
        world.server().received(id, bytes, now);
    }
    assert_eq!(world.server().read().unwrap().as_ptr(), payload.as_ptr());
}

#[test]
fn a_few_bytes_are_acknowledged_after_50_ms_and_a_quarter_of_the_window_at_once() {
    let mut world = opened();
    world.write(CLIENT, 1);
    world.run();
    world.advance(Duration::from_millis(49));
    assert_eq!(acks(&world, SERVER), []);
    world.advance(Duration::from_millis(1));
    assert_eq!(acks(&world, SERVER), [(1, 262_143)]);
    world.write(CLIENT, 64 * KIB);
    world.run();
    assert_eq!(acks(&world, SERVER).last(), Some(&(1 + 64 * KIB, 262_143 - 64 * KIB)));
    assert_eq!(world.deadline(), None, "no timer is on when nothing is new");
}

#[test]
fn a_quarter_of_the_window_read_free_is_told_at_once() {
    let mut world = opened();
    world.write(CLIENT, 70 * KIB);
    world.run();
    world.advance(Duration::from_millis(100));
    world.read(SERVER, u64::MAX);
    let before = acks(&world, SERVER).len();
    for (consumed, told) in [(63 * KIB, 0), (KIB, 1)] {
        world.apps[SERVER].unconsumed = consumed;
        world.consume(SERVER);
        assert_eq!(acks(&world, SERVER).len(), before + told);
    }
    assert_eq!(acks(&world, SERVER).last(), Some(&(70 * KIB, (256 + 64 - 70) * KIB)));
}

#[test]
fn a_fin_is_acknowledged_at_once() {
    let mut world = opened();
    world.finish(CLIENT);
    world.run();
    assert_eq!(acks(&world, SERVER), [(1, 262_143)]);
}

#[test]
fn a_writer_waits_beyond_the_replay_buffer() {
    let mut world = opened();
    assert_eq!(world.write(CLIENT, 2 * 1024 * KIB), 1024 * KIB);
    assert_eq!(world.client().writable(), 0);
    world.run_for(Duration::from_secs(1));
    assert!(world.write(CLIENT, 2 * 1024 * KIB) >= 1024 * KIB);
}

#[test]
fn the_replay_buffer_grows_with_the_peers_window_and_never_over_8_mib() {
    for (rooms, bound) in [(&[1024 * KIB][..], 1024), (&[3000 * KIB, 100 * KIB], 3000), (&[1 << 40], 8192)] {
        let mut world = opened();
        let id = world.carrier();
        for &room in rooms {
            world.say(CLIENT, id, &[Record::Ack { received: 0, room }]);
        }
        assert_eq!(world.write(CLIENT, 9000 * KIB), bound * KIB);
    }
}

#[test]
fn beyond_the_programs_budget_a_stream_gets_256_kib_each_way() {
    let limits = std::sync::Arc::new(Limits::default());
    let budget = Budget::new(1024 * KIB);
    let connect = || Endpoint::connect(identity(), limits.clone(), &budget, Duration::from_secs(17), 0, std::time::Instant::now());
    let fill = |end: &mut Endpoint| end.write(&mut Bytes::from(vec![0; 2 << 20])) as u64;
    let (mut first, mut second) = (connect(), connect());
    assert_eq!((fill(&mut first), budget.left()), (1024 * KIB, 256 * KIB));
    assert_eq!((fill(&mut second), budget.left()), (256 * KIB, 256 * KIB));
    drop(first);
    assert_eq!((fill(&mut second), budget.left()), (768 * KIB, 256 * KIB), "it goes on when there is more");
    drop(second);
    assert_eq!(budget.left(), 1024 * KIB);
}

#[test]
fn a_stream_takes_of_the_budget_when_it_holds_more_than_256_kib_and_gives_it_back_when_it_holds_nothing() {
    let mut world = opened();
    let (id, budget) = (world.carrier(), world.budgets[CLIENT].clone());
    let all = budget.left();
    assert_eq!(all, Budget::default().left(), "a stream at rest takes nothing");
    world.say(CLIENT, id, &[Record::Ack { received: 0, room: 1 << 40 }]);
    assert_eq!(budget.left(), all, "whatever room its peer tells");
    world.write(CLIENT, 256 * KIB - 1);
    assert_eq!(budget.left(), all);
    world.write(CLIENT, 1);
    assert_eq!(budget.left(), all - 768 * KIB);
    assert!(world.client().writable() > 0, "a writer that filled it to the brim goes on");
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.apps[SERVER].read, budget.left()), (256 * KIB, all));
}

#[test]
fn a_stream_at_rest_has_no_timer_and_costs_little() {
    let mut world = opened();
    world.write(CLIENT, 1000);
    world.write(SERVER, 1000);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.deadline(), None);
    assert_eq!(world.client().state(), State::Live);
    let size = std::mem::size_of::<Endpoint>();
    assert!(size <= 1024, "{size} bytes");
}
