//! What the programs in mux-demux's README do, over this library.

use browser_stream_client::{Stream, StreamError};
use futures::StreamExt;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy, split},
    time::{Duration, Instant, interval},
};

use crate::{next, pair, soon, text};

#[tokio::test(start_paused = true)]
async fn times_one_end_writes_the_time_each_second_and_the_other_prints_it() {
    let [(client, _), (_server, mut incoming)] = pair();
    tokio::spawn(async move {
        let mut times = client.create_write_stream(&"times").await.unwrap();
        let (start, mut clock) = (Instant::now(), interval(Duration::from_secs(1)));
        for _ in 0..3 {
            clock.tick().await;
            let line = format!("{} s\n", start.elapsed().as_secs());
            times.write_all(line.as_bytes()).await.unwrap();
        }
        times.finish();
    });
    let (stream, meta) = next(&mut incoming).await;
    assert_eq!(meta, "times");
    let mut lines = BufReader::new(stream).lines();
    for second in 0..3 {
        assert_eq!(soon(lines.next_line()).await.unwrap(), Some(format!("{second} s")));
    }
    assert_eq!(soon(lines.next_line()).await.unwrap(), None);
}

/// Answers each stream by what it is for.
async fn serve(stream: Stream, kind: String) {
    let (mut reader, mut writer) = split(stream);
    match &*kind {
        "echo" => {
            copy(&mut reader, &mut writer).await.unwrap();
            writer.shutdown().await.unwrap();
        }
        "greet" => writer.write_all(b"hello").await.unwrap(),
        kind => return reader.unsplit(writer).error(format!("what is a {kind}?")),
    }
    writer.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_accepting_end_chooses_by_meta_and_an_error_says_what_went_wrong() {
    let [(client, _), (_server, mut incoming)] = pair();
    tokio::spawn(async move {
        while let Some((stream, meta)) = incoming.next().await {
            tokio::spawn(serve(stream, meta.as_str().unwrap_or_default().to_owned()));
        }
    });
    let mut echo = client.create_stream(&"echo").await.unwrap();
    echo.write_all(b"hello there").await.unwrap();
    echo.finish();
    assert_eq!(text(&mut echo).await, "hello there");
    let mut greeting = client.create_read_stream(&"greet").await.unwrap();
    assert_eq!(text(&mut greeting).await, "hello");
    let riddle = client.create_read_stream(&"riddle").await.unwrap();
    assert!(matches!(soon(riddle.stopped()).await, StreamError::Reset(_)));
    assert_eq!(riddle.message().as_deref(), Some("what is a riddle?"));
    drop((echo, greeting, riddle));
    assert_eq!(soon(client.close()).await, Ok(()));
}
