//! Facts of the state machine that no shared vector can show: bounds, counters, memory.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::{Flags, Header, Kind, Outbound, TURN};

fn connection(role: Role) -> Connection<[u64; 8]> {
    Connection::new(role, Config::default(), Instant::now())
}

fn frame(kind: Kind, flags: Flags, stream: StreamId, length: u32) -> Bytes {
    Bytes::copy_from_slice(&Header { kind, flags, stream, length }.encode())
}

fn feed(connection: &mut Connection<[u64; 8]>, mut input: Bytes) -> Vec<Event> {
    std::iter::from_fn(|| connection.receive(&mut input, Instant::now()).unwrap()).collect()
}

fn transmitted(connection: &mut Connection<[u64; 8]>, max: usize) -> usize {
    let mut out = Outbound::new();
    connection.transmit(max, &mut out);
    out.buffers.iter().map(Bytes::len).sum()
}

/// The frames with payload that leave, each by its stream and its bytes.
fn sent(connection: &mut Connection<[u64; 8]>, max: usize) -> Vec<(StreamId, u32)> {
    let mut sent = Vec::new();
    assert!(connection.transmit_with(max, &mut Outbound::new(), |id, _, _, bytes| sent.push((id, bytes))));
    sent
}

#[test]
fn a_session_that_used_every_id_opens_no_more() {
    let mut connection = connection(Role::Acceptor);
    connection.next_id = Some(u32::MAX - 1);
    assert_eq!(connection.open([0; 8]), Ok(u32::MAX - 1));
    assert_eq!(connection.open([0; 8]), Err(OpenError::Exhausted));
}

#[test]
fn an_idle_stream_takes_little_memory() {
    let bytes = std::mem::size_of::<Entry<[u64; 8]>>();
    assert!(bytes <= 64 + 80, "{bytes} bytes with a value of 64");
}

#[test]
fn a_crowd_that_left_leaves_no_memory_behind() {
    let mut connection = connection(Role::Opener);
    for _ in 0..5000 {
        let id = connection.open([0; 8]).unwrap();
        connection.send(id, Bytes::from_static(b"x"));
    }
    transmitted(&mut connection, usize::MAX);
    for id in (1..10_000).step_by(2) {
        connection.reset(id, 0);
    }
    transmitted(&mut connection, usize::MAX);
    while connection.ended().is_some() {}
    let room = connection.streams.capacity() + connection.round.capacity() + connection.ended.capacity();
    assert!(room <= 200, "room for {room}");
}

#[test]
fn streams_that_come_and_go_while_nothing_leaves_take_no_room() {
    let mut connection = connection(Role::Acceptor);
    let stays = connection.open([0; 8]).unwrap();
    for _ in 0..5000 {
        let id = connection.open([0; 8]).unwrap();
        connection.reset(id, 0);
        while connection.ended().is_some() {}
    }
    assert!(connection.round.len() < 100, "{} places for one stream", connection.round.len());
    assert!(transmitted(&mut connection, usize::MAX) > 0 && connection.get(stays).is_some());
}

#[test]
fn threat_07_pongs_for_a_peer_that_does_not_read_are_bounded() {
    let mut connection = connection(Role::Acceptor);
    for token in 0..5000 {
        feed(&mut connection, frame(Kind::Ping, Flags::SYN, 0, token));
    }
    assert_eq!(connection.control_queued(), 1024 * Header::BYTES);
    assert_eq!((connection.counts().pings, connection.dropped()), (5000, 5000 - 1024));
}

#[test]
fn what_comes_in_is_counted_by_kind() {
    let mut connection = connection(Role::Acceptor);
    for (kind, flags, id) in [
        (Kind::WindowUpdate, Flags::SYN, 1),
        (Kind::WindowUpdate, Flags::NONE, 1),
        (Kind::Data, Flags::NONE, 1),
        (Kind::Data, Flags::FIN, 1),
        (Kind::WindowUpdate, Flags::RST, 1),
        (Kind::WindowUpdate, Flags::ACK, 1),
        (Kind::WindowUpdate, Flags::SYN | Flags::RST, 3),
        (Kind::Ping, Flags::ACK, 0),
        (Kind::Ping, Flags::SYN, 0),
        (Kind::GoAway, Flags::NONE, 0),
    ] {
        feed(&mut connection, frame(kind, flags, id, 0));
    }
    let ones = Counts { opens: 1, resets: 1, fins: 1, acks: 1, updates: 1, empty: 1, pings: 1, ..Counts::default() };
    assert_eq!(connection.counts(), Counts { frames: 10, stray: 3, dropped: 3, ..ones });
}

