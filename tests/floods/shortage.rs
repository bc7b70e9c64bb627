//! Row 19: descriptors and memory run out.

use std::{
    io::{self, ErrorKind},
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use harness::{
    blocking::{Blocking, is_timeout, tcp},
    wire::Came,
};

use crate::{
    attack::Attack,
    client::Client,
    cores,
    fate::Fate,
    frames::LIMIT,
    honest::HOME,
    process::Settings,
    server::{Manner, Server},
    siege::{MIB, Siege, lasting, within},
};

/// As few descriptors as a careless service file gives.
const FEW: u32 = 256;

fn few() -> Settings {
    Settings { descriptors: Some(FEW), ..Settings::default() }
}

#[test]
fn threat_19_without_descriptors_left_strangers_are_shed_and_live_sessions_go_on() {
    let mut siege = Siege::with("more sessions than descriptors", &few(), 32 * MIB, |_| ());
    let proxy = siege.process.address;
    let fate = siege.stand(|attack| {
        let (mut fate, mut held) = (Fate::default(), Vec::new());
        while attack.goes_on_until(fate.statuses.contains_key(&503)) {
            match Blocking::dial_within(attack.proxy, attack.address(), Duration::from_millis(100)) {
                Ok(peer) => {
                    held.push(peer);
                    (fate.connections, fate.sent) = (fate.connections + 1, fate.sent + 1);
                }
                Err(error) => {
                    let said = error.to_string().to_ascii_lowercase();
                    assert!(error.kind() != ErrorKind::PermissionDenied || said.contains("retry-after"), "when to come again: {said}");
                    fate.refused(&error);
                }
            }
        }
        fate
    });
    assert!(fate.connections > u64::from(FEW) / 2, "most descriptors are sessions: {fate}");
    assert!(fate.statuses.get(&503).is_some_and(|shed| *shed > 0), "the rest are shed with 503: {fate}");
    let back = within(Duration::from_secs(20), || Blocking::dial_within(proxy, HOME, Duration::from_secs(1)).is_ok());
    assert!(back, "once there are descriptors again, strangers come in");
}

#[test]
fn threat_19_a_storm_of_connects_leaves_live_sessions_alone() {
    let fate = Siege::with("connect storm", &few(), 32 * MIB, |_| ()).stand(|attack| {
        let (mut fate, mut held) = (Fate::default(), std::collections::VecDeque::new());
        while attack.goes_on_until(fate.connections > u64::from(FEW)) {
            match tcp(attack.proxy, attack.address()) {
                Ok(socket) => {
                    (fate.connections, fate.sent) = (fate.connections + 1, fate.sent + 1);
                    held.push_back(socket);
                    // Always about as many as make the proxy run out.
                    if held.len() > FEW as usize {
                        held.pop_front();
                    }
                }
                Err(error) => fate.refused(&error),
            }
        }
        fate
    });
    assert!(fate.connections > u64::from(FEW), "{fate}");
}

#[test]
fn threat_15_one_address_cannot_take_the_connections_of_all() {
    let limits = vec![("connections_max", 64), ("connections_per_address_max", 32)];
    let settings = Settings { limits, ..Settings::default() };
    let fate = Siege::with("one address, all connections", &settings, 32 * MIB, |_| ()).stand(|attack| {
        let (mut fate, mut held, mut newcomers) = (Fate::default(), std::collections::VecDeque::new(), 0);
        while attack.goes_on_until(newcomers >= 3) {
            // One that says nothing, always about three times as many as there may be of all.
            match tcp(attack.proxy, CROWDED) {
                Ok(socket) => {
                    (fate.connections, fate.sent) = (fate.connections + 1, fate.sent + 1);
                    held.push_back(socket);
                }
                Err(error) => fate.refused(&error),
            }
            if held.len() > 200 {
                held.pop_front();
                let newcomer = Blocking::dial_within(attack.proxy, attack.address(), Duration::from_secs(2));
                assert!(newcomer.is_ok(), "a newcomer from elsewhere gets in: {:?}", newcomer.err());
                newcomers += 1;
            }
        }
        fate
    });
    assert!(fate.connections > 200, "{fate}");
}

/// The address of one that takes all it can.
const CROWDED: Ipv4Addr = Ipv4Addr::new(127, 0, 9, 9);

/// Sessions that freeze, streams into each, and what a writer may send into each stream: together four times the budget.
const FROZEN: u64 = 16;
const STALLED: usize = 64;
const BUDGET: u64 = 64 * MIB;

#[test]
fn threat_19_many_stalled_streams_of_many_sessions_stay_within_the_budget() {
    let settings = Settings { limits: vec![("memory_budget_bytes", BUDGET)], ..Settings::default() };
    let mut siege = Siege::with("16 frozen sessions × 64 streams", &settings, BUDGET + 32 * MIB, |_| ());
    let fate = siege.stand_for(lasting().max(Duration::from_millis(1500)), |attack| {
        thread::scope(|scope| {
            let spawn = |number| {
                scope.spawn(move || {
                    cores::behind_everybody();
                    frozen(attack, &format!("FROZEN-{number}"))
                })
            };
            let all: Vec<_> = (0..FROZEN).map(spawn).collect();
            let mut fate = Fate::default();
            all.into_iter().for_each(|one| fate.add(one.join().expect("it goes to its end")));
            fate
        })
    });
    assert!(fate.sent > BUDGET, "there was more to hold than the budget: {} MiB", fate.sent / MIB);
    let reset = fate.resets.get(&LIMIT).copied().unwrap_or_default();
    let shed = fate.statuses.get(&503).copied().unwrap_or_default();
    assert!(reset + shed > 0, "streams were reset `limit`, or sessions shed: {fate}");
}

/// A session that accepts streams and then reads nothing, another that fills them; `sent` is in bytes.
fn frozen(attack: &Attack, name: &str) -> Fate {
    let mut fate = Fate::default();
    match fill(attack, name, &mut fate) {
        Ok(()) => {}
        // Cut, reset or shed: that is for the proxy to choose.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => fate.refused(&error),
        Err(error) if error.kind() == ErrorKind::ConnectionReset || error.kind() == ErrorKind::UnexpectedEof => fate.ended += 1,
        Err(_) => fate.unreachable += 1,
    }
    fate
}

fn fill(attack: &Attack, name: &str, fate: &mut Fate) -> io::Result<()> {
    let server = Server::claim(attack.proxy, attack.address(), name)?;
    let accepted = AtomicBool::new(false);
    thread::scope(|scope| {
        let freezing = scope.spawn(|| {
            cores::behind_everybody();
            server.accept_and_freeze(STALLED, &accepted)
        });
        let connected = connect_all(attack, name);
        // Without this a server whose clients were refused would wait for them for ever.
        accepted.store(true, Ordering::Relaxed);
        let _frozen = freezing.join().expect("it accepts")?;
        let (mut client, streams) = connected?;
        fate.connections += 2;
        for stream in streams {
            while client.credit(stream) > 0 {
                fate.sent += u64::from(client.push(stream, u32::MAX)?);
            }
        }
        client.peer.socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        // What came of it is looked at even if the filling took all the time there was.
        loop {
            match client.peer.receive(|came: Came| fate.came(&came)) {
                Err(error) if !is_timeout(&error) => return Err(error),
                Err(_) if !attack.goes_on() => return Ok(()),
                _ => {}
            }
        }
    })
}

fn connect_all(attack: &Attack, name: &str) -> io::Result<(Client, Vec<u32>)> {
    let mut client = Client::dial(attack.proxy, attack.address())?;
    client.peer.socket.set_write_timeout(Some(Duration::from_secs(2)))?;
    let streams = (0..STALLED).map(|_| client.connect(name, Manner::Nothing)).collect::<io::Result<_>>()?;
    Ok((client, streams))
}
