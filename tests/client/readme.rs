//! The server that README and the crate's documentation show: what it is sent comes back whole, and both directions end clean.

use browser_stream_client::{Listener, StreamClient};
use futures::TryStreamExt;
use harness::{Two, pattern, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn serve(mut listener: Listener) -> anyhow::Result<()> {
    while let Some(connection) = listener.try_next().await? {
        let (mut reader, mut writer) = tokio::io::split(connection.accept());
        tokio::spawn(async move {
            tokio::io::copy(&mut reader, &mut writer).await?;
            writer.shutdown().await // else the drop of the stream resets it
        });
    }
    Ok(())
}

/// The lines of the loop in `text`, without what stands in front of each, and without comments.
fn shown(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_start_matches("//!").trim());
    let lines = lines.skip_while(|line| !line.starts_with("while let Some(connection)")).take_while(|line| !line.starts_with("Ok(()"));
    lines.map(|line| line.split(" //").next().unwrap_or_default()).filter(|line| !line.starts_with("# Ok")).collect()
}

#[test]
fn what_is_tested_here_is_what_is_shown() {
    let here = shown(include_str!("readme.rs"));
    assert!(here.contains("shutdown"), "{here}");
    assert_eq!(shown(include_str!("../../README.md")), here);
    assert_eq!(shown(include_str!("../../proxy/client/src/lib.rs")).split("```").next(), Some(here.as_str()));
}

#[tokio::test(start_paused = true)]
async fn the_server_of_the_readme_sends_all_back_and_ends_clean() {
    let two = Two::new().await;
    let listener = two.server.server().listen("NAME").await.expect("the name is free");
    tokio::spawn(serve(listener));
    for round in 0..60 {
        let said = pattern(round, 100_000);
        assert!(echoed(&two.client.client(), round % 2 == 0, &said).await == said, "round {round}");
    }
}

/// What comes back before the clean end of the stream.
async fn echoed(client: &StreamClient, resume: bool, said: &[u8]) -> Vec<u8> {
    let stream = within(client.connect("NAME").resume(resume).into_future()).await.expect("accepted");
    assert_eq!(stream.is_resumable(), resume);
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut heard = Vec::new();
    let writing = async {
        writer.write_all(said).await.expect("taken");
        writer.shutdown().await.expect("finished");
    };
    let ((), read) = within(async { tokio::join!(writing, reader.read_to_end(&mut heard)) }).await;
    read.expect("a clean end");
    heard
}
