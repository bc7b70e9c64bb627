//! Servers and clients. Some are kept: their server stays until all is through, and so does their client, so that every stream must come whole
//! whatever the networks do. Others go when they like.

use std::time::Duration;

use browser_stream_client::{Code, Connection, Listener, RefusalCode, Stream};
use futures::TryStreamExt;
use rand::{Rng, rngs::StdRng};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    exchange::{Errand, exchange},
    scene::{KEPT_GRACE, Scene, leave, pause},
};

/// Names of servers that go: few, so that they are claimed twice and called often.
pub const LOOSE: [&str; 4] = ["LOOSE 0", "LOOSE 1", "LOOSE 2", "日本"];

/// A name that somebody may serve.
pub fn any_name(scene: &Scene, random: &mut StdRng) -> String {
    let kept = if random.random() { scene.kept(random) } else { None };
    kept.unwrap_or_else(|| loose(random))
}

fn loose(random: &mut StdRng) -> String {
    LOOSE[random.random_range(0..LOOSE.len())].to_owned()
}

/// Serves for a while, takes nobody new then, and holds the name until its clients have everything: a stream comes back under it.
pub async fn keep(scene: Scene, mut random: StdRng) {
    let Ok(peer) = scene.dial(&mut random).grace(KEPT_GRACE).await else { return };
    let name = format!("KEPT {}", random.random::<u64>());
    // Its connection may be gone for too long.
    if let Ok(mut listener) = peer.server().listen(&name).await {
        scene.tally.claims.add(1);
        scene.all_kept().push(name.clone());
        let mut clients = JoinSet::new();
        let _ = timeout(pause(&mut random, 500..6000), scene.over.run_until_cancelled(take(&mut listener, &mut clients, &scene))).await;
        scene.all_kept().retain(|kept| *kept != name);
        // Not paused, for who comes back would have to wait as well.
        while !clients.is_empty() {
            tokio::select! {
                _ = clients.join_next() => {}
                late = listener.try_next() => match late {
                    Ok(Some(late)) => late.refuse(Code::Busy, "it is about to end"),
                    _ => break,
                },
            }
        }
        while clients.join_next().await.is_some() {}
        // One whose connection was cut when the last word was on its way comes back to hear it, under a clear sky if not before. One that heard it, and was cut
        // when it said so, does not come.
        tokio::select! {
            () = listener.settled() => {}
            () = scene.cleared() => {}
        }
        // It is free then, or lost before.
        let _ = listener.end().await;
    }
    leave(peer).await;
}

async fn take(listener: &mut Listener, clients: &mut JoinSet<()>, scene: &Scene) {
    while let Ok(Some(connection)) = listener.try_next().await {
        clients.spawn(attend(connection, true, scene.clone()));
    }
}

/// Serves one client; one that stays must get and say everything where the server stays, too, unless it was told that it has no stream.
async fn attend(connection: Connection, stays: bool, scene: Scene) {
    let Some(errand) = connection.meta::<Errand>() else { panic!("a client without an errand") };
    let mut stream = connection.accept();
    let (relies, id) = (stays && errand.stays, stream.id().to_owned());
    assert!(!relies || stream.is_resumable());
    let ended = tokio::select! {
        ended = exchange(&mut stream, errand.down(), errand.up(), scene.tally) => ended,
        // Dropped, it would wait for its client to take what was finished.
        () = scene.unanswered(&errand) => return stream.reset(Code::Cancelled),
    };
    assert!(!relies || ended.is_ok(), "{id} of one who stays ended {ended:?} at the server: {errand:?}");
}

