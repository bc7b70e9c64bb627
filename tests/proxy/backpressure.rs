//! A slow reader slows its writer, and nobody else.

use std::time::Duration;

use harness::{Proxy, pattern, until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MIB: usize = 1024 * 1024;

#[tokio::test(start_paused = true)]
async fn threat_06_a_slow_reader_stops_its_writer_within_the_windows_and_loses_nothing() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    let (mut slow, (_, mut writer)) = tokio::join!(async { client.connect("NAME").await.unwrap() }, owner.accept());
    let (mut quick, (_, mut echo)) = tokio::join!(async { client.connect("NAME").await.unwrap() }, owner.accept());
    let sent = pattern(7, 16 * MIB);
    let (expected, written) = (sent.clone(), std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let count = written.clone();
    let writing = tokio::spawn(async move {
        for chunk in sent.chunks(16 * 1024) {
            writer.write_chunk(bytes::Bytes::copy_from_slice(chunk)).await.unwrap();
            count.fetch_add(chunk.len(), std::sync::atomic::Ordering::Relaxed);
        }
        writer.finish();
    });
    // Time stands still until everybody waits: then the writer has written all that it can.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let stopped = written.load(std::sync::atomic::Ordering::Relaxed);
    assert!(stopped < MIB, "the writer got {stopped} bytes ahead of a reader that reads nothing");
    let held: usize = proxy.sessions.list().iter().map(|session| session.queued()).sum();
    assert!(held <= 256 * 1024 + 16 * 1024, "the proxy holds {held} bytes");
    for round in 0..10u8 {
        quick.write_all(&[round; 100]).await.unwrap();
        let mut there = [0; 100];
        within(echo.read_exact(&mut there)).await.unwrap();
        echo.write_all(&there).await.unwrap();
        within(quick.read_exact(&mut there)).await.unwrap();
        assert_eq!(there, [round; 100]);
    }
    let mut read = Vec::new();
    within(slow.read_to_end(&mut read)).await.unwrap();
    assert!(read == expected, "every byte arrives when reading goes on");
    writing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn early_bytes_wait_within_the_first_window_and_arrive_in_order() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let mut stream = client.begin("/browser-server/connect/NAME", serde_json::json!({ "wait": 15000 }));
    let sent = pattern(8, 2 * MIB);
    let (expected, client_writes) = (sent.clone(), async move {
        stream.write_all(&sent).await.unwrap();
        stream.finish();
        stream
    });
    let writing = tokio::spawn(client_writes);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!writing.is_finished(), "no credit comes before the splice");
    let _control = owner.claim("NAME").await.unwrap();
    let (_, mut at_server) = owner.accept().await;
    let mut read = Vec::new();
    within(at_server.read_to_end(&mut read)).await.unwrap();
    assert!(read == expected);
    writing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hundred_streams_over_a_tiny_connection_all_arrive() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer_with(8), proxy.peer_with(13));
    let _control = owner.claim("NAME").await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for seed in 0..100u64 {
        let (mut near, (_, mut far)) = tokio::join!(async { client.connect("NAME").await.unwrap() }, owner.accept());
        tasks.spawn(async move {
            near.write_all(&pattern(seed, 3000)).await.unwrap();
            near.finish();
            let mut back = Vec::new();
            near.read_to_end(&mut back).await.unwrap();
            assert!(back == pattern(seed, 3000));
        });
        tasks.spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            far.write_all(&all).await.unwrap();
            far.finish();
        });
    }
    within(async {
        while let Some(done) = tasks.join_next().await {
            done.unwrap()
        }
    })
    .await;
    until(|| proxy.sessions.list().iter().map(|session| session.streams()).sum::<usize>() == 1).await;
}
