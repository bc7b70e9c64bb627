//! What a server knows of streams by their id (RESUME.md sections 2, 3 and 5).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use browser_stream_client::resume::{
    Birth, Born, Identity, Joined, Kind, Limits, Newcomer, Outcome, Place, Reason, Registry, Secret, State, StreamId, Unproven,
};

use bytes::Bytes;

use crate::{
    network::{CLIENT, SERVER},
    world::World,
};

const SECOND: Duration = Duration::from_secs(1);

fn identity(number: u32, secret: u8) -> Arc<Identity> {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_le_bytes());
    Arc::new(Identity { id: StreamId(id), secret: Secret([secret; 32]), name: "NAME".into(), letters: None })
}

fn birth(identity: &Arc<Identity>) -> Birth {
    Birth { identity: identity.clone(), early: 0 }
}

fn code<T>(born: Born<'_, T>) -> String {
    match born {
        Born::Refused(reason) => reason.code().to_owned(),
        Born::New => "new".to_owned(),
        Born::Known(_) => "known".to_owned(),
        Born::Ended(_) => "ended".to_owned(),
    }
}

fn registry() -> (Registry<u32>, Instant) {
    (Registry::new(Arc::new(Limits::default())), Instant::now())
}

#[test]
fn a_stream_is_new_once_and_then_known() {
    let (mut registry, now) = registry();
    let one = identity(1, 1);
    assert_eq!(code(registry.birth(&birth(&one), now)), "new");
    registry.insert(one.clone(), 7);
    assert!(matches!(registry.birth(&birth(&one), now), Born::Known(7)));
    assert!(matches!(registry.join(one.id, Some("NAME"), now), Joined::Known(7)));
    assert!(matches!(registry.join(one.id, None, now), Joined::Known(7)));
    registry.forget(one.id);
    assert_eq!((code(registry.birth(&birth(&one), now)).as_str(), registry.counts()), ("new", (0, 0)));
}

#[test]
fn threat_33_a_known_id_with_another_secret_or_name_gets_nowhere() {
    let (mut registry, now) = registry();
    let one = identity(1, 1);
    registry.insert(one.clone(), 7);
    assert_eq!(code(registry.birth(&birth(&identity(1, 2)), now)), "forbidden");
    let elsewhere = Arc::new(Identity { id: one.id, secret: one.secret.clone(), name: "OTHER".into(), letters: None });
    assert_eq!(code(registry.birth(&birth(&elsewhere), now)), "forbidden");
    assert!(matches!(registry.join(one.id, Some("OTHER"), now), Joined::Gone));
    assert!(matches!(registry.join(identity(2, 1).id, None, now), Joined::Gone));
    registry.refuse(one.clone(), Reason::new("busy", ""), SECOND, now);
    assert_eq!(code(registry.birth(&birth(&identity(1, 2)), now)), "forbidden", "of a stream that ended, too");
}

#[test]
fn an_open_with_too_many_early_bytes_is_refused() {
    let (mut registry, now) = registry();
    let mut birth = birth(&identity(1, 1));
    birth.early = 65_537;
    assert_eq!(code(registry.birth(&birth, now)), "bad_request");
    birth.early = 65_536;
    assert_eq!(code(registry.birth(&birth, now)), "new");
}

#[test]
fn a_refusal_is_repeated_until_the_hold_is_over() {
    let (mut registry, now) = registry();
    let one = identity(1, 1);
    registry.refuse(one.clone(), Reason::new("busy", ""), 120 * SECOND, now);
    assert_eq!(code(registry.birth(&birth(&one), now + 179 * SECOND)), "busy");
    assert!(matches!(registry.join(one.id, None, now), Joined::Gone));
    assert_eq!(code(registry.birth(&birth(&one), now + 180 * SECOND)), "new");
    assert_eq!(registry.counts(), (0, 0));
}

#[test]
fn the_hold_of_one_does_not_wait_for_that_of_an_older_one() {
    let (mut registry, now) = registry();
    let (long, short) = (identity(1, 1), identity(2, 1));
    registry.refuse(long.clone(), Reason::new("busy", ""), 100 * SECOND, now);
    registry.refuse(short.clone(), Reason::new("busy", ""), SECOND, now);
    assert_eq!(code(registry.birth(&birth(&short), now + 61 * SECOND)), "new");
    assert_eq!(code(registry.birth(&birth(&long), now + 61 * SECOND)), "busy");
}