/// Serves until it has had enough, and goes in one of several ways, whatever its clients think of it.
pub async fn serve(scene: Scene, mut random: StdRng) {
    let Ok(peer) = scene.dial(&mut random).reconnect(random.random()).await else { return };
    let (leased, stands_by) = (random.random(), random.random_bool(0.3));
    let mut listen = peer.server().listen(loose(&mut random)).lease(leased).clients_max(random.random_range(1..20));
    if stands_by {
        listen = listen.standby();
    }
    let patience = pause(&mut random, 200..3000);
    let claimed = timeout(patience, scene.over.run_until_cancelled(listen.into_future())).await;
    let Ok(Some(Ok(mut listener))) = claimed else { return peer.close().await };
    scene.tally.claims.add(1);
    let serving = async {
        while let Ok(Some(connection)) = listener.try_next().await {
            if random.random_bool(0.1) {
                connection.refuse(RefusalCode::Application(300), "not you");
            } else {
                tokio::spawn(attend(connection, false, scene.clone()));
            }
            if random.random_bool(0.1) {
                listener.pause();
                tokio::time::sleep(pause(&mut random, 1..100)).await;
                listener.resume();
            }
        }
    };
    let _ = timeout(patience, scene.over.run_until_cancelled(serving)).await;
    match random.random_range(0..4) {
        0 => {
            // It is free then, or lost before.
            let _ = listener.end().await;
            // Clients that vanished may come back for longer than it likes to wait.
            let _ = timeout(pause(&mut random, 1..10_000), peer.settled()).await;
            peer.close().await;
        }
        1 => drop(listener),
        2 => peer.close().await,
        _ => {}
    }
}

/// Calls one server or several, all of those that stay or of the others, one after the other or at once, and stays until all is through.
pub async fn call(scene: Scene, mut random: StdRng) {
    let is_kept = random.random_bool(0.8);
    let dial = scene.dial(&mut random);
    let Ok(peer) = (if is_kept { dial.grace(KEPT_GRACE) } else { dial }).await else { return };
    let mut calls = JoinSet::new();
    for _ in 0..random.random_range(1..6) {
        if scene.over.is_cancelled() {
            break;
        }
        let errand = Errand::random(&mut random, true);
        let name = if is_kept { scene.kept(&mut random) } else { Some(loose(&mut random)) };
        let Some(name) = name else { break };
        let connect = peer.client().connect(name).meta(&errand).wait(pause(&mut random, 0..500));
        let scene = scene.clone();
        calls.spawn(async move {
            // Nobody is there, or nobody who has time, or a connection broke before there was an answer.
            let Ok(mut stream) = connect.await else { return scene.is_unanswered(&errand) };
            let tally = scene.tally;
            let id = stream.id().to_owned();
            let ended = exchange(&mut stream, errand.up(), errand.down(), tally).await;
            assert!(!is_kept || ended.is_ok(), "{id} of a server that stays ended {ended:?} at the client: {errand:?}");
            if ended.is_ok() { &tally.whole } else { &tally.broken }.add(1);
        });
        if random.random() {
            calls.join_next().await;
        }
    }
    while calls.join_next().await.is_some() {}
    leave(peer).await;
}

/// Calls a server that may go, and loses interest.
pub async fn fumble(scene: Scene, mut random: StdRng) {
    let Ok(peer) = scene.dial(&mut random).reconnect(random.random()).await else { return };
    for _ in 0..random.random_range(1..8) {
        let (name, errand) = (loose(&mut random), Errand::random(&mut random, false));
        let connect = peer.client().connect(name).meta(&errand).wait(pause(&mut random, 0..500)).resume(random.random());
        let patience = pause(&mut random, 1..300);
        // Given up before there is an answer, some of them.
        let Ok(Ok(mut stream)) = timeout(patience, connect.into_future()).await else { continue };
        let ended = match random.random_range(0..3) {
            0 => reset_or_drop(stream, &mut random),
            _ => timeout(patience, exchange(&mut stream, errand.up(), errand.down(), scene.tally)).await.is_ok_and(|ended| ended.is_ok()),
        };
        if ended { &scene.tally.whole } else { &scene.tally.broken }.add(1);
        if scene.rest(Duration::ZERO).await {
            break;
        }
    }
    if random.random() {
        peer.close().await;
    }
}

fn reset_or_drop(mut stream: Stream, random: &mut StdRng) -> bool {
    if random.random() {
        stream.reset(300_u32);
    }
    false
}