#[test]
fn what_leaves_is_counted_for_what_the_peer_may_answer() {
    let mut connection = connection(Role::Acceptor);
    let id = connection.open([0; 8]).unwrap();
    connection.send(id, Bytes::from(vec![0; 100_000]));
    transmitted(&mut connection, usize::MAX);
    let counts = connection.counts();
    assert_eq!((counts.opened, counts.data_sent), (1, 2), "a frame is at most 64 KiB");
}

/// A DATA frame with its payload.
fn data(stream: StreamId, length: u32) -> Bytes {
    [frame(Kind::Data, Flags::NONE, stream, length), Bytes::from(vec![7; length as usize])].concat().into()
}

#[test]
fn threat_09_data_that_was_under_way_when_we_reset_is_forgiven_up_to_its_credit() {
    let mut connection = connection(Role::Acceptor);
    feed(&mut connection, frame(Kind::WindowUpdate, Flags::SYN, 1, 0));
    feed(&mut connection, data(1, 56 * 1024));
    connection.reset(1, 8);
    feed(&mut connection, data(1, 100 * 1024));
    feed(&mut connection, data(1, 100 * 1024));
    assert_eq!(connection.counts().stray, 0);
    feed(&mut connection, data(1, 1));
    assert_eq!((connection.counts().stray, connection.counts().bytes), (1, 256 * 1024 + 1));
}

#[test]
fn threat_09_a_reset_behind_the_queue_forgives_too_and_that_of_a_finished_peer_does_not() {
    let mut connection = connection(Role::Acceptor);
    feed(&mut connection, frame(Kind::WindowUpdate, Flags::SYN, 1, 0));
    connection.send(1, Bytes::from_static(b"last words"));
    connection.reset_behind(1, 8);
    transmitted(&mut connection, usize::MAX);
    feed(&mut connection, data(1, 256 * 1024));
    assert_eq!(connection.counts().stray, 0);
    feed(&mut connection, frame(Kind::Data, Flags::SYN | Flags::FIN, 3, 0));
    connection.reset(3, 8);
    feed(&mut connection, data(3, 1));
    assert_eq!(connection.counts().stray, 1);
}

#[test]
fn transmit_stops_after_the_frame_that_reaches_its_bound() {
    let mut connection = connection(Role::Opener);
    let ids = [(); 2].map(|()| connection.open([0; 8]).unwrap());
    for id in ids {
        connection.send(id, vec![0; 100_000].into());
    }
    assert_eq!(transmitted(&mut connection, 0), 0);
    assert_eq!(transmitted(&mut connection, 1), Header::BYTES + TURN);
    assert_eq!(transmitted(&mut connection, TURN + 13), 2 * (Header::BYTES + TURN));
    assert_eq!(connection.queued(), 200_000 - 3 * TURN);
    assert!(connection.wants_transmit());
}

#[test]
fn a_turn_is_as_many_kib_as_the_priority_which_is_held_to_its_range() {
    let mut connection = connection(Role::Opener);
    let ids = [32, 16, 0, 255].map(|priority| {
        let id = connection.open([0; 8]).unwrap();
        connection.set_priority(id, priority);
        connection.send(id, vec![0; 200_000].into());
        id
    });
    let turns = sent(&mut connection, 2 * (32 + 16 + 1 + 64) * 1024);
    let round = [(ids[0], 32 * 1024), (ids[1], 16 * 1024), (ids[2], 1024), (ids[3], 64 * 1024)];
    assert_eq!(turns[..8], [round, round].concat());
}

/// The streams that transmit a frame each, one after another.
fn turns(connection: &mut Connection<[u64; 8]>, count: usize) -> Vec<StreamId> {
    (0..count).flat_map(|_| sent(connection, 1)).map(|(id, _)| id).collect()
}

#[test]
fn a_stream_that_says_little_goes_before_bulk_as_far_as_its_share_goes() {
    let mut connection = connection(Role::Opener);
    let bulk = [(); 4].map(|()| connection.open([0; 8]).unwrap());
    let little = connection.open([0; 8]).unwrap();
    bulk.iter().for_each(|&id| assert!(connection.send(id, vec![0; 10 * TURN].into())));
    assert_eq!(turns(&mut connection, 4), bulk);
    connection.send(little, "a".into());
    connection.send(little, vec![0; 2 * TURN].into());
    // What does not fit into its turn waits with the others.
    assert_eq!(turns(&mut connection, 6), [little, bulk[0], bulk[1], bulk[2], bulk[3], little]);
    connection.send(little, vec![0; TURN].into());
    let next = turns(&mut connection, 10);
    assert_eq!(next.iter().filter(|id| **id == little).count(), 2, "{next:?}: it takes no more than its share by saying it in pieces");
    assert_eq!(turns(&mut connection, 5), [bulk[0], bulk[1], bulk[2], bulk[3], bulk[0]]);
    connection.send(little, "b".into());
    assert_eq!(turns(&mut connection, 1), [little], "it said nothing for a round");
}