#[test]
fn of_too_many_tombstones_the_oldest_go() {
    let (mut registry, now) = registry();
    let refuse = |registry: &mut Registry<u32>, number| registry.refuse(identity(number, 1), Reason::new("busy", ""), SECOND, now);
    for number in 0..65_536 + 10 {
        refuse(&mut registry, number);
    }
    assert_eq!(registry.counts(), (0, 65_536));
    for (number, expected) in [(9, "new"), (10, "busy"), (65_545, "busy")] {
        assert_eq!(code(registry.birth(&birth(&identity(number, 1)), now)), expected, "{number}");
    }
    registry.expire(now + 61 * SECOND);
    assert_eq!(registry.counts(), (0, 0));
}

#[test]
fn threat_09_a_session_has_64_unproven_carriers_and_gets_their_places_back() {
    let (limits, unproven) = (Limits::default(), Unproven::default());
    let mut passes: Vec<_> = (0..100).map(|_| unproven.admit(&limits)).collect();
    assert_eq!((passes.iter().filter(|pass| !pass.place().is_withdrawn()).count(), unproven.count()), (64, 64));
    passes.pop();
    assert_eq!(unproven.count(), 63);
    drop(passes);
    assert_eq!(unproven.count(), 0);
}

#[test]
fn threat_09_of_too_many_unproven_carriers_the_oldest_goes_that_said_nothing_else_the_oldest() {
    let (limits, unproven, now) = (Limits { unproven_max: 3, ..Limits::default() }, Unproven::default(), Instant::now());
    let newcomer = || Newcomer::new(unproven.admit(&limits), &limits, now);
    let says_join = |newcomer: Newcomer| newcomer.received(&mut Bytes::from_static(&[9; 33])).unwrap().unwrap();
    let honest = says_join(newcomer());
    let silent = [newcomer(), newcomer()];
    let places = silent.each_ref().map(|newcomer| newcomer.place().clone());
    let gone = || places.each_ref().map(Place::is_withdrawn);
    assert_eq!(gone(), [false, false]);
    let second = says_join(newcomer());
    assert_eq!(gone(), [true, false]);
    drop(silent);
    assert_eq!(unproven.count(), 2, "a place that was withdrawn is not given back again");
    let third = says_join(newcomer());
    let last = newcomer();
    assert!(honest.place().is_withdrawn(), "all have said JOIN");
    assert!([second.place(), third.place(), last.place()].iter().all(|place| !place.is_withdrawn()));
}

#[test]
fn threat_09_whoever_opens_carriers_and_says_nothing_keeps_no_other_from_coming_back() {
    let mut world = World::opened(Limits { unproven_max: 4, ..Limits::default() });
    world.write(CLIENT, 10);
    world.cut_all();
    let silent: Vec<_> = (0..4).map(|_| world.unproven.admit(&world.limits)).collect();
    world.run_for(Duration::from_secs(1));
    assert!(world.client().current().is_some(), "it is proven");
    assert_eq!(world.apps[SERVER].read, 10);
    assert_eq!(silent.iter().filter(|pass| pass.place().is_withdrawn()).count(), 1);
}

#[test]
fn threat_33_a_carrier_that_says_anything_but_join_first_is_closed() {
    let (limits, unproven, now) = (Limits::default(), Unproven::default(), Instant::now());
    let newcomer = || Newcomer::new(unproven.admit(&limits), &limits, now);
    for other in [&[5_u8][..], &[6], &[7, 1], &[1, 0, 1, 9], &[12]] {
        assert!(newcomer().received(&mut Bytes::copy_from_slice(other)).is_err(), "{other:?}");
    }
    let Ok(Err(half)) = newcomer().received(&mut Bytes::from_static(&[9; 10])) else { panic!("JOIN is not whole") };
    assert_eq!(half.deadline(), now + 10 * SECOND);
    let Ok(Ok(join)) = half.received(&mut Bytes::from_static(&[9; 23])) else { panic!("JOIN is whole") };
    assert_eq!(join.stream, StreamId([9; 16]));
    assert_eq!(unproven.count(), 1, "those that were closed freed their places");
}

