//! Publishers and subscribers. A message says which of its publisher's it is, so that one that is lost, doubled or another's shows: the proxy numbers them, too.

use std::collections::HashMap;

use browser_stream_client::{Channel, ChannelOptions, Message, Policy, Publisher};
use bytes::{BufMut, BytesMut};
use rand::{Rng, rngs::StdRng};
use tokio::time::timeout;

use crate::{
    exchange::Bytes,
    scene::{Scene, leave, pause},
};

const NAMES: [&str; 3] = ["CHANNEL 0", "CHANNEL 1", "CHANNEL 2"];

/// In front of a message: its publisher's seed, and its number.
const HEAD: usize = 16;

/// Publishes for a while, with some messages given up midway, and ends in one of several ways.
pub async fn publish(scene: Scene, mut random: StdRng) {
    let Ok(peer) = scene.dial(&mut random).reconnect(random.random()).await else { return };
    let policy = [Policy::Wait, Policy::Drop, Policy::Disconnect][random.random_range(0..3)];
    let mut options = ChannelOptions::new().policy(policy).replay([0, 0, 20_000, 300_000][random.random_range(0..4)]);
    if random.random_bool(0.7) {
        options = options.many();
    }
    if random.random_bool(0.2) {
        options = options.wait_for(1);
    }
    let name = NAMES[random.random_range(0..NAMES.len())];
    // Refused where others publish there, otherwise than this one would.
    let Ok(mut publisher) = Channel::new(&peer).publish(name, options).meta(&"who").await else { return peer.close().await };
    let stay = pause(&mut random, 200..5000);
    let publishing = say(&mut publisher, &mut random);
    let is_over = matches!(timeout(stay, scene.over.run_until_cancelled(publishing)).await, Ok(Some(())));
    match random.random_range(0..3) {
        // Whoever reads slowly is given two seconds for each message.
        0 if !is_over => {
            let _ = timeout(pause(&mut random, 1..20_000), publisher.end()).await;
            leave(peer).await;
        }
        1 => drop(publisher),
        _ => peer.close().await,
    }
}

/// Until nothing more can be said.
async fn say(publisher: &mut Publisher, random: &mut StdRng) {
    let (seed, mut number) = (random.random(), 0);
    loop {
        let length = match random.random_range(0..20) {
            0..15 => random.random_range(0..500),
            15..19 => random.random_range(0..30_000),
            _ => random.random_range(0..400_000),
        };
        let message = message(seed, number, length);
        let sent = if random.random_bool(0.05) {
            let mut writer = publisher.message();
            // Dropped, what was written of it is cut.
            writer.push(message).await
        } else {
            publisher.send(message).await
        };
        if sent.is_err() {
            return;
        }
        number += 1;
        if random.random_bool(0.3) {
            tokio::time::sleep(pause(random, 1..20)).await;
        }
    }
}

fn message(seed: u64, number: u64, length: usize) -> bytes::Bytes {
    let mut message = BytesMut::with_capacity(HEAD + length);
    message.put_u64(seed);
    message.put_u64(number);
    message.extend_from_slice(&Bytes { seed: seed ^ number, length: length as u64 }.part(0, length));
    message.freeze()
}

/// Reads for a while, some slowly, and compares.
pub async fn subscribe(scene: Scene, mut random: StdRng) {
    let Ok(peer) = scene.dial(&mut random).reconnect(random.random()).await else { return };
    let name = NAMES[random.random_range(0..NAMES.len())];
    let (is_slow, stay) = (random.random_bool(0.3), pause(&mut random, 200..6000));
    if let Ok(mut subscription) = Channel::new(&peer).subscribe(name).wait(pause(&mut random, 0..1000)).await {
        let mut heard = HashMap::new();
        let hearing = async {
            // A subscription ends with its connection, and where it is too slow.
            while let Ok(Some(message)) = subscription.next().await {
                check(&message, &mut heard);
                scene.tally.messages.add(1);
                if is_slow {
                    tokio::time::sleep(pause(&mut random, 1..60)).await;
                }
            }
        };
        let _ = timeout(stay, scene.over.run_until_cancelled(hearing)).await;
        scene.tally.left_out.add(subscription.skipped());
    }
    if random.random() {
        leave(peer).await;
    }
}

/// Compares a message with what its publisher sent: what it is, which it is, and that it comes behind all before it.
fn check(message: &Message, heard: &mut HashMap<u32, u64>) {
    let publisher = message.publisher.number;
    let (head, body) = message.bytes.split_at_checked(HEAD).expect("a message has a head");
    let word = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().expect("eight bytes"));
    let (seed, number) = (word(0), word(8));
    assert_eq!(number, message.number, "a message of publisher {publisher} is counted as another: one was lost or doubled");
    let expected = Bytes { seed: seed ^ number, length: body.len() as u64 }.part(0, body.len());
    assert!(body == expected, "message {number} of publisher {publisher} is not as it was sent");
    let before = heard.insert(publisher, number);
    assert!(before.is_none_or(|before| before < number), "message {number} of publisher {publisher} came behind {before:?}");
}
