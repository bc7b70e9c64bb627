//! A peer that says anything, in any order, cut anywhere.

use std::time::Duration;

use browser_stream_client::resume::{Kind, Limits, Mac, Nonce, Reason, Record, State, StreamId};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use crate::{
    network::{CLIENT, SERVER},
    world::World,
};

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let number = || prop_oneof![0_u64..20, 0_u64..300_000, Just((1 << 53) - 1)];
    let record = prop_oneof![
        8 => (number(), 1_u32..70).prop_map(|(offset, length)| Record::Data { offset, length }),
        2 => number().prop_map(|total| Record::Fin { total }),
        4 => (number(), number()).prop_map(|(received, room)| Record::Ack { received, room }),
        1 => "[a-z]{0,70}".prop_map(|text| Record::Reset(Reason::new(&text, &text))),
        1 => Just(Record::Done),
        1 => Just(Record::Gone),
        2 => number().prop_map(Record::Ping),
        2 => number().prop_map(Record::Pong),
        1 => Just(Record::Join { stream: StreamId([7; 16]), nonce: Nonce([1; 16]) }),
        1 => Just(Record::Prove { nonce: Nonce([1; 16]), mac: Mac([1; 32]) }),
        1 => Just(Record::Proof { mac: Mac([1; 32]) }),
    ];
    let whole = record.prop_map(|record| {
        let mut out = BytesMut::new();
        record.encode(&mut out);
        if let Record::Data { length, .. } = record {
            out.resize(out.len() + length as usize, 7);
        }
        out.to_vec()
    });
    prop_oneof![6 => whole, 1 => prop::collection::vec(any::<u8>(), 0..20)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn threat_13_any_bytes_give_no_panic_no_unbounded_memory_and_no_reply_without_end(
        pieces in prop::collection::vec((piece(), 0_usize..3), 0..60), side in 0_usize..2, finish: bool, cut in 1_usize..50,
    ) {
        let limits = Limits { window_min: 4096, window_max: 8192, replay_min: 4096, replay: 4096, ..Limits::default() };
        let mut world = World::opened(limits);
        world.proven(Kind::Direct);
        let unproven = world.join(Kind::Direct);
        world.pump(CLIENT);
        world.arrive_at(SERVER, unproven);
        world.answer_mac(0);
        world.write(side, 1000);
        if finish {
            world.finish(side);
        }
        let end = world.ends[side].as_mut().unwrap();
        for (piece, which) in pieces {
            let carriers: Vec<u64> = end.carriers().collect();
            let Some(&id) = carriers.get(which % carriers.len().max(1)) else { break };
            for chunk in piece.chunks(cut) {
                end.received(id, Bytes::copy_from_slice(chunk), world.now);
            }
            prop_assert!(end.progress().0 <= 4096, "beyond what was granted");
            let mut out = Vec::new();
            for &id in &carriers {
                end.transmit(id, usize::MAX, world.now, &mut out);
                prop_assert!(!end.wants_transmit(id), "it says each thing once");
            }
            let said: usize = out.iter().map(Bytes::len).sum();
            prop_assert!(said <= 1100 + carriers.len() * 1200, "{said} bytes");
            let actions = std::iter::from_fn(|| end.poll()).count();
            prop_assert!(actions <= carriers.len() + 1);
            world.now += Duration::from_millis(1);
            end.tick(world.now);
        }
        prop_assert!(end.state() != State::Opening);
    }
}
