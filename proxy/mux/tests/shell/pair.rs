//! Two sessions joined by a pipe that holds eight bytes, and what the tests say with them.

use std::{io, time::Duration};

use browser_stream_mux::{Config, Flags, Header, Kind, Role, Session, SessionError, Stream, StreamError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
    time::timeout,
};

pub type Driver = JoinHandle<Result<(), SessionError>>;

pub fn session(io: DuplexStream, role: Role) -> (Session, Driver) {
    let (session, driver) = Session::new(io, role, Config::default());
    (session, tokio::spawn(driver))
}

pub struct Pair {
    pub opener: Session,
    pub acceptor: Session,
    pub drivers: [Driver; 2],
}

impl Pair {
    pub fn new() -> Self {
        let (left, right) = tokio::io::duplex(8);
        let (opener, first) = session(left, Role::Opener);
        let (acceptor, second) = session(right, Role::Acceptor);
        Self { opener, acceptor, drivers: [first, second] }
    }

    /// A stream and its other end, after the first byte went across.
    pub async fn streams(&self) -> (Stream, Stream) {
        let mut near = self.opener.open().unwrap();
        near.write_all(b"!").await.unwrap();
        let mut far = self.acceptor.accept().await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'!');
        (near, far)
    }
}

/// A bound on what waits for a condition. The clock is paused: it moves only when nobody has anything to do, so a hang fails at once.
pub async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future).await.expect("took too long")
}

pub fn noise(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * 31 + seed) ^ (at >> 8)) as u8).collect()
}

pub fn stream_error(error: &io::Error) -> StreamError {
    *error.get_ref().and_then(|inner| inner.downcast_ref()).expect("a stream error inside")
}

pub async fn exchange(stream: Stream, out: Vec<u8>) -> (Vec<u8>, Stream) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let write = async {
        writer.write_all(&out).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (read, ()) = tokio::join!(reader.read_to_end(&mut received), write);
    read.unwrap();
    (received, reader.unsplit(writer))
}

pub fn header(kind: Kind, flags: Flags, stream: u32, length: u32) -> [u8; Header::BYTES] {
    Header { kind, flags, stream, length }.encode()
}