#[test]
fn a_refused_stream_is_refused_again_when_its_open_is_repeated() {
    let mut world = World::new(Limits::default());
    world.refusal = Some(Reason::new("busy", ""));
    world.pump(CLIENT);
    world.arrive_at(SERVER, 1);
    world.network.cut(1, [0; 2], true);
    world.arrive();
    world.refusal = None;
    world.run_for(Duration::from_millis(200));
    assert_eq!((world.accepted, world.client().state()), (0, State::Opening), "busy means again, and is said again");
}

#[test]
fn threat_03_a_stream_that_was_lost_is_gone_to_a_late_open() {
    let mut world = World::new(Limits::default());
    world.pump(CLIENT);
    world.arrive_at(SERVER, 1);
    world.network.cut(1, [0; 2], true);
    world.network.links.get_mut(&1).unwrap().pipes[SERVER].clear();
    world.deliver(1, SERVER, 1000);
    world.give_up(SERVER);
    assert_eq!(world.registry.counts(), (0, 1));
    world.network.tell_cuts();
    world.run_for(10 * SECOND);
    assert!(matches!(&world.apps[CLIENT].outcome, Some(Outcome::Refused(reason)) if reason.code() == "gone"));
    assert_eq!(world.accepted, 1);
}

#[test]
fn a_server_remembers_an_end_for_its_hold_and_a_new_carrier_starts_it_anew() {
    let mut world = World::opened(Limits::default());
    world.up = false;
    world.cut_all();
    world.reset(SERVER, "busy");
    assert_eq!(world.registry.counts(), (0, 1));
    world.up = true;
    world.advance(100 * SECOND);
    world.run();
    assert!(matches!(&world.apps[CLIENT].outcome, Some(Outcome::Reset { here: false, .. })));
    world.registry.expire(world.now + 179 * SECOND);
    assert_eq!(world.registry.counts(), (0, 1));
    world.registry.expire(world.now + 180 * SECOND);
    assert_eq!(world.registry.counts(), (0, 0));
}

#[test]
fn threat_33_a_stranger_who_knows_an_id_does_not_make_it_remembered_longer() {
    let mut world = World::opened(Limits::default());
    world.up = false;
    world.cut_all();
    world.reset(SERVER, "busy");
    world.advance(100 * SECOND);
    let id = world.join(Kind::Direct);
    world.pump(CLIENT);
    world.arrive_at(SERVER, id);
    world.ends[CLIENT].as_mut().unwrap().closed(id, world.now);
    assert_eq!(world.registry.counts(), (1, 0));
    world.advance(10 * SECOND);
    assert_eq!(world.registry.counts(), (0, 1));
    world.registry.expire(world.now + 70 * SECOND);
    assert_eq!(world.registry.counts(), (0, 0));
}

#[test]
fn a_server_whose_hold_is_over_remembers_the_loss_for_one_more() {
    let mut world = World::opened(Limits::default());
    world.up = false;
    world.cut_all();
    world.advance(180 * SECOND);
    assert!(matches!(world.apps[SERVER].outcome, Some(Outcome::Lost { .. })));
    assert_eq!(world.registry.counts(), (0, 1));
    let birth = birth(&world.identity);
    assert_eq!(code(world.registry.birth(&birth, world.now + 179 * SECOND)), "gone");
    assert_eq!(code(world.registry.birth(&birth, world.now + 180 * SECOND)), "new");
}

#[test]
fn a_tombstone_whose_reset_nobody_answers_judges_its_carrier() {
    let mut world = World::opened(Limits::default());
    let id = world.carrier();
    world.reset(SERVER, "busy");
    world.advance(15 * SECOND - Duration::from_millis(1));
    assert!(world.has(SERVER, id));
    assert_eq!(world.registry.counts(), (1, 0));
    world.advance(Duration::from_millis(1));
    assert_eq!(world.registry.counts(), (0, 1));
}
