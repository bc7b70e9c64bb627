//! One peer of the proxy: what it may do on its connection.

use arbitrary::Arbitrary;
use browser_stream_mux::{Config, Role, Session, Stream};
use browser_stream_protocol::{
    channel::{Ending, Published, Records},
    room::Record,
};
use browser_stream_server::{Proxy, Sessions};
use bytes::BytesMut;
use futures::FutureExt;
use harness::Memory;
use tokio::task::JoinHandle;

use crate::said::{Body, Said};

/// What it does. A stream is one of the few that it opened and has.
#[derive(Arbitrary, Debug)]
pub enum Act {
    Join {
        room: u8,
        is_public: bool,
        profile: Option<u8>,
        seat: Option<(u8, u8)>,
    },
    Publish {
        channel: u8,
        policy: u8,
        is_many: bool,
        replay: u16,
        wait_for: u8,
    },
    Subscribe {
        channel: u8,
        wait: u8,
    },
    Listen {
        name: u8,
        leased: bool,
        stands_by: bool,
    },
    Connect {
        name: u8,
        wait: u8,
    },
    Watch(u8),
    List(bool),
    /// An open of its own making.
    Open(String),
    /// A member's record, a publisher's, a note, or anything.
    Say(u8, Said),
    Message(u8, Body, bool),
    Cut(u8),
    End(u8, u8, String),
    Note(u8, Word),
    Bytes(u8, Vec<u8>),
    /// Accepts a stream that the proxy opened, or looks at it and drops it.
    Accept(bool),
    Read(u8),
    Finish(u8),
    Reset(u8, u32),
    Drop(u8),
}

#[derive(Arbitrary, Debug)]
pub enum Word {
    Pause,
    Resume,
    End,
    ClientsMax(u8),
    Any(String),
}

/// A connection, and the streams on it.
pub struct Guest {
    session: Session,
    running: JoinHandle<()>,
    streams: Vec<Stream>,
}

/// The seats that anybody was told of: who has them may come back to them.
#[derive(Default)]
pub struct Seats(Vec<(String, String)>);

/// How many names there are, of rooms, channels and servers.
pub const NAMES: u8 = 3;

pub fn name(which: u8) -> &'static str {
    ["A", "B", "C"][usize::from(which % NAMES)]
}

impl Guest {
    pub fn at(proxy: &Proxy) -> Self {
        let (near, far) = tokio::io::duplex(PIPE);
        let sessions: Sessions = proxy.sessions().clone();
        tokio::spawn(async move { sessions.run(Memory(far), None).await });
        let (session, run) = Session::new(near, Role::Opener, Config::default());
        let running = tokio::spawn(async move {
            // How it ends makes no difference.
            let _ = run.await;
        });
        Self { session, running, streams: Vec::new() }
    }

