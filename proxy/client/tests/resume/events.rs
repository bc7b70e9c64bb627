//! The rows of RESUME.md section 3: what each record and each end does.

use std::time::Duration;

use browser_stream_client::resume::{Kind, Limits, Mac, Nonce, Outcome, Reason, Record, State, StreamId};

use crate::{
    network::{CLIENT, SERVER},
    world::World,
};

fn opened() -> World {
    World::opened(Limits::default())
}

fn data(offset: u64, length: u32) -> Record {
    Record::Data { offset, length }
}

fn ack(received: u64, room: u64) -> Record {
    Record::Ack { received, room }
}

fn lost(received: u64, base: u64) -> Option<Outcome> {
    Some(Outcome::Lost { received, base })
}

fn ended(reason: &str, here: bool) -> Option<Outcome> {
    Some(Outcome::Reset { reason: Reason::new(reason, "why"), here })
}

/// Whether a carrier breaks at the server when the client says this on it, and at the client when the server does.
fn breaks(records: &[Record]) -> [bool; 2] {
    [CLIENT, SERVER].map(|side| {
        let mut world = opened();
        world.apps[1 - side].written = 1 << 20;
        let id = world.carrier();
        world.say(side, id, records);
        let broke = !world.has(side, id);
        assert_eq!(broke, !world.network.links[&id].open[side]);
        assert_eq!(world.ends[side].as_ref().unwrap().outcome(), None, "a broken carrier ends no stream");
        broke
    })
}

#[test]
fn threat_13_data_with_a_hole_before_it_or_beyond_what_was_granted_breaks_the_carrier() {
    assert_eq!(breaks(&[data(1, 1)]), [true; 2]);
    assert_eq!(breaks(&[data(0, 10), data(11, 1)]), [true; 2]);
    assert_eq!(breaks(&[data(0, 10), data(10, 1)]), [false; 2]);
    let full = [data(0, 65_536), data(65_536, 65_536), data(131_072, 65_536), data(196_608, 65_536)];
    assert_eq!(breaks(&full), [false; 2]);
    assert_eq!(breaks(&[&full[..], &[data(262_144, 1)]].concat()), [true; 2]);
}

#[test]
fn threat_13_data_beyond_the_total_breaks_the_carrier() {
    let fin = Record::Fin { total: 5 };
    assert_eq!(breaks(&[data(0, 5), fin.clone(), data(0, 5)]), [false; 2]);
    assert_eq!(breaks(&[data(0, 5), fin, data(4, 2)]), [true; 2]);
}

#[test]
fn threat_13_what_came_before_is_skipped_and_the_rest_is_kept() {
    let mut world = opened();
    world.apps[CLIENT].written = 100;
    let id = world.carrier();
    world.say(SERVER, id, &[data(0, 10), data(0, 10), data(5, 10), data(2, 3)]);
    assert_eq!(world.server().progress().0, 15);
    assert_eq!(world.read(SERVER, 100), 15);
}

#[test]
fn bytes_of_a_half_arrived_payload_count() {
    let mut world = opened();
    world.write(CLIENT, 100);
    let id = world.carrier();
    world.network.cut(id, [60, 0], true);
    world.arrive();
    let received = world.server().progress().0;
    assert!((50..60).contains(&received), "{received}");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.apps[SERVER].read, 100);
    assert!(
        world.network.said[CLIENT].contains(&(id + 1, data(received, 100 - received as u32))),
        "the second carrier began where the first broke off"
    );
}

#[test]
fn threat_13_fin_anywhere_but_behind_everything_breaks_the_carrier() {
    let fin = |total| Record::Fin { total };
    assert_eq!(breaks(&[fin(1)]), [true; 2]);
    assert_eq!(breaks(&[data(0, 5), fin(4)]), [true; 2]);
    assert_eq!(breaks(&[data(0, 5), fin(5), fin(5)]), [false; 2]);
    assert_eq!(breaks(&[data(0, 5), fin(5), fin(6)]), [true; 2]);
}

#[test]
fn a_fin_that_comes_again_is_acknowledged_again() {
    let mut world = opened();
    world.apps[CLIENT] = crate::world::App { written: 5, finished: true, ..Default::default() };
    let id = world.carrier();
    world.say(SERVER, id, &[data(0, 5), Record::Fin { total: 5 }]);
    world.say(SERVER, id, &[Record::Fin { total: 5 }]);
    let acks: Vec<_> =
        world.network.said_on(SERVER, id).into_iter().filter(|record| matches!(record, Record::Ack { received: 6, .. })).collect();
    assert_eq!(acks.len(), 2);
}

#[test]
fn threat_13_an_acknowledgement_of_what_was_never_sent_breaks_the_carrier() {
    assert_eq!(breaks(&[ack(1, 0)]), [true; 2]);
    assert_eq!(breaks(&[ack(0, 1 << 30)]), [false; 2]);
}

