//! Members of rooms. Everybody counts what it says to all, so that the others know of each event whether one before it is missing, or it came twice.

use std::{collections::HashMap, time::Duration};

use browser_stream_client::room::{Ask, Joined, Member, News, Room, RoomError};
use rand::{Rng, rngs::StdRng};
use tokio::time::{Instant, timeout};

use crate::{
    exchange::Bytes,
    scene::{Scene, leave, pause},
};

const NAMES: [&str; 3] = ["ROOM 0", "ROOM 1", "部屋"];

/// Is in a room for a while, over more than one connection if need be, and goes in one of several ways.
pub async fn join(scene: Scene, mut random: StdRng) {
    let Ok(peer) = scene.dial(&mut random).reconnect(random.random_bool(0.8)).await else { return };
    let name = NAMES[random.random_range(0..NAMES.len())];
    let join = Room::new(&peer).join(name).profile(&random.random::<u32>()).public(random.random());
    let Ok(room) = join.await else { return peer.close().await };
    let (mut inside, stay) = (Inside::new(room, scene.clone()), pause(&mut random, 300..8000));
    let is_slow = random.random_bool(0.2);
    let being = async { while inside.turn(&mut random, is_slow).await.is_ok() {} };
    let _ = timeout(stay, scene.over.run_until_cancelled(being)).await;
    match random.random_range(0..4) {
        0 => {
            // Where the room is over already it need not be left.
            let _ = inside.room.leave("bye").await;
            drop(inside);
            leave(peer).await;
        }
        1 => drop(inside),
        2 => peer.close().await,
        _ => {}
    }
}

/// One who is in a room.
struct Inside {
    room: Joined,
    scene: Scene,
    /// How many events it said to all.
    said: u64,
    /// The newest event of each other, and whether some of its events may have been left out since.
    heard: HashMap<String, (u64, bool)>,
}

impl Inside {
    fn new(room: Joined, scene: Scene) -> Self {
        Self { room, scene, said: 0, heard: HashMap::new() }
    }

    /// Says something, or hears what others say for a while.
    async fn turn(&mut self, random: &mut StdRng, is_slow: bool) -> Result<(), RoomError> {
        match random.random_range(0..20) {
            0..8 => {
                let length = if random.random_bool(0.05) { random.random_range(0..100_000) } else { random.random_range(0..300) };
                let body = Bytes { seed: self.said, length }.part(0, length as usize);
                self.room.emit("count", &(self.said, bytes::Bytes::from(body))).await?;
                self.said += 1;
            }
            8 | 9 => {
                let members = self.room.members();
                if let Some(to) = members.get(random.random_range(0..members.len().max(1))) {
                    self.room.emit_to(&[&to.id], "only", &(&to.id,)).await?;
                }
            }
            10 => self.room.profile(&random.random::<u32>()).await?,
            11 => self.ask(random).await?,
            _ if is_slow => tokio::time::sleep(pause(random, 1..400)).await,
            _ => {}
        }
        let until = Instant::now() + pause(random, 1..40);
        while let Ok(news) = tokio::time::timeout_at(until, self.room.next()).await {
            match news? {
                Some(news) => self.hear(news, random).await?,
                None => return Err(RoomError::Bad("it has left".to_owned())),
            }
        }
        Ok(())
    }

    async fn ask(&mut self, random: &mut StdRng) -> Result<(), RoomError> {
        let (one, other) = (random.random::<u32>(), random.random::<u32>());
        for answered in self.room.ask("add", &(one, other), Duration::from_millis(300)).await? {
            if let Ok(value) = answered.value {
                assert_eq!(value.to::<u64>().ok(), Some(u64::from(one) + u64::from(other)), "the answer to another question");
                self.scene.tally.answers.add(1);
            }
        }
        Ok(())
    }

    async fn hear(&mut self, news: News, random: &mut StdRng) -> Result<(), RoomError> {
        match news {
            News::Event { from: Some(from), name, args, ask } => match (name.as_str(), ask) {
                ("count", None) => {
                    let (number, body) = args.to::<(u64, bytes::Bytes)>()?;
                    let expected = Bytes { seed: number, length: body.len() as u64 }.part(0, body.len());
                    assert!(body == expected, "event {number} is not as it was said");
                    self.counted(&from, number);
                    self.scene.tally.events.add(1);
                }
                ("only", None) => {
                    // Its own id is another's once it had to come in anew.
                    let (id,) = args.to::<(String,)>()?;
                    assert!(id == self.room.id() || self.room.members().iter().all(|member| member.id != id), "an event for somebody else");
                    self.scene.tally.events.add(1);
                }
                ("add", Some(ask)) => return answer(ask, args.to()?, random).await,
                (name, ask) => panic!("nobody here says {name:?}, ask: {ask:?}"),
            },
            News::Event { from: None, .. } => panic!("the proxy's program says nothing here"),
            News::Lost(count) => {
                self.heard.values_mut().for_each(|(_, left_out)| *left_out = true);
                self.scene.tally.left_out.add(count.unwrap_or(1));
            }
            News::Left(member, _) => drop(self.heard.remove(&member.id)),
            News::Refused(ending) => panic!("what was said was not allowed: {ending:?}"),
            _ => {}
        }
        Ok(())
    }

    /// One's events come one after the other; where some were left out, later ones only.
    fn counted(&mut self, from: &Member, number: u64) {
        if let Some((before, left_out)) = self.heard.insert(from.id.clone(), (number, false)) {
            let fits = if left_out { number > before } else { number == before + 1 };
            assert!(fits, "event {number} of {} came behind {before}, some left out: {left_out}", from.id);
        }
    }
}

/// Answers most of the time.
async fn answer(ask: Ask, (one, other): (u32, u32), random: &mut StdRng) -> Result<(), RoomError> {
    match random.random_range(0..6) {
        0 => drop(ask),
        1 => ask.refuse(300, "no idea").await,
        _ => ask.answer(&(u64::from(one) + u64::from(other))).await?,
    }
    Ok(())
}