    pub fn act(&mut self, act: &Act, seats: &mut Seats) {
        match act {
            Act::Join { room, is_public, profile, seat } => {
                let profile = profile.map_or(String::new(), |profile| format!(r#""profile":{profile},"#));
                let seat = seat.map_or(String::new(), |(which, got)| seats.shown(which, got));
                self.open(&format!("/room/join/{}", name(*room)), &format!(r#","room":{{{profile}{seat}"public":{is_public}}}"#));
            }
            Act::Publish { channel, policy, is_many, replay, wait_for } => {
                let policy = ["wait", "drop", "disconnect"][usize::from(policy % 3)];
                let publishers = if *is_many { "many" } else { "one" };
                let options = format!(
                    r#","channel":{{"policy":"{policy}","publishers":"{publishers}","replay":{replay},"wait_for":{}}}"#,
                    wait_for % 4
                );
                self.open(&format!("/channel/publish/{}", name(*channel)), &options);
            }
            Act::Subscribe { channel, wait } => self.open(&format!("/channel/subscribe/{}", name(*channel)), &format!(r#","wait":{wait}"#)),
            Act::Listen { name: which, leased, stands_by } => {
                let instance = format!("{:032x}", 7 + u128::from(*which));
                let more = format!(r#","instance":"{instance}","attempt":1,"lease":{leased},"standby":{stands_by}"#);
                self.open(&format!("/browser-server/listen/{}", name(*which)), &more);
            }
            Act::Connect { name: which, wait } => {
                self.open(&format!("/browser-server/connect/{}", name(*which)), &format!(r#","wait":{wait}"#));
            }
            Act::Watch(which) => self.open(&format!("/browser-server/watch/{}", name(*which)), ""),
            Act::List(names) => self.open(if *names { "/browser-server/names" } else { "/room/list" }, ""),
            Act::Open(json) => self.begin(json),
            Act::Say(stream, said) => {
                let Some(record) = said.record() else { return };
                self.write(*stream, |out| record.write(out));
            }
            Act::Message(stream, body, last) => {
                let body = body.bytes(32 * 1024);
                if *last || !body.is_empty() {
                    self.write(*stream, |out| Published::Bytes { bytes: body, last: *last }.write(out));
                }
            }
            Act::Cut(stream) => self.write(*stream, |out| Published::Cut.write(out)),
            Act::End(stream, code, text) => self.write(*stream, |out| Published::End(Ending::new(*code, text)).write(out)),
            Act::Note(stream, word) => {
                let note = word.json();
                if let Some(stream) = self.stream(*stream) {
                    stream.write_frame(note.as_bytes());
                }
            }
            Act::Bytes(stream, bytes) => self.write(*stream, |out| out.extend_from_slice(bytes)),
            Act::Accept(accepts) => {
                if let Some(Some(mut stream)) = self.session.accept().now_or_never()
                    && *accepts
                {
                    stream.write_frame(b"{}");
                    self.keep(stream);
                }
            }
            Act::Read(stream) => {
                // What there is, so that there is credit again.
                let Some(stream) = self.stream(*stream) else { return };
                while let Some(Ok(Some(chunk))) = stream.read_chunk().now_or_never() {
                    seats.look_at(&chunk);
                }
            }
            Act::Finish(stream) => self.with(*stream, Stream::finish),
            Act::Reset(stream, code) => self.with(*stream, |stream| stream.reset(*code)),
            Act::Drop(stream) => {
                if !self.streams.is_empty() {
                    self.streams.remove(usize::from(*stream) % self.streams.len());
                }
            }
        }
    }

    fn open(&mut self, path: &str, more: &str) {
        self.begin(&format!(r#"{{"path":"{path}"{more}}}"#));
    }

    fn begin(&mut self, json: &str) {
        if let Ok(mut stream) = self.session.open() {
            stream.write_frame(&json.as_bytes()[..json.len().min(8 * 1024)]);
            self.keep(stream);
        }
    }

    fn keep(&mut self, stream: Stream) {
        if self.streams.len() == STREAMS_MAX {
            self.streams.remove(0);
        }
        self.streams.push(stream);
    }

    fn stream(&mut self, which: u8) -> Option<&mut Stream> {
        let count = self.streams.len().max(1);
        self.streams.get_mut(usize::from(which) % count)
    }

    fn with(&mut self, which: u8, act: impl FnOnce(&mut Stream)) {
        if let Some(stream) = self.stream(which) {
            act(stream);
        }
    }

    fn write(&mut self, which: u8, write: impl FnOnce(&mut BytesMut)) {
        let Some(stream) = self.stream(which) else { return };
        let mut out = BytesMut::new();
        write(&mut out);
        stream.write_now(out.freeze());
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Seats {
    /// Keeps what a reply says, if this is one to who joined; replies are short and come whole.
    fn look_at(&mut self, chunk: &[u8]) {
        let Some(body) = chunk.get(2..2 + chunk.first_chunk().map_or(0, |length| usize::from(u16::from_be_bytes(*length)))) else { return };
        let Ok(reply) = serde_json::from_slice::<serde_json::Value>(body) else { return };
        if let (Some(id), Some(secret)) = (reply["id"].as_str(), reply["room"]["secret"].as_str()) {
            self.0.push((id.to_owned(), secret.to_owned()));
        }
    }

    /// What shows that a seat is one's own, and how much of its records came; of nobody's seat where there is none.
    fn shown(&self, which: u8, got: u8) -> String {
        let nobody = || ("0".repeat(32), "0".repeat(32));
        let (id, secret) = self.0.get(usize::from(which) % self.0.len().max(1)).cloned().unwrap_or_else(nobody);
        format!(r#""seat":{{"id":"{id}","secret":"{secret}","got":{got}}},"#)
    }
}

impl Word {
    fn json(&self) -> String {
        match self {
            Self::Pause => r#"{"note":"pause"}"#.to_owned(),
            Self::Resume => r#"{"note":"resume"}"#.to_owned(),
            Self::End => r#"{"note":"end"}"#.to_owned(),
            Self::ClientsMax(clients) => format!(r#"{{"note":"clients_max","value":{clients}}}"#),
            Self::Any(text) => text.clone(),
        }
    }
}

const PIPE: usize = 64 * 1024;
const STREAMS_MAX: usize = 8;