#[test]
fn acknowledgements_only_grow_whatever_their_order() {
    let mut world = opened();
    world.write(CLIENT, 1000);
    let id = world.carrier();
    world.say(CLIENT, id, &[ack(900, 300_000), ack(100, 0), ack(0, 5)]);
    assert_eq!(world.client().progress().1, 900);
    world.write(CLIENT, 299_000);
    let sent: u32 =
        world.network.said_on(CLIENT, id).iter().map(|record| if let Record::Data { length, .. } = record { *length } else { 0 }).sum();
    assert!(sent > 1000 && world.has(CLIENT, id));
}

#[test]
fn the_server_is_clean_when_its_fin_is_acknowledged_and_the_client_when_it_hears_done() {
    let mut world = opened();
    let id = world.carrier();
    world.finish(SERVER);
    world.finish(CLIENT);
    world.deliver(id, SERVER, 1000);
    assert_eq!(world.apps[SERVER].outcome, None);
    assert_eq!(world.server().state(), State::Live);
    world.until_server_is_clean(id);
    assert_eq!(world.client().state(), State::Live);
    while world.client().state() == State::Live {
        assert!(world.deliver(id, CLIENT, 1));
    }
    assert_eq!(world.client().state(), State::Closing);
    assert_eq!(world.client().outcome(), None);
    assert!(world.client().is_written() && world.client().is_read());
    assert_eq!(world.network.said_on(SERVER, id).last_chunk().unwrap(), &[ack(1, 262_143), Record::Done]);
    assert_eq!(world.server().state(), State::Tombstone);
    world.run();
    assert_eq!(world.apps.each_ref().map(|app| app.outcome.clone()), [Some(Outcome::Clean), Some(Outcome::Clean)]);
    assert_eq!(world.client().state(), State::Freed);
    assert!(world.client().is_over() && !world.network.links[&id].open[SERVER]);
}

#[test]
fn a_clean_server_says_what_it_holds_and_then_done() {
    let mut world = opened();
    let id = world.carrier();
    world.finish(CLIENT);
    world.run();
    world.finish(SERVER);
    world.until_server_is_clean(id);
    assert_eq!(world.network.said_on(SERVER, id).last_chunk().unwrap(), &[ack(1, 262_143), Record::Done]);
}

#[test]
fn a_stream_that_was_reset_takes_no_byte_and_no_acknowledgement() {
    for side in [CLIENT, SERVER] {
        let mut world = opened();
        let id = world.carrier();
        world.write(side, 10);
        world.reset(side, "busy");
        world.say(side, id, &[data(0, 10), Record::Fin { total: 10 }, ack(10, 0)]);
        let end = world.ends[side].as_ref().unwrap();
        assert_eq!((end.progress(), end.is_readable(), end.is_read()), ((0, 0), false, false));
        assert!(world.has(side, id), "it is parsed, and no fault");
    }
}

#[test]
fn done_that_nobody_waits_for_breaks_the_carrier() {
    assert_eq!(breaks(&[Record::Done]), [true; 2]);
}

#[test]
fn records_of_a_handshake_break_a_proven_carrier() {
    let (nonce, mac) = (Nonce([0; 16]), Mac([0; 32]));
    for record in [Record::Join { stream: StreamId([7; 16]), nonce }, Record::Prove { nonce, mac }, Record::Proof { mac }] {
        assert_eq!(breaks(&[record]), [true; 2]);
    }
}

#[test]
fn a_reset_is_answered_where_it_came_and_both_ends_know() {
    for side in [CLIENT, SERVER] {
        let mut world = opened();
        let id = world.carrier();
        world.write(1 - side, 10);
        world.arrive();
        world.finish(1 - side);
        world.arrive();
        let (now, end) = (world.now, world.ends[side].as_mut().unwrap());
        assert!(end.is_readable());
        end.reset(Reason::new("busy", "why"), now);
        assert_eq!(end.state(), [State::Resetting, State::Tombstone][side]);
        assert!(!end.is_readable() && !end.is_read(), "what is unread is dropped, and that is no clean end");
        world.run();
        assert_eq!(world.apps[side].outcome, ended("busy", true));
        assert_eq!(world.apps[1 - side].outcome, ended("busy", false));
        assert_eq!(world.network.said_on(1 - side, id).last(), Some(&Record::Done));
        assert!(world.client().is_over());
    }
}

#[test]
fn the_first_end_wins_at_each_side() {
    let mut world = opened();
    world.reset(CLIENT, "busy");
    world.reset(CLIENT, "limit");
    world.reset(SERVER, "gone");
    world.run();
    assert_eq!(world.apps.each_ref().map(|app| app.outcome.clone()), [ended("busy", true), ended("gone", true)]);
    assert!(world.client().is_over());
}

#[test]
fn a_reset_is_said_on_every_carrier_until_the_peer_answers() {
    for side in [CLIENT, SERVER] {
        let mut world = opened();
        for _ in 0..3 {
            world.reset(side, "busy");
            let id = world.carrier_of(side);
            assert!(world.network.said_on(side, id).contains(&Record::Reset(Reason::new("busy", "why"))));
            world.network.cut(id, [0; 2], true);
            world.arrive();
            world.reconnect_without_delivery(side);
        }
        world.run();
        assert_eq!(world.apps[1 - side].outcome, ended("busy", false));
        assert!(world.client().is_over());
    }
}

