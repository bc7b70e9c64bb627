//! Who comes to a cluster's port and does not belong there.

use std::{io, time::Duration};

use harness::within;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

use super::{Secret, Town, secret, until};
use crate::{
    cluster::{
        LinkError, NodeId, SecretError,
        link::{STRANGERS_MAX, proof, tls::Tls},
    },
    limits::Limits,
};

const BINDING: [u8; 32] = [7; 32];

fn other_secret() -> Secret {
    Secret::new(b"a secret of another cluster, as long as that").expect("long enough")
}

/// Both sides of a proof, over two bindings that are the same where nobody is in between.
async fn prove(
    dialer: (Secret, [u8; 32], Uuid, Uuid),
    dialed: (Secret, [u8; 32], Uuid),
) -> (Result<(), LinkError>, Result<Uuid, LinkError>) {
    let (mut near, mut far) = duplex(1024);
    let dialing = async move { proof::dial(&mut near, &dialer.0, &dialer.1, dialer.2, dialer.3).await };
    let answering = async move { proof::answer(&mut far, &dialed.0, &dialed.1, dialed.2).await };
    tokio::join!(dialing, answering)
}

#[tokio::test]
async fn two_nodes_with_one_secret_know_one_another() {
    let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
    let (dialer, dialed) = prove((secret(), BINDING, a, b), (secret(), BINDING, b)).await;
    assert!(dialer.is_ok() && dialed.is_ok_and(|id| id == a));
}

#[tokio::test]
async fn another_secret_another_connection_another_node_and_oneself_are_each_told_from_one_another() {
    let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
    let (dialer, dialed) = prove((other_secret(), BINDING, a, b), (secret(), BINDING, b)).await;
    assert!(matches!((dialer, dialed), (Err(LinkError::HungUp), Err(LinkError::Secret))), "it is shown nothing");
    // Whoever is in between has two connections.
    let (dialer, dialed) = prove((secret(), [8; 32], a, b), (secret(), BINDING, b)).await;
    assert!(matches!((dialer, dialed), (Err(LinkError::HungUp), Err(LinkError::Secret))));
    let (dialer, dialed) = prove((secret(), BINDING, a, Uuid::new_v4()), (secret(), BINDING, b)).await;
    assert!(matches!(dialer, Err(LinkError::Other { found, .. }) if found == b));
    assert!(matches!(dialed, Err(LinkError::Other { found, .. }) if found == b));
    let (_, dialed) = prove((secret(), BINDING, a, a), (secret(), BINDING, a)).await;
    assert!(matches!(dialed, Err(LinkError::Itself)));
}

#[tokio::test]
async fn a_dialer_believes_nobody_who_sends_its_own_proof_back() {
    let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
    let (mut near, mut far): (DuplexStream, DuplexStream) = duplex(1024);
    let mirror = async move {
        let mut said = [0; 64];
        far.read_exact(&mut said).await.unwrap();
        // The id that is meant, and the proof.
        far.write_all(&said[16..]).await.unwrap();
        far
    };
    let secret = secret();
    let (dialed, _far) = tokio::join!(proof::dial(&mut near, &secret, &BINDING, a, b), mirror);
    assert!(matches!(dialed, Err(LinkError::Secret)));
}

/// What a node says first that dials over a connection with that binding; nobody answers it.
async fn recorded(binding: &[u8; 32], me: Uuid, meant: Uuid) -> [u8; 64] {
    let (secret, (mut near, mut far)) = (secret(), duplex(1024));
    let recording = async {
        let mut said = [0; 64];
        far.read_exact(&mut said).await.unwrap();
        drop(far);
        said
    };
    let (dialed, said) = tokio::join!(proof::dial(&mut near, &secret, binding, me, meant), recording);
    assert!(matches!(dialed, Err(LinkError::HungUp)));
    said
}

#[tokio::test]
async fn every_bit_of_a_proof_counts_and_a_part_of_it_is_none() {
    let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
    let said = recorded(&BINDING, a, b).await;
    let answer = async |said: &[u8]| {
        let (mut near, mut far) = duplex(1024);
        near.write_all(said).await.unwrap();
        drop(near);
        proof::answer(&mut far, &secret(), &BINDING, b).await
    };
    for bit in 0..512 {
        let mut changed = said;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(answer(&changed).await, Err(LinkError::Secret)), "bit {bit}");
    }
    for length in 0..64 {
        let cut = answer(&said[..length]).await;
        assert!(matches!(cut, Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof), "{length} bytes");
    }
}

