//! Many streams, and readers that do not read.

use browser_stream_client::{Code, ConnectError};
use futures::{FutureExt, TryStreamExt, future::try_join_all};
use harness::{Cable, Two, pattern, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::connect::{next, pair};

#[tokio::test(start_paused = true)]
async fn a_hundred_streams_at_once_keep_their_bytes_apart() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let echo = tokio::spawn(async move {
        while let Some(connection) = listener.try_next().await.expect("the name is held") {
            tokio::spawn(async move {
                let (mut reader, mut writer) = tokio::io::split(connection.accept());
                tokio::io::copy(&mut reader, &mut writer).await?;
                writer.shutdown().await
            });
        }
    });
    let client = two.client.client();
    let talks = (0..100).map(|seed| {
        let connecting = client.connect("NAME").into_future();
        async move {
            let stream = connecting.await?;
            let sent = pattern(seed, 100_000);
            let (mut reader, mut writer) = tokio::io::split(stream);
            let mut got = Vec::new();
            let writing = async {
                writer.write_all(&sent).await.expect("taken");
                writer.shutdown().await.expect("finished");
            };
            let (_, read) = tokio::join!(writing, reader.read_to_end(&mut got));
            read.expect("a clean end");
            assert!(got == sent, "stream {seed}");
            Ok::<_, ConnectError>(())
        }
    });
    within(try_join_all(talks)).await.expect("all were accepted");
    echo.abort();
}

#[tokio::test(start_paused = true)]
async fn threat_06_a_reader_that_stops_stops_exactly_its_writer() {
    const MIB: usize = 1024 * 1024;
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut slow, mut unread) = pair(&two.client, &mut listener).await;
    let (mut quick, mut read) = pair(&two.client, &mut listener).await;
    let mut written = 0;
    // A minute of the paused clock, in which nothing else happens: it waits.
    while let Ok(result) = tokio::time::timeout(std::time::Duration::from_secs(30), slow.write_chunk(vec![0; 16 * 1024].into())).await {
        result.expect("the stream lives");
        written += 16 * 1024;
    }
    assert!(written <= MIB, "{written} bytes were taken: a window, and what may wait here");
    let sent = pattern(1, 2 * MIB);
    let mut got = vec![0; sent.len()];
    let (wrote, read) = within(async { tokio::join!(quick.write_all(&sent), read.read_exact(&mut got)) }).await;
    assert!(wrote.is_ok() && read.is_ok() && got == sent, "the other stream of the same sessions goes on");
    assert!(slow.write_chunk("x".into()).now_or_never().is_none(), "and this one still waits");
    within(unread.read_exact(&mut vec![0; written])).await.expect("all that was taken is there");
    within(slow.write_chunk("x".into())).await.expect("and now it goes on");
}

#[tokio::test(start_paused = true)]
async fn the_client_one_too_many_is_busy() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").clients_max(1).await.expect("the name is free");
    let first = pair(&two.client, &mut listener).await;
    let refused = || async { within(two.client.client().connect("NAME").into_future()).await.expect_err("no room").code() };
    assert_eq!(refused().await, Code::Busy.into());
    listener.set_clients_max(2);
    // The paused clock goes on when nobody has anything left to do: the note has arrived then.
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    let (second, _theirs) = pair(&two.client, &mut listener).await;
    assert_eq!(refused().await, Code::Busy.into());
    drop((first, second));
}

#[tokio::test(start_paused = true)]
async fn a_server_may_have_more_clients_than_a_peer_may_open_streams() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let mut streams = Vec::new();
    let others = [Cable::to(&two.proxy), Cable::to(&two.proxy)];
    for cable in &others {
        let peer = cable.peer().await;
        for _ in 0..600 {
            let (mine, theirs) = tokio::join!(peer.client().connect("NAME").into_future(), async { next(&mut listener).await.accept() });
            streams.push((mine.expect("accepted"), theirs));
        }
    }
    assert_eq!(streams.len(), 1200);
}