#[test]
fn what_came_before_a_reset_stays_readable_and_is_no_clean_end() {
    let mut world = opened();
    world.write(SERVER, 10);
    world.run();
    world.reset(SERVER, "busy");
    let id = world.carrier();
    while world.client().outcome().is_none() {
        let item = world.network.receive(id, CLIENT, 1000).unwrap();
        let crate::network::Item::Bytes(bytes) = item else { panic!("{item:?}") };
        let now = world.now;
        world.client().received(id, bytes, now);
    }
    assert!(world.client().is_readable());
    assert_eq!(world.read(CLIENT, 100), 10);
    assert!(!world.client().is_read());
}

#[test]
fn gone_on_a_proven_carrier_loses_the_stream_at_both_ends() {
    for side in [CLIENT, SERVER] {
        let mut world = opened();
        world.write(CLIENT, 10);
        world.run_for(Duration::from_secs(1));
        world.give_up(side);
        assert_eq!(world.network.said[side].last().map(|(_, record)| record), Some(&Record::Gone));
        world.run();
        assert_eq!(world.apps[CLIENT].outcome, lost(0, 10));
        assert_eq!(world.apps[SERVER].outcome, lost(10, 0));
        assert!(world.client().is_over());
    }
}

#[test]
fn threat_03_gone_from_a_server_that_forgot_loses_the_stream_only_if_no_other_carrier_is_proven() {
    for (kind, other, outcome) in
        [(Kind::Proxy, false, lost(0, 0)), (Kind::Proxy, true, None), (Kind::Direct, false, None), (Kind::Direct, true, None)]
    {
        let mut world = opened();
        if other {
            world.proven(Kind::Direct);
        } else {
            world.up = false;
            world.cut_all();
        }
        let id = world.join(kind);
        world.say(CLIENT, id, &[Record::Gone]);
        assert!(!world.has(CLIENT, id));
        assert_eq!(world.client().outcome().cloned(), outcome, "{kind:?} {other}");
    }
}

#[test]
fn an_end_that_was_whole_is_not_unsaid_by_a_server_that_goes_away() {
    let mut world = opened();
    let id = world.carrier();
    world.finish(SERVER);
    world.finish(CLIENT);
    world.until_server_is_clean(id);
    world.give_up(SERVER);
    world.run();
    assert_eq!(world.apps[CLIENT].outcome, Some(Outcome::Clean));
    assert!(!world.network.said_on(SERVER, id).contains(&Record::Gone));
}

#[test]
fn after_a_clean_end_the_server_repeats_its_facts_and_takes_no_byte() {
    let mut world = opened();
    let first = world.carrier();
    world.write(CLIENT, 5);
    world.finish(SERVER);
    world.finish(CLIENT);
    world.until_server_is_clean(first);
    while world.client().state() == State::Live {
        assert!(world.deliver(first, CLIENT, 1));
    }
    // DONE is lost, and the client comes back to a tombstone.
    world.network.cut(first, [0; 2], true);
    world.arrive();
    assert_eq!(world.client().state(), State::Closing);
    assert_eq!(world.registry.counts(), (0, 1));
    assert_eq!(world.registry.unknown_until(world.now), Some(world.now + world.limits.grace + world.limits.hold_extra));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.client().outcome(), Some(&Outcome::Clean));
    assert_eq!(world.registry.counts(), (0, 1));
    assert_eq!(world.registry.unknown_until(world.now), None, "it has heard now");
    let second = world.network.said_on(SERVER, first + 1);
    assert!(
        matches!(second[..], [Record::Prove { .. }, Record::Ack { received: 6, .. }, Record::Ack { received: 6, .. }, Record::Done]),
        "{second:?}"
    );
}

#[test]
fn a_tombstone_takes_repeated_facts_and_breaks_on_false_ones() {
    for (records, breaks) in [(vec![data(0, 5), Record::Fin { total: 5 }, ack(1, 0)], false), (vec![Record::Fin { total: 6 }], true)] {
        let mut world = opened();
        let id = world.carrier();
        world.write(CLIENT, 5);
        world.finish(SERVER);
        world.finish(CLIENT);
        world.until_server_is_clean(id);
        world.say(SERVER, id, &records);
        assert_eq!(world.has(SERVER, id), !breaks, "{records:?}");
    }
}

#[test]
fn a_ping_is_answered_with_the_facts_then_with_its_token() {
    let mut world = opened();
    let id = world.carrier();
    world.say(CLIENT, id, &[Record::Ping(77)]);
    assert_eq!(world.network.said_on(CLIENT, id), [ack(0, 262_144), Record::Pong(77)]);
    world.reset(SERVER, "busy");
    world.say(SERVER, id, &[Record::Ping(78)]);
    let said = world.network.said_on(SERVER, id);
    assert!(matches!(said[..], [Record::Reset(_), Record::Ack { .. }, Record::Reset(_), Record::Pong(78)]), "{said:?}");
}