#[test]
fn a_secret_that_could_be_guessed_is_none_and_none_is_shown() {
    assert!(matches!(Secret::new(b"short"), Err(SecretError::Short)));
    assert!(matches!(Secret::new(&[b' '; 64]), Err(SecretError::Short)), "white space does not count");
    assert_eq!(format!("{:?}", secret()), "Secret(…)");
}

/// What a node says that was dialed with this, over TLS.
async fn dials(secret: &Secret, there: &Town, meant: Uuid) -> Result<(), LinkError> {
    let (mut stream, binding) = Tls::new()?.connect(TcpStream::connect(there.port).await?).await?;
    proof::dial(&mut stream, secret, &binding, Uuid::new_v4(), meant).await
}

#[tokio::test]
async fn threat_35_who_does_not_have_the_secret_has_no_session_and_is_counted() {
    let there = Town::new().await;
    let refused = dials(&other_secret(), &there, there.id.process).await;
    assert!(matches!(refused, Err(LinkError::HungUp)), "{refused:?}");
    let refused = dials(&secret(), &there, Uuid::new_v4()).await;
    assert!(matches!(refused, Err(LinkError::Other { .. })), "{refused:?}");
    // What is no TLS, and TLS of another protocol.
    let mut plain = TcpStream::connect(there.port).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _ = within(plain.read_to_end(&mut Vec::new())).await;
    // One that goes in the middle.
    drop(TcpStream::connect(there.port).await.unwrap());
    until("all are counted", || there.refused("cluster_handshake") == 4).await;
    assert_eq!(there.sessions.len(), 0);
}

#[tokio::test]
async fn threat_35_what_was_recorded_of_one_connection_is_worth_nothing_on_another() {
    let there = Town::new().await;
    let (me, tls) = (Uuid::new_v4(), Tls::new().unwrap());
    let (_first, binding) = tls.connect(TcpStream::connect(there.port).await.unwrap()).await.unwrap();
    let said = recorded(&binding, me, there.id.process).await;
    let (mut second, _) = tls.connect(TcpStream::connect(there.port).await.unwrap()).await.unwrap();
    second.write_all(&said).await.unwrap();
    let mut heard = Vec::new();
    let _ = within(second.read_to_end(&mut heard)).await;
    assert!(heard.is_empty(), "it is told nothing");
    assert_eq!(there.sessions.len(), 0);
}

#[tokio::test]
async fn a_node_where_another_answers_is_not_reached() {
    let (here, there) = tokio::join!(Town::new(), Town::new());
    let gone = NodeId { process: Uuid::new_v4(), life: 0 };
    assert!(here.links.to(gone, &there.address).await.is_err());
    assert!(here.links.to(here.id, &here.address).await.is_err(), "nor is it itself");
    let other = Town::with(Limits::default(), other_secret()).await;
    assert!(other.to(&there).await.is_err());
    assert_eq!((here.nodes(), there.nodes(), other.nodes()), (0, 0, 0));
}

#[tokio::test]
async fn a_node_that_takes_connections_and_says_nothing_is_given_up() {
    let here = Town::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let begun = std::time::Instant::now();
    assert!(here.links.to(NodeId { process: Uuid::new_v4(), life: 0 }, &address).await.is_err());
    assert!(begun.elapsed() < super::super::DIAL_MAX + Duration::from_secs(5));
}

#[tokio::test]
async fn threat_35_a_crowd_of_strangers_holds_so_many_sockets_and_no_node_waits_for_them() {
    let (here, there) = tokio::join!(Town::new(), Town::new());
    let mut crowd = Vec::new();
    for _ in 0..3 * STRANGERS_MAX {
        crowd.push(TcpStream::connect(there.port).await.unwrap());
    }
    assert!(here.to(&there).await.is_ok(), "a node comes in beside them");
    // Each of the others was let go.
    until("all but so many are gone", || there.refused("cluster_handshake") >= 2 * STRANGERS_MAX as u64).await;
    let (mut open, mut byte) = (0, [0; 1]);
    for stranger in &crowd {
        open += usize::from(matches!(stranger.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock));
    }
    assert!(open <= STRANGERS_MAX, "{open} are held");
}
