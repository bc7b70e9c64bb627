//! Those who look on: they list the names, and watch names and the directory of rooms, and take what they are told quickly, slowly or not at all.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use browser_stream_server::Name;
use harness::{
    DATA, RST, SYN,
    blocking::{Blocking, is_timeout},
    frame,
    wire::{Came, framed},
};
use rand::{Rng, rngs::StdRng};

use crate::{
    scene::{Scene, leave, pause},
    serve::{LOOSE, any_name},
};

/// Lists the names over a client.
pub async fn list(scene: Scene, mut random: StdRng) {
    let Ok(peer) = scene.dial(&mut random).await else { return };
    for _ in 0..random.random_range(1..5) {
        if let Ok(names) = peer.client().names().await {
            let is_known = |name: &str| name.starts_with("KEPT ") || LOOSE.contains(&name);
            assert!(names.is_all && names.held.iter().all(|held| is_known(&held.name)), "names that nobody has: {names:?}");
            scene.tally.looks.add(1);
        }
        if scene.rest(pause(&mut random, 1..300)).await {
            break;
        }
    }
    leave(peer).await;
}

/// Watches names and the directory, by hand, and is gone from one moment to the next.
pub async fn watch(scene: Scene, mut random: StdRng) {
    let networks = scene.networks.iter().map(|network| network.address());
    let addresses: Vec<SocketAddr> = networks.chain([scene.proxy]).collect();
    let address = addresses[random.random_range(0..addresses.len())];
    let name = any_name(&scene, &mut random);
    scene.tally.peers.add(1);
    let watching = tokio::task::spawn_blocking(move || gaze(address, &name, &mut random));
    // An error is what a network does.
    if let Ok(told) = watching.await.expect("it does not panic") {
        scene.tally.looks.add(told);
    }
}

/// How many words it was told.
fn gaze(proxy: SocketAddr, name: &str, random: &mut StdRng) -> io::Result<u64> {
    let mut peer = Blocking::dial_within(proxy, Ipv4Addr::LOCALHOST, Duration::from_secs(5))?;
    peer.socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let name = Name::try_from(name).expect("a name");
    let paths = ["/room/list".to_owned(), format!("/browser-server/watch/{}", name.segment()), "/browser-server/names".to_owned()];
    let mut open = Vec::new();
    for stream in (1..).step_by(2).take(random.random_range(1..6)) {
        let body = framed(&format!(r#"{{"path":"{}"}}"#, paths[random.random_range(0..paths.len())]));
        peer.send(&frame(DATA, SYN, stream, body.len() as u32, &body))?;
        open.push(stream);
    }
    let (end, mut told) = (Instant::now() + pause(random, 50..3000), 0);
    while Instant::now() < end {
        if random.random_bool(0.1) {
            std::thread::sleep(pause(random, 1..200));
        }
        match peer.receive(|came| told += u64::from(matches!(came, Came::Data(..)))) {
            Err(error) if !is_timeout(&error) => return Err(error),
            _ => {}
        }
        if random.random_bool(0.05)
            && let Some(stream) = open.pop()
        {
            peer.send(&frame(harness::WINDOW_UPDATE, RST, stream, 0, b""))?;
        }
    }
    Ok(told)
}
