//! How a session finds out that its peer is gone.

use std::time::Duration;

use browser_stream_mux::{Config, Dead, End, Role, Session, SessionError};
use tokio::time::timeout;

use crate::pair::session;

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_dead_after_its_time() {
    let (_wire, io) = tokio::io::duplex(64);
    let (session, driver) = session(io, Role::Opener);
    let stream = session.open().unwrap();
    let started = tokio::time::Instant::now();
    assert!(matches!(driver.await.unwrap(), Err(SessionError::Dead(Dead::Silent))));
    assert_eq!(started.elapsed().as_secs(), 60);
    assert_eq!(stream.stopped().await, End::Lost);
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_ping_ends_the_session_sooner() {
    let (_wire, io) = tokio::io::duplex(64);
    let (session, driver) = session(io, Role::Opener);
    session.ping();
    let started = tokio::time::Instant::now();
    assert!(matches!(driver.await.unwrap(), Err(SessionError::Dead(Dead::Unanswered))));
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn pings_keep_an_idle_session_alive() {
    let (left, right) = tokio::io::duplex(8);
    let config = Config { ping_interval: Some(Duration::from_secs(20)), ..Config::default() };
    let (_proxy, driver) = Session::new(left, Role::Acceptor, config);
    let first = tokio::spawn(driver);
    let (peer, _second) = session(right, Role::Opener);
    assert!(timeout(Duration::from_secs(600), first).await.is_err(), "alive after ten minutes");
    assert!(peer.open().is_ok());
}