#[test]
fn what_is_said_now_and_then_never_waits_for_a_round_of_bulk() {
    let mut connection = connection(Role::Opener);
    let bulk = [(); 99].map(|()| connection.open([0; 8]).unwrap());
    let little = connection.open([0; 8]).unwrap();
    bulk.iter().for_each(|&id| assert!(connection.send(id, vec![0; 4 * TURN].into())));
    turns(&mut connection, 99);
    for _ in 0..90 {
        connection.send(little, vec![0; 64].into());
        assert_eq!(turns(&mut connection, 2)[0], little);
    }
    // In pieces it gets no more than the others: so many KiB less than its share, each with a header.
    turns(&mut connection, 99);
    let mut ahead = 0;
    loop {
        connection.send(little, vec![0; 1024].into());
        if turns(&mut connection, 1) != [little] {
            break;
        }
        ahead += 1;
    }
    assert_eq!(ahead, 15);
}

#[test]
fn streams_that_are_filled_again_as_they_are_emptied_are_bulk_too() {
    let mut connection = connection(Role::Opener);
    let bulk = [(); 99].map(|()| connection.open([0; 8]).unwrap());
    let little = connection.open([0; 8]).unwrap();
    let fill = |connection: &mut Connection<[u64; 8]>, id| assert!(connection.send(id, vec![0; TURN - Header::BYTES].into()));
    bulk.iter().for_each(|id| fill(&mut connection, *id));
    connection.send(little, "a".into());
    let turn = |connection: &mut Connection<[u64; 8]>| {
        let id = turns(connection, 1)[0];
        if id != little {
            fill(connection, id);
        }
        id
    };
    assert_eq!((0..400).filter(|_| turn(&mut connection) == little).count(), 1);
    connection.send(little, "a".into());
    assert_eq!(turn(&mut connection), little);
}

#[test]
fn a_stream_that_is_new_waits_a_round() {
    let mut connection = connection(Role::Opener);
    let bulk = [(); 3].map(|()| connection.open([0; 8]).unwrap());
    bulk.iter().for_each(|&id| assert!(connection.send(id, vec![0; 10 * TURN].into())));
    turns(&mut connection, 3);
    let new = connection.open([0; 8]).unwrap();
    connection.send(new, "a".into());
    assert_eq!(turns(&mut connection, 4), [bulk[0], bulk[1], bulk[2], new], "opening streams is no way past the others");
}

#[test]
fn an_ended_stream_is_found_until_it_is_collected_and_used_no_more() {
    let mut connection = connection(Role::Acceptor);
    feed(&mut connection, frame(Kind::WindowUpdate, Flags::SYN, 1, 0));
    connection.value_mut(1).unwrap()[0] = 42;
    let events = feed(&mut connection, frame(Kind::WindowUpdate, Flags::RST, 1, 9));
    assert_eq!(events, [Event::Reset(1, 9)]);
    assert_eq!(connection.value(1).map(|value| value[0]), Some(42));
    assert!(connection.get(1).is_none() && connection.is_empty());
    assert!(!connection.send(1, Bytes::from_static(b"x")) && !connection.finish(1) && !connection.reset(1, 0));
    feed(&mut connection, frame(Kind::WindowUpdate, Flags::SYN, 1, 0));
    assert_eq!(connection.ended().map(|(id, value)| (id, value[0])), Some((1, 42)), "although its id is used again");
    assert_eq!(connection.ended(), None);
    assert_eq!((connection.len(), connection.opened_by_peer()), (1, 1));
}

#[test]
fn a_stream_that_takes_over_an_id_takes_no_turn_of_the_old_one() {
    let mut connection = connection(Role::Acceptor);
    for _ in 0..3 {
        feed(&mut connection, frame(Kind::WindowUpdate, Flags::SYN, 1, 0));
        connection.send(1, vec![0; 40_000].into());
        feed(&mut connection, frame(Kind::WindowUpdate, Flags::RST, 1, 0));
    }
    for id in [1, 3] {
        feed(&mut connection, frame(Kind::WindowUpdate, Flags::SYN, id, 0));
        connection.send(id, vec![0; 40_000].into());
    }
    let order: Vec<StreamId> = sent(&mut connection, usize::MAX).into_iter().map(|(id, _)| id).collect();
    assert_eq!(order, [1, 3, 1, 3, 1, 3]);
    while connection.ended().is_some() {}
    assert_eq!((connection.queued(), connection.streams.len()), (0, 2));
}

