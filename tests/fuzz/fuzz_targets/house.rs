//! A whole proxy with little room in it, and a few peers who say anything, legal or not, in any order: in rooms, in channels, about names. Whatever they do: no panic, no more of
//! anything than the limits say, and when they have gone nothing is left.
#![no_main]

mod guest;
mod said;

use std::{sync::Arc, time::Duration};

use arbitrary::Arbitrary;
use browser_stream_server::{Config, Limits, Proxy, StreamRouter, StreamServerProxy};
use libfuzzer_sys::fuzz_target;
use tokio::{runtime::Builder, time::sleep};

use guest::{Act, Guest, Seats};

#[derive(Arbitrary, Debug)]
struct Input {
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// One of the peers does something; it comes in first where it has to.
    Peer(u8, Act),
    /// It is gone, without a word.
    Vanish(u8),
    Wait(u16),
    /// The program that the proxy runs in.
    Emit(u8),
    CloseRoom(u8),
    EndChannel(u8),
    Release(u8),
}

fuzz_target!(|input: Input| {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let mut house = House::new();
        for step in &input.steps {
            house.step(step);
            // The clock moves when all others wait.
            sleep(step.takes()).await;
            house.check();
        }
        house.empty().await;
    });
});

impl Step {
    fn takes(&self) -> Duration {
        let milliseconds = if let Self::Wait(milliseconds) = self { u64::from(*milliseconds) } else { 0 };
        Duration::from_millis(1 + milliseconds)
    }
}

struct House {
    proxy: Proxy,
    names: StreamServerProxy,
    limits: Limits,
    guests: [Option<Guest>; 4],
    seats: Seats,
    /// What the books say where nobody is.
    books: usize,
}

impl House {
    fn new() -> Self {
        let limits = limits();
        let names = StreamServerProxy::with_limits("/browser-server", Arc::new(limits.clone()));
        names.list_names(true);
        let mut config = Config::default();
        config.limits = limits.clone();
        let proxy = Proxy::new(config, StreamRouter::new().mount(names.clone()));
        let books = proxy.sessions().memory_used();
        Self { proxy, names, limits, guests: Default::default(), seats: Seats::default(), books }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Peer(which, act) => {
                let place = &mut self.guests[usize::from(which % 4)];
                place.get_or_insert_with(|| Guest::at(&self.proxy)).act(act, &mut self.seats);
            }
            Step::Vanish(which) => self.guests[usize::from(which % 4)] = None,
            Step::Wait(_) => {}
            // Where there is no such room, channel or name it does nothing.
            Step::Emit(room) => drop(self.proxy.rooms().emit(guest::name(*room), "say", &("hello",))),
            Step::CloseRoom(room) => drop(self.proxy.rooms().close(guest::name(*room), "enough")),
            Step::EndChannel(channel) => drop(self.proxy.channels().end(guest::name(*channel))),
            Step::Release(name) => drop(self.names.release(guest::name(*name))),
        }
    }

    /// No more of anything than the limits say.
    fn check(&self) {
        let limits = &self.limits;
        let rooms = self.proxy.rooms().list();
        assert!(rooms.len() <= limits.rooms_max, "{rooms:?}");
        for room in &rooms {
            assert!((1..=limits.room_members_max).contains(&room.members) && room.live <= room.members, "{room:?}");
            assert!(room.kept_bytes <= room.members * (limits.room_kept_bytes_max + limits.room_event_bytes_max), "{room:?}");
            assert_eq!(self.proxy.rooms().members(room.name.as_str()).len(), room.members, "{room:?}");
        }
        let channels = self.proxy.channels().list();
        assert!(channels.len() <= limits.channels_max, "{channels:?}");
        for channel in &channels {
            assert!(
                channel.publishers <= limits.channel_publishers_max && channel.subscribers <= limits.channel_readers_max,
                "{channel:?}"
            );
            assert!(channel.replay_bytes <= limits.channel_replay_bytes_max + 1024, "{channel:?}");
        }
    }

    /// Everybody goes, and what was kept for them with them.
    async fn empty(mut self) {
        self.guests = Default::default();
        sleep(LONGER_THAN_ANYTHING).await;
        assert!(self.proxy.sessions().is_empty(), "sessions are left");
        assert!(self.proxy.rooms().list().is_empty(), "rooms are left: {:?}", self.proxy.rooms().list());
        assert!(self.proxy.channels().list().is_empty(), "channels are left: {:?}", self.proxy.channels().list());
        for name in 0..guest::NAMES {
            assert!(!self.names.release(guest::name(name)), "a name is left");
        }
        let (left, books) = (self.proxy.sessions().memory_used(), self.books);
        assert_eq!(left, books, "the books are not as they were");
    }
}

/// Everybody's, but small: so few peers are to reach them.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.rooms_max = 2;
    limits.room_members_max = 3;
    limits.rooms_per_session_max = 2;
    limits.room_event_bytes_max = 4096;
    limits.room_kept_events_max = 8;
    limits.room_kept_bytes_max = 8192;
    limits.room_queue_bytes_max = 8192;
    limits.room_absent_max = 2;
    limits.room_asks_max = 2;
    limits.channels_max = 2;
    limits.channel_publishers_max = 2;
    limits.channel_readers_max = 2;
    limits.channel_message_bytes_max = 16 * 1024;
    limits.channel_replay_bytes_max = 4096;
    limits.channel_queue_bytes_max = 8192;
    limits.names_per_session_max = 2;
    limits.standbys_per_name_max = 2;
    limits.watchers_per_name_max = 2;
    limits.suspended_names_max = 2;
    limits
}

/// Graces, stalls and lingering are over by then, and silent sessions dead.
const LONGER_THAN_ANYTHING: Duration = Duration::from_secs(600);
