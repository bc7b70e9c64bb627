//! RESUME.md section 2: how a stream is opened, and how carriers are proven.

use std::time::Duration;

use browser_stream_client::resume::{Kind, Limits, Mac, Macs, Nonce, Outcome, Reason, Record, State};
use bytes::Bytes;

use crate::{
    network::{CLIENT, SERVER},
    world::World,
};

const SECOND: Duration = Duration::from_secs(1);

fn opened() -> World {
    World::opened(Limits::default())
}

fn refused(world: &World) -> Option<&str> {
    match &world.apps[CLIENT].outcome {
        Some(Outcome::Refused(reason)) => Some(reason.code()),
        _ => None,
    }
}

/// A join of which the server's answer, with the mac it claims, has come to the client.
fn joining(world: &mut World) -> u64 {
    let id = world.join(Kind::Direct);
    world.pump(CLIENT);
    world.arrive_at(SERVER, id);
    assert!(world.answer_mac(0));
    id
}

#[test]
fn early_bytes_stand_raw_behind_the_open_and_the_records_go_on_behind_them() {
    let mut world = World::new(Limits::default());
    world.write(CLIENT, 70_000);
    world.network.cut(1, [0; 2], true);
    world.arrive();
    world.run_for(SECOND);
    assert_eq!(world.apps[SERVER].read, 70_000);
    let first = world.network.said_on(CLIENT, 2).into_iter().find(|record| matches!(record, Record::Data { .. }));
    assert!(matches!(first, Some(Record::Data { offset: 65_536, .. })), "{first:?}");
}

#[test]
fn a_client_that_ended_before_its_open_left_opens_nothing() {
    let mut world = World::new(Limits::default());
    let now = world.now;
    world.client().give_up(now);
    assert!(world.client().birth(1, now).is_empty());
    assert_eq!(world.client().carriers().count(), 0);
    assert!(matches!(world.client().outcome(), Some(Outcome::Lost { .. })));
}

#[test]
fn a_repeated_open_is_the_same_stream_and_its_early_bytes_are_taken_once() {
    let mut world = World::new(Limits::default());
    world.pump(CLIENT);
    for length in [0, 10, 20] {
        let id = world.network.upcoming() - 1;
        world.arrive_at(SERVER, id);
        world.write(CLIENT, length);
        world.network.cut(id, [0; 2], true);
        world.arrive();
        world.advance(5 * SECOND);
    }
    assert_eq!(world.apps[CLIENT].outcome, None);
    world.run_for(SECOND);
    assert_eq!((world.accepted, world.apps[SERVER].read, world.client().state()), (1, 30, State::Live));
    assert!(world.network.said[CLIENT].iter().all(|(_, record)| !matches!(record, Record::Data { .. })), "all of it was early");
}

#[test]
fn an_open_that_nobody_answers_is_given_up_when_its_time_is_over() {
    let mut world = World::new(Limits::default());
    world.pump(CLIENT);
    world.advance(17 * SECOND - Duration::from_millis(1));
    assert_eq!(refused(&world), None);
    world.advance(Duration::from_millis(1));
    assert_eq!(refused(&world), Some("timeout"));
    assert!(world.client().is_over());
}

#[test]
fn an_error_reply_ends_the_first_open_and_repeats_of_it_only_if_it_is_final() {
    for (first, code, end) in [(true, "not_found", Some("not_found")), (false, "not_found", None), (false, "gone", Some("gone"))] {
        let mut world = World::new(Limits::default());
        world.pump(CLIENT);
        if !first {
            world.network.cut(1, [0; 2], true);
            world.arrive();
            world.advance(SECOND);
        }
        let (id, now) = (world.network.upcoming() - 1, world.now);
        world.client().refused(id, &Reason::new(code, ""), now);
        world.pump(CLIENT);
        assert_eq!(refused(&world), end, "{first} {code}");
        if end.is_none() {
            world.run_for(10 * SECOND);
            assert_eq!(world.client().state(), State::Live);
        }
    }
}

#[test]
fn a_reset_before_the_reply_is_said_after_it() {
    let mut world = World::new(Limits::default());
    world.write(CLIENT, 10);
    world.reset(CLIENT, "busy");
    world.run();
    assert!(matches!(&world.apps[SERVER].outcome, Some(Outcome::Reset { reason, here: false }) if reason.code() == "busy"));
    assert!(world.client().is_over());
}

#[test]
fn a_stream_that_is_not_taken_up_goes_on_raw_behind_its_early_bytes() {
    let mut world = World::new(Limits::default());
    world.write(CLIENT, 10);
    world.pump(CLIENT);
    world.write(CLIENT, 90_000);
    world.finish(CLIENT);
    let written: Vec<u8> = (0..90_010).map(|at| crate::world::pattern(CLIENT, at)).collect();
    let raw = world.ends[CLIENT].take().unwrap().into_raw(1).unwrap();
    assert_eq!((raw.unsent.concat(), raw.finished), (written[10..].to_vec(), true));
}

