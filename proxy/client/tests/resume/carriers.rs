//! RESUME.md section 5: which carriers a stream keeps, and when one is dead.

use std::time::Duration;

use browser_stream_client::resume::{Kind, Limits, Outcome, Reason, Record, State};

use crate::{
    network::{CLIENT, Item, SERVER},
    world::World,
};

const SECOND: Duration = Duration::from_secs(1);

fn opened() -> World {
    World::opened(Limits::default())
}

#[test]
fn a_client_keeps_one_proxy_carrier_and_closes_the_old_one_before_a_new_one() {
    let mut world = opened();
    let old = world.carrier();
    let new = world.join(Kind::Proxy);
    assert!(!world.has(CLIENT, old) && world.has(CLIENT, new));
    world.proven(Kind::Direct);
    world.network.cut(new, [0; 2], true);
    world.arrive();
    world.run_for(SECOND);
    let carriers: Vec<_> = world.client().carriers().collect();
    assert_eq!(carriers.len(), 2, "the proxy carrier came back though the direct one works: {carriers:?}");
}

#[test]
fn of_more_than_four_proven_carriers_the_one_longest_unheard_goes() {
    let mut world = opened();
    let first = world.carrier();
    let mut rest = Vec::new();
    for _ in 0..3 {
        world.advance(SECOND);
        rest.push(world.proven(Kind::Direct));
    }
    world.advance(SECOND);
    world.say(CLIENT, first, &[Record::Pong(0)]);
    world.say(SERVER, first, &[Record::Pong(0)]);
    let last = world.proven(Kind::Direct);
    for side in [CLIENT, SERVER] {
        assert!(!world.has(side, rest[0]) && [first, rest[1], rest[2], last].iter().all(|&id| world.has(side, id)));
    }
}

#[test]
fn a_silent_carrier_is_asked_and_then_dead_while_something_is_outstanding() {
    for (kind, quiet, dead) in [(Kind::Proxy, 5, 10), (Kind::Direct, 1, 2)] {
        let mut world = opened();
        let id = if kind == Kind::Direct { world.proven(kind) } else { world.carrier() };
        assert_eq!(world.deadline(), None, "nothing is outstanding: no timer");
        world.up = false;
        world.network.cut(id, [0; 2], false);
        world.write(CLIENT, 10);
        let asked = |world: &World| world.network.said_on(CLIENT, id).iter().any(|record| matches!(record, Record::Ping(_)));
        world.advance(quiet * SECOND - Duration::from_millis(1));
        assert!(!asked(&world));
        world.advance(Duration::from_millis(1));
        assert!(asked(&world));
        let said = world.network.said_on(CLIENT, id);
        assert!(matches!(said[said.len() - 2..], [Record::Ack { .. }, Record::Ping(_)]), "the facts first");
        world.advance(dead * SECOND - Duration::from_millis(1));
        assert!(world.has(CLIENT, id));
        world.advance(Duration::from_millis(1));
        assert!(!world.has(CLIENT, id), "{kind:?}");
    }
}

#[test]
fn a_client_that_waits_for_done_or_for_the_answer_to_its_reset_judges_its_carrier() {
    for reset in [false, true] {
        let mut world = opened();
        let id = world.carrier();
        if reset {
            world.reset(CLIENT, "busy");
        } else {
            world.finish(SERVER);
            world.finish(CLIENT);
            world.until_server_is_clean(id);
            while world.client().state() == State::Live {
                assert!(world.deliver(id, CLIENT, 1));
            }
        }
        world.up = false;
        world.network.cut(id, [0; 2], false);
        world.advance(15 * SECOND - Duration::from_millis(1));
        assert!(world.has(CLIENT, id));
        world.advance(Duration::from_millis(1));
        assert!(!world.has(CLIENT, id), "{reset}");
    }
}

#[test]
fn a_carrier_that_answers_lives_however_slow_the_reader_is() {
    let mut world = opened();
    let id = world.carrier();
    world.write(CLIENT, 300_000);
    for _ in 0..100 {
        world.run();
        world.advance(SECOND);
    }
    assert!(world.has(CLIENT, id) && world.has(SERVER, id));
}

#[test]
fn threat_13_a_carrier_that_answers_but_lost_a_record_is_broken() {
    let mut world = opened();
    let id = world.carrier();
    world.write(CLIENT, 10);
    world.network.links.get_mut(&id).unwrap().pipes[CLIENT].clear();
    world.advance(5 * SECOND);
    world.arrive_at(SERVER, id);
    world.arrive_at(CLIENT, id);
    assert!(!world.has(CLIENT, id));
    world.run_for(SECOND);
    assert_eq!(world.apps[SERVER].read, 10);
}

#[test]
fn a_carrier_on_which_done_was_due_and_did_not_come_is_broken() {
    let mut world = opened();
    let id = world.carrier();
    world.finish(SERVER);
    world.finish(CLIENT);
    while world.client().state() != State::Closing {
        assert!(world.deliver(id, SERVER, usize::MAX) | world.deliver(id, CLIENT, 4));
    }
    world.arrive_at(SERVER, id);
    world.network.links.get_mut(&id).unwrap().pipes[SERVER].clear();
    let (now, token) = (world.now, 1);
    world.client().suspect(id, now);
    world.pump(CLIENT);
    world.say(CLIENT, id, &[Record::Pong(token)]);
    assert!(!world.has(CLIENT, id));
    world.run_for(SECOND);
    assert_eq!(world.client().outcome(), Some(&Outcome::Clean));
}

