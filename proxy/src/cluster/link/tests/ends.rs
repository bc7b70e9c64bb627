//! How streams between nodes end, and links.

use std::time::Duration;

use browser_stream_mux::{Code, Config, Role, StreamError};
use harness::{reply, within};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{Town, two, until};
use crate::cluster::{
    NodeId,
    link::{proof, tls::Tls},
};

/// What the next read says, of a stream whose bytes are read.
async fn end(stream: &mut browser_stream_mux::Stream) -> StreamError {
    within(async {
        loop {
            match stream.read_chunk().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it was finished"),
                Err(error) => return error,
            }
        }
    })
    .await
}

#[tokio::test]
async fn codes_of_applications_go_over_a_link_both_ways() {
    let (here, _there, mut server, _control) = two().await;
    let client = here.peer();
    let (near, (_, mut far)) = tokio::join!(client.connect("NAME"), server.accept());
    near.unwrap().reset(4001_u32);
    assert_eq!(end(&mut far).await, StreamError::Reset(4001));
    let (near, (_, mut far)) = tokio::join!(client.connect("NAME"), server.accept());
    far.reset(4002_u32);
    assert_eq!(end(&mut near.unwrap()).await, StreamError::Reset(4002));
}

#[tokio::test]
async fn a_refusal_is_told_as_the_server_said_it() {
    let (here, _there, mut server, _control) = two().await;
    let client = here.peer();
    let mut near = client.begin("/browser-server/connect/NAME", json!({}));
    let (_, mut far) = server.next().await;
    far.write_frame(br#"{"error":{"code":4711,"message":"not you"}}"#);
    far.finish();
    assert_eq!(reply(&mut near).await.unwrap_err(), "4711");
}

#[tokio::test]
async fn a_client_hears_that_its_server_is_lost_behind_all_that_it_said_and_knows_it_from_a_reset() {
    let (here, _there, mut server, _control) = two().await;
    let client = here.peer();
    let (near, (_, mut far)) = tokio::join!(client.connect("NAME"), server.accept());
    let mut near = near.unwrap();
    far.write_all(b"the last word").await.unwrap();
    assert_eq!(within(near.read_chunk()).await.unwrap().as_deref(), Some(&b"the last word"[..]));
    server.vanish();
    assert_eq!(end(&mut near).await, StreamError::Lost);
}

#[tokio::test]
async fn no_peer_may_say_that_a_stream_was_lost() {
    let (here, _there, mut server, _control) = two().await;
    let client = here.peer();
    let (near, (_, mut far)) = tokio::join!(client.connect("NAME"), server.accept());
    far.reset(Code::Lost.number());
    assert_eq!(end(&mut near.unwrap()).await, StreamError::Reset(Code::Internal.number()));
}

#[tokio::test]
async fn a_link_that_is_cut_loses_its_streams_at_both_ends_and_the_next_one_goes_over_another() {
    let (here, mut there, mut server, _control) = two().await;
    let shim = there.behind_shim().await;
    here.finds("NAME", &there);
    let client = here.peer();
    let (near, (_, mut far)) = tokio::join!(client.connect("NAME"), server.accept());
    let mut near = near.unwrap();
    let first = here.to(&there).await.unwrap();
    assert!(first.is_node() && there.nodes() == 1);
    // Else it would count as one that failed at once.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    shim.cut();
    assert_eq!(end(&mut near).await, StreamError::Lost);
    assert_eq!(end(&mut far).await, StreamError::Lost);
    until("both know", || here.nodes() == 0 && there.nodes() == 0).await;
    let (near, _far) = tokio::join!(client.connect("NAME"), server.accept());
    near.unwrap();
    assert_ne!(here.to(&there).await.unwrap().id(), first.id());
}

#[tokio::test]
async fn who_asks_for_a_link_at_once_has_the_same_and_who_gives_up_hinders_nobody() {
    let (here, there) = tokio::join!(Town::new(), Town::new());
    let impatient = tokio::time::timeout(Duration::from_micros(1), here.to(&there)).await;
    assert!(impatient.is_err(), "it takes longer than that");
    let asked = futures::future::join_all((0..50).map(|_| here.to(&there))).await;
    let ids: std::collections::HashSet<_> = asked.into_iter().map(|session| session.unwrap().id()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(here.links.at_once(there.id).map(|session| session.id()), ids.into_iter().next());
    // Another life of that process is reached over the same.
    let next = NodeId { life: 1, ..there.id };
    assert!(here.links.at_once(next).is_some());
    assert!(there.links.at_once(here.id).is_none(), "the other way there is none");
}

#[tokio::test]
async fn a_node_that_is_not_there_is_unresponsive_and_not_dialed_again_at_once() {
    let (here, mut there) = tokio::join!(Town::new(), Town::new());
    let shim = there.behind_shim().await;
    shim.refuse(true);
    let asked = futures::future::join_all((0..50).map(|_| here.to(&there))).await;
    assert!(asked.into_iter().all(|asked| asked.unwrap_err().is(Code::Unresponsive)));
    shim.refuse(false);
    within(async {
        while here.to(&there).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_says_whose_a_stream_is_or_is_refused() {
    let (here, there, mut server, _control) = two().await;
    let socket = TcpStream::connect(there.port).await.unwrap();
    let (mut stream, binding) = Tls::new().unwrap().connect(socket).await.unwrap();
    proof::dial(&mut stream, &super::secret(), &binding, here.id.process, there.id.process).await.unwrap();
    let (session, run) = browser_stream_mux::Session::new(stream, Role::Opener, Config::default());
    let running = tokio::spawn(run);
    for lacks in [json!({}), json!({ "id": "x", "peer": { "session": here.id.process } }), json!({ "id": here.id.process, "peer": {} })] {
        let mut open = lacks.clone();
        open["path"] = "/browser-server/connect/NAME".into();
        let mut stream = session.open().unwrap();
        stream.write_frame(open.to_string().as_bytes());
        assert_eq!(reply(&mut stream).await.unwrap_err(), "bad_request", "{lacks}");
    }
    let mut stream = session.open().unwrap();
    let open = json!({
        "path": "/browser-server/connect/NAME", "id": here.id.process, "peer": { "session": there.id.process, "sub": "somebody" },
        // More than a peer's may be.
        "meta": "x".repeat(8 * 1024 - 150)
    });
    stream.write_frame(open.to_string().as_bytes());
    let (told, _far) = server.accept().await;
    assert_eq!((&told["id"], &told["peer"]), (&json!(here.id.process), &json!({ "session": there.id.process, "sub": "somebody" })));
    running.abort();
}