#[test]
fn the_proofs_come_in_order_and_nothing_comes_before_them() {
    let mut world = opened();
    world.write(CLIENT, 10);
    world.write(SERVER, 10);
    world.cut_all();
    world.run_for(SECOND);
    let [client, server] = [CLIENT, SERVER].map(|side| world.network.said_on(side, 2));
    assert!(matches!(client[..3], [Record::Join { .. }, Record::Proof { .. }, Record::Ack { .. }]), "{client:?}");
    assert!(matches!(server[..4], [Record::Prove { .. }, Record::Ack { .. }, Record::Ack { .. }, Record::Data { .. }]), "{server:?}");
}

#[test]
fn threat_33_a_wrong_mac_closes_that_carrier_and_touches_nothing_else() {
    for side in [CLIENT, SERVER] {
        let mut world = opened();
        let first = world.carrier();
        let id = joining(&mut world);
        let wrong = Macs { server: Mac([1; 32]), client: Mac([1; 32]) };
        world.deliver(id, CLIENT, 1000);
        let now = world.now;
        if side == CLIENT {
            world.client().macs(id, &wrong, now);
            world.pump(CLIENT);
        } else {
            world.say(SERVER, id, &[Record::Proof { mac: wrong.client }]);
        }
        assert!(!world.has(side, id) && world.has(side, first));
        assert_eq!(world.ends[side].as_ref().unwrap().state(), State::Live);
    }
}

#[test]
fn threat_33_a_servers_mac_is_none_of_the_clients() {
    let mut world = opened();
    let id = joining(&mut world);
    let Some(Record::Prove { mac, .. }) = world.network.said_on(SERVER, id).first().cloned() else { panic!("no PROVE") };
    world.say(SERVER, id, &[Record::Proof { mac }]);
    assert!(!world.has(SERVER, id));
}

#[test]
fn threat_33_until_the_proof_the_server_takes_no_other_record() {
    for record in [Record::Data { offset: 0, length: 1 }, Record::Ack { received: 0, room: 0 }, Record::Gone, Record::Ping(1), Record::Done]
    {
        let mut world = opened();
        let id = joining(&mut world);
        world.say(SERVER, id, std::slice::from_ref(&record));
        assert!(!world.has(SERVER, id), "{record:?}");
        assert_eq!((world.server().progress(), world.server().state()), ((0, 0), State::Live));
        assert!(world.network.said_on(SERVER, id).iter().all(|record| matches!(record, Record::Prove { .. } | Record::Ack { .. })));
    }
}

#[test]
fn threat_33_until_prove_is_right_the_client_says_join_and_nothing_else() {
    let mut world = opened();
    world.up = false;
    world.cut_all();
    world.write(CLIENT, 100);
    let id = world.join(Kind::Proxy);
    world.pump(CLIENT);
    assert!(matches!(world.network.said_on(CLIENT, id)[..], [Record::Join { .. }]));
    world.say(CLIENT, id, &[Record::Prove { nonce: Nonce([1; 16]), mac: Mac([1; 32]) }, Record::Ack { received: 0, room: 1 }]);
    world.answer_mac(0);
    assert!(!world.has(CLIENT, id));
    assert_eq!(world.network.said_on(CLIENT, id).len(), 1);
}

#[test]
fn what_comes_behind_prove_waits_for_the_mac_up_to_a_bound() {
    let mut world = opened();
    let id = joining(&mut world);
    world.arrive_at(CLIENT, id);
    assert!(world.has(CLIENT, id));
    let now = world.now;
    world.client().received(id, Bytes::from(vec![5; 65]), now);
    assert!(!world.has(CLIENT, id));
}

#[test]
fn a_carrier_that_is_not_proven_in_time_is_closed() {
    for (kind, client) in [(Kind::Proxy, 15), (Kind::Direct, 3)] {
        let mut world = opened();
        let id = world.join(kind);
        world.pump(CLIENT);
        world.advance(client * SECOND - Duration::from_millis(1));
        assert!(world.has(CLIENT, id));
        world.advance(Duration::from_millis(1));
        assert!(!world.has(CLIENT, id), "{kind:?}");
    }
    let mut world = opened();
    let id = joining(&mut world);
    world.advance(10 * SECOND);
    assert!(!world.has(SERVER, id));
}

#[test]
fn threat_09_unproven_carriers_are_few_and_leave_the_proven_ones_alone() {
    let mut world = opened();
    let first = world.carrier();
    for _ in 0..70 {
        world.join(Kind::Direct);
    }
    world.pump(CLIENT);
    let ids: Vec<_> = world.network.links.keys().copied().filter(|&id| id != first).collect();
    for &id in &ids {
        world.deliver(id, SERVER, 1000);
    }
    assert_eq!(world.unproven.count(), 64);
    ids.iter().for_each(|&id| world.arrive_at(SERVER, id));
    assert_eq!((world.unproven.count(), world.has(SERVER, first)), (64, true));
    world.advance(10 * SECOND);
    assert_eq!((world.unproven.count(), world.has(SERVER, first)), (0, true));
}
