//! What left the connection, read twice: by the rules of PROTOCOL.md section 2, and by a second connection.

use std::{collections::HashMap, time::Instant};

use browser_stream_mux::{Config, Connection, FRAME_MAX, Role, StreamId, Violation};
use bytes::{Buf, Bytes, BytesMut};

pub struct Audit {
    role: Role,
    peer: Connection<()>,
    peer_ended: bool,
    now: Instant,
    input: BytesMut,
    ours: HashMap<StreamId, Sent>,
    /// Frames that carried no payload: what a peer could provoke.
    pub without_payload: u64,
}

/// What was sent on a stream that we opened.
#[derive(Default)]
struct Sent {
    bytes: usize,
    finished: bool,
    reset: bool,
}

impl Audit {
    pub fn new(role: Role, now: Instant) -> Self {
        let other = if role == Role::Opener { Role::Acceptor } else { Role::Opener };
        Self {
            role,
            peer: Connection::new(other, Config::default(), now),
            peer_ended: false,
            now,
            input: BytesMut::new(),
            ours: HashMap::new(),
            without_payload: 0,
        }
    }

    pub fn is_ours(&self, id: StreamId) -> bool {
        (id % 2 == 1) == (self.role == Role::Opener)
    }

    pub fn is_at_a_frame_boundary(&self) -> bool {
        self.input.is_empty()
    }

    pub fn take(&mut self, bytes: &Bytes) {
        self.second_reading(bytes.clone());
        self.input.extend_from_slice(bytes);
        while let Some(mut header) = self.input.get(..12) {
            let (version, kind, flags) = (header.get_u8(), header.get_u8(), header.get_u16());
            let (id, length) = (header.get_u32(), header.get_u32());
            let payload = if kind == DATA { length as usize } else { 0 };
            if self.input.len() < 12 + payload {
                return;
            }
            assert_eq!((version, flags & !(SYN | ACK | FIN | RST)), (0, 0), "version and flags");
            assert!(kind <= GO_AWAY && payload <= FRAME_MAX, "kind {kind}, {payload} bytes");
            assert_eq!(id == 0, kind == PING || kind == GO_AWAY, "the session's own frames, and only they, are on stream 0");
            self.input.advance(12);
            let payload = self.input.split_to(payload);
            self.without_payload += u64::from(payload.is_empty());
            if id != 0 && self.is_ours(id) {
                self.own(id, kind, flags, &payload);
            }
        }
    }

    /// A stream that we opened: SYN first and once, its bytes in order, nothing behind its end.
    fn own(&mut self, id: StreamId, kind: u8, flags: u16, payload: &[u8]) {
        let opened = self.ours.contains_key(&id);
        assert_eq!(flags & SYN != 0, !opened, "stream {id}: SYN first, and once");
        assert_eq!(flags & ACK, 0, "stream {id}: acknowledged by its opener");
        let sent = self.ours.entry(id).or_default();
        assert!(!sent.reset, "stream {id}: a frame behind its reset");
        assert!(kind != DATA || !sent.finished, "stream {id}: DATA behind its finish");
        assert_eq!(payload, pattern(id, sent.bytes, payload.len()), "stream {id}: its bytes");
        sent.bytes += payload.len();
        sent.finished |= flags & FIN != 0;
        sent.reset |= flags & RST != 0;
        assert!(flags & FIN == 0 || (kind == DATA && payload.is_empty()), "stream {id}: a finish is an empty DATA frame");
    }

    /// A second connection takes it all; only the hostile peer's gifts of credit can be news to it.
    fn second_reading(&mut self, mut bytes: Bytes) {
        while !self.peer_ended {
            match self.peer.receive(&mut bytes, self.now) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(violation) => {
                    assert_eq!(violation, Violation::Window, "the second connection");
                    self.peer_ended = true;
                }
            }
        }
        while self.peer.ended().is_some() {}
    }
}

/// The bytes of a stream from an offset on: each place differs from its neighbours and from other streams.
pub fn pattern(id: StreamId, from: usize, length: usize) -> Bytes {
    (from..from + length).map(|at| (at as u32).wrapping_mul(31).wrapping_add(id) as u8).collect()
}

const DATA: u8 = 0;
const PING: u8 = 2;
const GO_AWAY: u8 = 3;

const SYN: u16 = 1;
const ACK: u16 = 2;
const FIN: u16 = 4;
const RST: u16 = 8;