#[test]
fn the_end_of_a_session_gives_out_every_live_stream() {
    let mut connection = connection(Role::Acceptor);
    feed(&mut connection, frame(Kind::Data, Flags::SYN | Flags::FIN, 1, 0));
    feed(&mut connection, frame(Kind::WindowUpdate, Flags::SYN, 3, 0));
    connection.send(3, Bytes::from_static(b"abc"));
    connection.reset(1, 0);
    connection.go_away(1);
    let drained: Vec<_> = connection.drain(None).map(|(id, _, view)| (id, view.queued)).collect();
    assert_eq!(drained, [(3, 3)]);
    assert!(connection.is_empty() && connection.queued() == 0);
    assert_eq!(transmitted(&mut connection, usize::MAX), 2 * Header::BYTES, "GO_AWAY and the reset");
    assert_eq!(connection.open([0; 8]), Err(OpenError::GoneAway));
}

#[test]
fn acknowledgements_wait_for_company_or_until_they_are_many() {
    let mut connection = connection(Role::Acceptor);
    let ids = (0..).map(|stream| 2 * stream + 1);
    for id in ids.take(63) {
        feed(&mut connection, frame(Kind::WindowUpdate, Flags::SYN, id, 0));
    }
    assert!(!connection.wants_transmit());
    feed(&mut connection, frame(Kind::WindowUpdate, Flags::SYN, 127, 0));
    assert!(connection.wants_transmit(), "stock peers wait at 256");
    assert_eq!(transmitted(&mut connection, usize::MAX), 64 * Header::BYTES);
    feed(&mut connection, frame(Kind::WindowUpdate, Flags::SYN, 129, 0));
    connection.send(1, Bytes::from_static(b"abc"));
    assert_eq!(transmitted(&mut connection, usize::MAX), 2 * Header::BYTES + 3);
}

#[test]
fn a_ping_that_is_due_leaves_and_its_answer_tells_the_round_trip() {
    let start = Instant::now();
    let second = Duration::from_secs(1);
    let config = Config { ping_interval: Some(20 * second), ..Config::default() };
    let mut connection: Connection<()> = Connection::new(Role::Acceptor, config, start);
    assert_eq!(connection.deadline(), Some(start + 20 * second));
    assert_eq!(connection.tick(start + 20 * second), Ok(()));
    assert!(connection.wants_transmit());
    let mut pong = frame(Kind::Ping, Flags::ACK, 0, 0);
    assert_eq!(connection.receive(&mut pong, start + 21 * second), Ok(Some(Event::Pong)));
    assert_eq!(connection.rtt(), Some(second));
    assert_eq!(connection.tick(start + 81 * second), Err(Dead::Silent));
}

#[test]
fn threat_07_each_violation_ends_the_session_with_one_go_away_and_no_more() {
    let (data, update) = (Kind::Data, Kind::WindowUpdate);
    let header = |kind, flags, id, length| frame(kind, flags, id, length).to_vec();
    let cases = [
        (vec![1; 12], Violation::Version),
        (vec![0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], Violation::Type),
        (header(data, Flags::SYN, 0, 0), Violation::StreamZero),
        (header(data, Flags::SYN, 2, 0), Violation::Parity),
        (header(update, Flags::SYN, 1, 0), Violation::Reuse),
        (header(data, Flags::NONE, 1, crate::INITIAL_WINDOW + 1), Violation::Window),
        (header(update, Flags::NONE, 1, u32::MAX), Violation::CreditOverflow),
        (header(data, Flags::NONE, 3, 0), Violation::AfterFin),
    ];
    for (bytes, violation) in cases {
        let mut connection = connection(Role::Acceptor);
        feed(&mut connection, frame(update, Flags::SYN, 1, 0));
        feed(&mut connection, frame(update, Flags::SYN | Flags::FIN, 3, 0));
        connection.send(1, Bytes::from_static(b"queued"));
        let mut input = Bytes::from(bytes);
        assert_eq!(connection.receive(&mut input, Instant::now()), Err(violation));
        let mut out = Outbound::new();
        assert!(connection.transmit(usize::MAX, &mut out) && !connection.wants_transmit());
        assert_eq!(out.buffers.concat(), frame(Kind::GoAway, Flags::NONE, 0, 1));
        let mut more = frame(Kind::Ping, Flags::SYN, 0, 7);
        assert_eq!(connection.receive(&mut more, Instant::now()), Err(violation));
        assert_eq!(connection.open([0; 8]), Err(OpenError::GoneAway));
        assert!(!connection.transmit(usize::MAX, &mut out));
    }
}
