//! What each call does.

use std::{collections::BTreeMap, time::Duration};

use browser_stream_client::{Code, MuxDemux, Role, StreamError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, duplex, split};

use crate::{next, noise, pair, soon, stream, text};

#[tokio::test(start_paused = true)]
async fn both_ends_open_streams_and_meta_arrives_intact() {
    let [(near, mut at_near), (far, mut at_far)] = pair();
    let meta = json!({"a": [1, "ä", null, {"deep": true}], "": -0.5});
    for (mux, incoming) in [(&near, &mut at_far), (&far, &mut at_near)] {
        let (ours, (mut theirs, said)) = tokio::join!(mux.create_stream(&meta), next(incoming));
        let mut ours = ours.unwrap();
        assert_eq!((said, theirs.meta::<Value>(), ours.meta::<Value>()), (meta.clone(), Some(meta.clone()), Some(meta.clone())));
        ours.write_all(b"to the other end").await.unwrap();
        theirs.write_all(b"and back").await.unwrap();
        ours.finish();
        theirs.finish();
        assert_eq!((text(&mut theirs).await, text(&mut ours).await), ("to the other end".into(), "and back".into()));
    }
    assert_eq!(near.create_stream(&Value::Null).await.unwrap().meta::<Value>(), Some(Value::Null));
    assert_eq!(next(&mut at_far).await.1, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_meta_that_is_too_long_or_no_json_is_a_bad_request() {
    let [(near, _), _] = pair();
    let long = "x".repeat(9000);
    let none = BTreeMap::from([(vec![1], 1)]);
    assert!(near.create_stream(&long).await.unwrap_err().is(Code::BadRequest));
    assert!(near.create_stream(&none).await.unwrap_err().is(Code::BadRequest));
}

#[tokio::test(start_paused = true)]
async fn a_read_stream_is_finished_by_its_opener_and_a_write_stream_by_its_acceptor() {
    let [(near, _incoming), (_far, mut at_far)] = pair();
    let (news, (mut reporter, _)) = tokio::join!(near.create_read_stream(&"news"), next(&mut at_far));
    let mut news = news.unwrap();
    assert_eq!(text(&mut reporter).await, "");
    reporter.write_all(b"rain").await.unwrap();
    reporter.finish();
    assert_eq!(text(&mut news).await, "rain");
    assert!(news.write_all(b"x").await.is_err());

    let (times, (mut reader, _)) = tokio::join!(near.create_write_stream(&"times"), next(&mut at_far));
    let mut times = times.unwrap();
    assert!(reader.write_all(b"x").await.is_err());
    times.write_all(b"noon").await.unwrap();
    times.finish();
    // The end of it is clean, although nobody ever reads it here.
    drop(times);
    assert_eq!(text(&mut reader).await, "noon");
    assert_eq!(near.close().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn streams_interleave_and_a_reader_that_stops_holds_up_its_own_sender_only() {
    let [(near, _incoming), (_far, mut at_far)] = pair();
    let (stopped, mut held) = stream(&near, &mut at_far).await;
    let (bulk, mut read) = stream(&near, &mut at_far).await;
    let sent = noise(2 << 20, 7);
    let writers = [stopped, bulk].map(|mut stream| {
        let sent = sent.clone();
        tokio::spawn(async move {
            stream.write_all(&sent).await.unwrap();
            stream.finish();
            // Whoever reads it does so in peace.
            stream.read_u8().await.unwrap_err();
        })
    });
    let mut got = Vec::new();
    soon(read.read_to_end(&mut got)).await.unwrap();
    assert!(got == sent);
    assert!(!writers[0].is_finished());
    drop(read);
    // It goes on where it stopped.
    let mut late = Vec::new();
    soon(held.read_to_end(&mut late)).await.unwrap();
    assert!(late == sent);
    drop(held);
    for writer in writers {
        soon(writer).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_mux_whose_reader_stops_takes_no_more_than_windows_and_goes_on_an_hour_later() {
    let [(near, _incoming), (far, mut at_far)] = pair();
    let (mut stream, mut read) = stream(&near, &mut at_far).await;
    let writing = tokio::spawn(async move {
        stream.write_all(&noise(1 << 20, 1)).await.unwrap();
        stream.finish();
        stream
    });
    // Nobody reads, and nobody is dead.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(!writing.is_finished());
    let mut got = Vec::new();
    soon(read.read_to_end(&mut got)).await.unwrap();
    assert!(got == noise(1 << 20, 1));
    drop((read, writing.await.unwrap()));
    let (near, far) = tokio::join!(near.close(), far.closed());
    assert_eq!((near, far), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn a_pipe_that_stands_still_for_an_hour_is_not_taken_for_dead() {
    let (near, mut cable) = duplex(64);
    let (far, mut other) = duplex(64);
    let (near, _at_near) = MuxDemux::over(near, Role::Client);
    let (_far, mut at_far) = MuxDemux::over(far, Role::Server);
    let opening = tokio::spawn({
        let near = near.clone();
        async move { near.create_stream(&"late").await }
    });
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(!opening.is_finished());
    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut cable, &mut other).await });
    let (_stream, meta) = next(&mut at_far).await;
    assert_eq!(meta, "late");
    soon(opening).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn half_open_is_allowed_unless_a_stream_is_told_otherwise() {
    let [(near, _incoming), (_far, mut at_far)] = pair();
    for by_chunk in [false, true] {
        let (mut ours, mut theirs) = stream(&near, &mut at_far).await;
        ours.finish();
        assert_eq!(text(&mut theirs).await, "");
        theirs.write_all(b"the last ").await.unwrap();
        theirs.allow_half_open(false);
        theirs.write_all(b"word").await.unwrap();
        if by_chunk {
            assert_eq!(theirs.read_chunk().await, Ok(None));
        } else {
            assert_eq!(theirs.read(&mut [0; 8]).await.unwrap(), 0);
        }
        assert_eq!(text(&mut ours).await, "the last word");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_reaches_the_other_end_with_its_message_behind_what_had_come() {
    let [(near, _at_near), (far, mut at_far)] = pair();
    let (mut ours, mut theirs) = stream(&near, &mut at_far).await;
    ours.write_all(b"before").await.unwrap();
    // It is there: the echo of a stream that was opened behind it says so.
    stream(&near, &mut at_far).await;
    ours.error_with(4001u32, "the disk is full");
    assert_eq!(soon(ours.read_chunk()).await, Err(StreamError::Reset(4001)));
    assert_eq!(soon(theirs.stopped()).await, StreamError::Reset(4001));
    let mut before = [0; 6];
    theirs.read_exact(&mut before).await.unwrap();
    assert_eq!(&before, b"before");
    let error = theirs.read_u8().await.unwrap_err();
    assert_eq!(error.get_ref().and_then(|inner| inner.downcast_ref()), Some(&StreamError::Reset(4001)));
    assert_eq!((theirs.message().as_deref(), ours.message()), (Some("the disk is full"), None));

    // From the accepting end as well, without a code, and what is too long is cut between two characters.
    let (ours, mut theirs) = stream(&near, &mut at_far).await;
    theirs.error("é".repeat(1000));
    drop(theirs);
    assert_eq!(soon(ours.stopped()).await, StreamError::Reset(Code::Internal.number()));
    assert_eq!(ours.message(), Some("é".repeat(512)));

    // The mux goes on, and nothing of those streams is left.
    let (mut echo, theirs) = stream(&near, &mut at_far).await;
    let (mut reader, mut writer) = split(theirs);
    let echoing = tokio::spawn(async move { copy(&mut reader, &mut writer).await.map(|_| reader.unsplit(writer)) });
    echo.write_all(b"still here").await.unwrap();
    echo.finish();
    let mut finishing = soon(echoing).await.unwrap().unwrap();
    finishing.finish();
    assert_eq!(text(&mut echo).await, "still here");
    drop((echo, finishing));
    let (near, far) = tokio::join!(soon(near.close()), soon(far.closed()));
    assert_eq!((near, far), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_takes_streams_the_opener_is_told_not_found() {
    let [(near, mut at_near), (far, at_far)] = pair();
    drop(at_far);
    let error = near.create_stream(&1).await.unwrap_err();
    assert!(error.is(Code::NotFound) && error.message.contains("nobody takes streams"), "{error}");
    // That end may open streams all the same.
    stream(&far, &mut at_near).await;
}