#[test]
fn three_broken_carriers_without_a_new_byte_reset_the_stream() {
    for news in [false, true] {
        let mut world = opened();
        for count in 0..3 {
            let id = world.carrier();
            if news && count == 2 {
                world.write(SERVER, 5);
                world.run();
            }
            world.say(CLIENT, id, &[Record::Done]);
            if world.client().state() == State::Live {
                world.run_for(SECOND);
            }
        }
        let expected = if news { State::Live } else { State::Resetting };
        assert_eq!(world.client().state(), expected);
        if !news {
            assert!(matches!(world.client().outcome(), Some(Outcome::Reset { reason, here: true }) if reason.code() == "bad_request"));
        }
    }
}

#[test]
fn threat_27_a_wake_asks_every_carrier_and_opens_a_missing_one_at_once() {
    let mut world = opened();
    let direct = world.proven(Kind::Direct);
    world.up = false;
    let proxy = world.network.links.keys().copied().min().unwrap();
    world.network.cut(proxy, [0; 2], true);
    world.arrive();
    world.advance(60 * SECOND);
    world.up = true;
    let (now, opens) = (world.now, world.opens);
    world.client().wake(now);
    world.pump(CLIENT);
    assert_eq!(world.opens, opens + 1);
    assert!(matches!(world.network.said_on(CLIENT, direct).last(), Some(Record::Ping(_))));
    world.network.cut(direct, [0; 2], false);
    world.advance(2 * SECOND);
    assert!(!world.has(CLIENT, direct), "an unanswered wake is a death, whatever is outstanding");
}

#[test]
fn a_client_without_a_carrier_tries_again_ever_more_slowly_and_at_most_5_s_apart() {
    let mut world = opened();
    world.up = false;
    world.cut_all();
    let mut opens = Vec::new();
    for _ in 0..1000 {
        world.advance(Duration::from_millis(100));
        opens.push(world.opens);
    }
    assert!(opens[9] - opens[0] >= 2, "quick at first");
    let later = opens[999] - opens[499];
    assert!((10..40).contains(&later), "{later} in 50 s: about 20 with jitter over 5 s");
    assert_eq!(world.client().outcome(), None);
}

#[test]
fn a_client_whose_carriers_die_as_soon_as_they_are_proven_tries_ever_more_slowly_until_there_is_progress() {
    let pause = |world: &mut World| {
        world.cut_all();
        let (opens, start) = (world.opens, world.now);
        while world.opens == opens {
            world.advance(Duration::from_millis(1));
        }
        world.run();
        assert!(world.client().current().is_some(), "it is proven");
        world.now - start
    };
    let mut world = opened();
    let pauses: Vec<_> = (0..40).map(|_| pause(&mut world)).collect();
    assert!(pauses[0] <= Duration::from_millis(101), "{pauses:?}");
    assert!(pauses[10..].iter().sum::<Duration>() > 40 * SECOND, "about 75 s: {pauses:?}");
    world.write(CLIENT, 1);
    world.run_for(Duration::from_millis(60));
    for side in [CLIENT, SERVER] {
        let first = pause(&mut world);
        assert!(first <= Duration::from_millis(101), "{first:?} after progress");
        assert!((0..3).map(|_| pause(&mut world)).all(|pause| pause <= Duration::from_millis(801)));
        world.write(side, 1);
        world.run_for(Duration::from_millis(60));
    }
    assert!((0..10).any(|_| pause(&mut world) > SECOND));
    let now = world.now;
    world.client().wake(now);
    let first = pause(&mut world);
    assert!(first <= Duration::from_millis(101), "{first:?} after a wake");
}

#[test]
fn an_error_of_a_join_means_again_or_lost_unless_another_carrier_lives() {
    for (code, other, lives) in
        [("unresponsive", false, true), ("not_found", false, true), ("forbidden", false, false), ("unauthorized", true, true)]
    {
        let mut world = opened();
        if other {
            world.proven(Kind::Direct);
        } else {
            world.up = false;
            world.cut_all();
        }
        let id = world.join(Kind::Proxy);
        world.network.links.get_mut(&id).unwrap().pipes[SERVER].push_back(Item::Refused(Reason::new(code, "")));
        world.arrive_at(CLIENT, id);
        assert_eq!(world.client().state() == State::Live, lives, "{code} {other}");
        world.up = true;
        world.run_for(10 * SECOND);
        assert_eq!(world.apps[CLIENT].outcome.is_none(), lives);
    }
}

#[test]
fn threat_12_a_grace_without_a_carrier_ends_lost_at_both_ends() {
    let mut world = opened();
    world.up = false;
    world.cut_all();
    world.advance(120 * SECOND - Duration::from_millis(1));
    assert_eq!(world.client().outcome(), None);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.client().outcome(), Some(&Outcome::Lost { received: 0, base: 0 }));
    assert!(world.client().is_over());
    world.advance(59 * SECOND);
    assert_eq!(world.apps[SERVER].outcome, None);
    world.advance(SECOND);
    assert!(matches!(world.apps[SERVER].outcome, Some(Outcome::Lost { .. })));
}

#[test]
fn threat_27_after_a_sleep_there_is_one_more_try_before_the_stream_is_lost() {
    for up in [true, false] {
        let mut world = opened();
        world.up = false;
        world.cut_all();
        world.up = up;
        // The server did not sleep, and still holds the stream.
        let server = world.ends[SERVER].take();
        world.sleep(1000 * SECOND);
        world.ends[SERVER] = server;
        assert_eq!(world.client().outcome(), None);
        if up {
            world.run();
            assert_eq!(world.client().state(), State::Live);
            assert!(world.client().current().is_some());
        } else {
            world.advance(15 * SECOND);
            assert!(matches!(world.client().outcome(), Some(Outcome::Lost { .. })));
        }
    }
}
