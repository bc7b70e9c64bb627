//! A rolling restart: node after node goes down, and what is under way goes on at the others.

use browser_stream_client::{Peer, Stream};
use harness::{pattern, within};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Cluster, next};

/// Bytes each way.
fn length() -> usize {
    if std::env::var_os("LONG").is_some() { 100 << 20 } else { 24 << 20 }
}

/// Says so much, slowly enough that it is under way while nodes go, and hashes what the other says.
async fn talk(stream: Stream, seed: u64) -> (Vec<u8>, u64) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let writing = async {
        for chunk in pattern(seed, length()).chunks(length() / 60) {
            writer.write_all(chunk).await.expect("taken");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        writer.shutdown().await.expect("finished");
    };
    let reading = async {
        let (mut hash, mut chunk) = (Sha256::new(), vec![0; 64 * 1024]);
        loop {
            match reader.read(&mut chunk).await.expect("it goes on") {
                0 => break hash.finalize().to_vec(),
                length => hash.update(&chunk[..length]),
            }
        }
    };
    let hash = tokio::join!(writing, reading).1;
    (hash, reader.unsplit(writer).moves())
}

async fn while_nodes_go(go: impl AsyncFn(&mut Cluster, usize)) {
    let mut cluster = Cluster::start(3).await;
    let [server, client, _]: [Peer; 3] = cluster.peers().await;
    let mut listener = server.server().listen("NAME").await.expect("the name is free");
    let connecting = client.client().connect("NAME").into_future();
    let (mine, theirs) = tokio::join!(within(connecting), async { next(&mut listener).await.accept() });
    let talking = [tokio::spawn(talk(mine.expect("accepted"), 1)), tokio::spawn(talk(theirs, 2))];
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    // First the server's node, then the client's: both go on at the third.
    for at in [0, 1] {
        cluster.nodes[at].front.aim(cluster.nodes[2].address);
        go(&mut cluster, at).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let [mine, theirs] =
        talking.map(|talk| async { tokio::time::timeout(super::super::PATIENCE * 3, talk).await.expect("it ends").expect("no panic") });
    let (mine, theirs) = tokio::join!(mine, theirs);
    assert!(mine.0 == Sha256::digest(pattern(2, length())).to_vec() && theirs.0 == Sha256::digest(pattern(1, length())).to_vec());
    assert!(mine.1 >= 1 && theirs.1 >= 1, "each end moved: {} and {}", mine.1, theirs.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resumable_streams_go_on_at_the_third_node_when_two_are_told_to_go() {
    while_nodes_go(async |cluster, at| {
        cluster.nodes[at].terminate();
        cluster.nodes[at].ended().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_30_resumable_streams_go_on_at_the_third_node_when_two_are_killed() {
    while_nodes_go(async |cluster, at| cluster.nodes[at].kill()).await;
}
