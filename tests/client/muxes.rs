//! A mux over one stream between a client and its server: each end opens streams to the other.

use browser_stream_client::{Code, MuxDemux, Role, StreamError};
use futures::StreamExt;
use harness::{Two, pattern, within};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};

use crate::connect::{pair, resumable};

#[tokio::test(start_paused = true)]
async fn cuts_below_a_mux_do_not_disturb_its_streams() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mine, theirs) = resumable(&two.client, &mut listener).await;
    let (near, mut at_near) = MuxDemux::over(mine, Role::Client);
    let (far, mut at_far) = MuxDemux::over(theirs, Role::Server);
    let echo = async |incoming: &mut browser_stream_client::Incoming| {
        while let Some((stream, meta)) = incoming.next().await {
            assert_eq!(meta, json!({"echo": true}));
            tokio::spawn(async move {
                let (mut reader, mut writer) = split(stream);
                copy(&mut reader, &mut writer).await.expect("it goes on");
                writer.shutdown().await.expect("it finishes");
            });
        }
    };
    let talk = async |mux: &MuxDemux, seed: u64| {
        let sent = pattern(seed, 2_000_000);
        let (mut reader, mut writer) = split(mux.create_stream(&json!({"echo": true})).await.expect("accepted"));
        let mut got = Vec::new();
        let writing = async {
            for (round, part) in sent.chunks(250_000).enumerate() {
                writer.write_all(part).await.expect("it goes on");
                if seed == 1 {
                    if round % 2 == 0 { two.clients.cut() } else { two.servers.cut() }
                }
            }
            writer.shutdown().await.expect("it finishes");
        };
        let (read, ()) = tokio::join!(reader.read_to_end(&mut got), writing);
        read.expect("it ends clean");
        assert!(got == sent);
    };
    let talks = async {
        tokio::join!(talk(&near, 1), talk(&near, 2), talk(&far, 3));
        assert_eq!(tokio::join!(near.close(), far.closed()), (Ok(()), Ok(())));
    };
    within(async { tokio::join!(talks, echo(&mut at_near), echo(&mut at_far)) }).await;
}

#[tokio::test(start_paused = true)]
async fn a_plain_stream_carries_a_mux_too_and_takes_it_along_when_it_is_lost() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mine, theirs) = pair(&two.client, &mut listener).await;
    let (near, _at_near) = MuxDemux::over(mine, Role::Client);
    let (far, mut at_far) = MuxDemux::over(theirs, Role::Server);
    let (ours, taken) = tokio::join!(near.create_stream(&1), within(at_far.next()));
    let (mut ours, (mut theirs, _)) = (ours.expect("accepted"), taken.expect("a stream"));
    ours.write_all(b"x").await.expect("taken");
    assert_eq!(within(theirs.read_u8()).await.expect("it came"), b'x');
    two.clients.cut();
    for (stream, mux) in [(&mut ours, &near), (&mut theirs, &far)] {
        assert_eq!(within(stream.read_chunk()).await, Err(StreamError::Lost));
        assert_eq!(within(mux.closed()).await.expect_err("it failed").code(), Code::Lost);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_on_a_resumable_stream_has_its_message() {
    let two = Two::new().await;
    let mut listener = two.server.server().listen("NAME").await.expect("the name is free");
    let (mut mine, theirs) = resumable(&two.client, &mut listener).await;
    two.servers.cut();
    mine.error("no more room");
    assert_eq!(within(theirs.stopped()).await, StreamError::Reset(Code::Internal.number()));
    assert_eq!((theirs.message().as_deref(), mine.message()), (Some("no more room"), None));
    // Over a plain one the code arrives alone.
    let (mine, mut theirs) = pair(&two.client, &mut listener).await;
    theirs.error_with(507_u32, "no more room");
    assert_eq!((within(mine.stopped()).await, mine.message()), (StreamError::Reset(507), None));
}
