//! One owner for each name, whatever happens: what clients saw is written down, and judged by a program that knows nothing of clusters.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use browser_stream_client::Peer;
use browser_stream_server::Code;
use futures::{TryStreamExt, future::join_all};
use harness::within;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{Cluster, Node};

/// A thousand in the long run.
fn rounds() -> usize {
    if std::env::var_os("LONG").is_some() { 1_000 } else { 100 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_claims_at_three_nodes_at_once_one_has_the_name_in_each_round() {
    let cluster = Cluster::start(3).await;
    let peers: [Peer; 3] = cluster.peers().await;
    for round in 0..rounds() {
        let claims = peers.iter().map(|peer| within(peer.server().listen(format!("round {round}")).into_future()));
        let (won, lost): (Vec<_>, Vec<_>) = join_all(claims).await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "round {round}");
        for refusal in lost.into_iter().filter_map(Result::err) {
            let browser_stream_client::ListenError::Refused(error) = refusal else { panic!("{refusal}") };
            assert!(error.is(Code::NameTaken), "round {round}: {error}");
        }
    }
}

/// A client was served by this server: it began to ask and had its word at these times.
#[derive(Clone, Copy, Debug)]
struct Seen {
    began: Instant,
    ended: Instant,
    server: u8,
}

type History = Arc<Mutex<Vec<Seen>>>;

/// Serves under the name as soon as it may, and says to each client which server that is.
fn serve(peer: Peer, number: u8) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let Ok(mut listener) = peer.server().listen("NAME").lease(false).standby().await else {
                sleep(Duration::from_millis(200)).await;
                continue;
            };
            while let Ok(Some(connection)) = listener.try_next().await {
                let mut stream = connection.accept();
                let _ = stream.write_chunk(vec![number].into()).await;
                stream.finish();
            }
        }
    })
}

/// Asks for the name again and again, and writes down who answered.
fn ask(peer: Peer, history: History) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let began = Instant::now();
            let asked = async {
                let mut stream = peer.client().connect("NAME").resume(false).wait(Duration::ZERO).await.ok()?;
                stream.read_chunk().await.ok()?
            };
            if let Ok(Some(word)) = timeout(Duration::from_secs(40), asked).await {
                history.lock().expect("no panic").push(Seen { began, ended: Instant::now(), server: word[0] });
            }
            sleep(Duration::from_millis(10)).await;
        }
    })
}

/// Somebody who asked the former owner and had an answer, after somebody had one of the next.
fn judge(history: &[Seen]) -> Option<(Seen, Seen)> {
    let next = history.iter().filter(|seen| seen.server == 2).min_by_key(|seen| seen.ended)?;
    history.iter().find(|seen| seen.server == 1 && seen.began > next.ended).map(|late| (*next, *late))
}

/// The owner's node is gone for the others, in some way, for longer than it takes them to write it off; then it is back.
async fn while_away(goes: impl Fn(&Node), comes: impl Fn(&Node)) {
    let cluster = Cluster::start(3).await;
    let [first, second, _]: [Peer; 3] = cluster.peers().await;
    let owner = serve(first, 1);
    let history = History::default();
    let mut clients = Vec::new();
    for at in 0..3 {
        clients.push(ask(cluster.peer(at).await, history.clone()));
    }
    let count = |server| history.lock().expect("no panic").iter().filter(|seen| seen.server == server).count();
    let reached = async |server, least: usize| {
        let begun = Instant::now();
        while count(server) < least {
            assert!(begun.elapsed() < super::super::PATIENCE, "nobody reaches server {server}");
            sleep(Duration::from_millis(20)).await;
        }
    };
    reached(1, 20).await;
    let next = serve(second, 2);
    sleep(Duration::from_millis(500)).await;
    goes(&cluster.nodes[0]);
    reached(2, 20).await;
    comes(&cluster.nodes[0]);
    // Until it would have served again, if it did.
    sleep(Duration::from_secs(3)).await;
    let before = count(2);
    reached(2, before + 20).await;
    for task in clients.into_iter().chain([owner, next]) {
        task.abort();
    }
    let history = history.lock().expect("no panic");
    assert_eq!(judge(&history).map(|both| format!("{both:?}")), None, "of {} answers", history.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_whose_node_is_cut_off_from_nats_is_never_reached_beside_the_next() {
    while_away(|node| node.cut_off(), |node| node.let_through()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_whose_node_stands_still_is_never_reached_beside_the_next() {
    while_away(|node| node.signal(rustix::process::Signal::STOP), |node| node.signal(rustix::process::Signal::CONT)).await;
}
