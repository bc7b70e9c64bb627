//! A member of a room that speaks its records by hand.

use std::time::Duration;

use browser_stream_mux::{Stream, StreamError};
use browser_stream_protocol::room::{Decoder, Emit, EventName, Record, Said, Told};
use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use serde_json::{Value, json};

use crate::{Peer, Proxy, within};

/// A member, and the peer that it belongs to.
pub struct Member {
    pub peer: Option<Peer>,
    pub stream: Stream,
    pub reply: Value,
    decoder: Decoder<Told>,
    /// Those that it heard of first: number, whether live, and who.
    pub first: Vec<(u32, bool, Value)>,
    /// Counted records that it has received.
    pub got: u64,
}

pub async fn join(peer: &Peer, name: &str, room: Value) -> Result<(Value, Stream), String> {
    peer.ask(&format!("/room/join/{name}"), json!({ "room": room })).await
}

pub fn value(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// MessagePack of one short string in an array: an event's arguments.
pub fn text(text: &str) -> Bytes {
    assert!(text.len() < 32);
    [&[0x91, 0xa0 | text.len() as u8], text.as_bytes()].concat().into()
}

impl Member {
    pub async fn join(peer: Peer, name: &str, room: Value) -> Result<Self, String> {
        let (reply, stream) = join(&peer, name, room).await?;
        Ok(Self::over(Some(peer), reply, stream).await)
    }

    pub async fn over(peer: Option<Peer>, reply: Value, stream: Stream) -> Self {
        let mut member = Self { peer, stream, reply, decoder: Decoder::default(), first: Vec::new(), got: 0 };
        for _ in 0..member.reply["room"]["members"].as_u64().expect("a count") {
            match member.next().await {
                Told::Member { number, is_live, who } => member.first.push((number, is_live, value(&who))),
                other => panic!("{other:?} where a member was expected"),
            }
        }
        member
    }

    pub fn number(&self) -> u32 {
        self.reply["room"]["number"].as_u64().expect("a number") as u32
    }

    pub fn id(&self) -> String {
        self.reply["id"].as_str().expect("an id").to_owned()
    }

    pub fn uuid(&self) -> uuid::Uuid {
        self.id().parse().expect("a uuid")
    }

    /// What shows its seat.
    pub fn seat(&self) -> Value {
        json!({ "seat": { "id": self.reply["id"], "secret": self.reply["room"]["secret"], "got": self.got } })
    }

    /// Its connection breaks.
    pub fn gone(mut self) -> Self {
        self.peer = None;
        self
    }

    /// Comes back over a new connection, after the one that it had is gone.
    pub async fn back(self, proxy: &impl AsRef<Proxy>) -> Self {
        self.gone().again(proxy).await
    }

    /// Comes back over a new connection, whatever became of the one that it had.
    pub async fn again(&self, proxy: &impl AsRef<Proxy>) -> Self {
        let name = self.reply["room"]["name"].as_str().unwrap().to_owned();
        let mut member = Self::join(proxy.as_ref().peer(), &name, self.seat()).await.expect("it may come back");
        member.got = self.got + member.reply["room"]["lost"].as_u64().unwrap();
        member
    }

    pub fn say(&mut self, said: &Said) {
        let mut out = BytesMut::new();
        said.write(&mut out);
        assert!(self.stream.write_now(out.freeze()));
    }

    pub fn event(name: &str, word: &str) -> Emit {
        Emit::new(EventName::try_from(name).unwrap(), text(word))
    }

    pub fn emit(&mut self, word: &str) {
        self.say(&Said::Emit(Self::event("say", word)));
    }

    /// The next record, GOT aside.
    pub async fn next(&mut self) -> Told {
        within(self.read()).await.expect("the stream goes on")
    }

    pub async fn read(&mut self) -> Result<Told, Option<StreamError>> {
        loop {
            match self.decoder.next().expect("a record") {
                Some(Told::Got(_)) => {}
                Some(told) => {
                    self.got += u64::from(told.is_counted());
                    if let Told::Lost(count) = told {
                        self.got += count;
                    }
                    return Ok(told);
                }
                None => match self.stream.read_chunk().await {
                    Ok(Some(chunk)) => self.decoder.push(chunk),
                    Ok(None) => return Err(None),
                    Err(error) => return Err(Some(error)),
                },
            }
        }
    }

    /// How the stream ends, whatever comes before.
    pub async fn ended(&mut self) -> Option<StreamError> {
        within(async {
            loop {
                if let Err(ended) = self.read().await {
                    return ended;
                }
            }
        })
        .await
    }

    /// The next GOT, whatever comes before.
    pub async fn acknowledged(&mut self) -> u64 {
        within(async {
            loop {
                match self.decoder.next().expect("a record") {
                    Some(Told::Got(count)) => return count,
                    Some(_) => {}
                    None => {
                        let chunk = self.stream.read_chunk().await.expect("it goes on").expect("it is not the end");
                        self.decoder.push(chunk);
                    }
                }
            }
        })
        .await
    }

    /// The next event's sender and argument.
    pub async fn word(&mut self) -> (u32, String) {
        match self.next().await {
            Told::Event { from, body, .. } => (from, String::from_utf8_lossy(&body[2..]).into_owned()),
            other => panic!("{other:?} where an event was expected"),
        }
    }

    /// All arguments of events until the one that is `last`.
    pub async fn words(&mut self, last: &str) -> Vec<String> {
        let mut words = Vec::new();
        while words.last().is_none_or(|word| word != last) {
            words.push(self.word().await.1);
        }
        words
    }

    /// Nothing has come, and nothing comes soon.
    pub async fn hears_nothing(&mut self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if let Some(told) = self.read().now_or_never() {
            panic!("{told:?} where nothing was expected");
        }
    }

    pub async fn joined(&mut self) -> u32 {
        match self.next().await {
            Told::Joined { number, .. } => number,
            other => panic!("{other:?} where somebody was to join"),
        }
    }

    pub async fn left(&mut self) -> (u32, u32, String) {
        match self.next().await {
            Told::Left { number, ending } => (number, ending.code, ending.text),
            other => panic!("{other:?} where somebody was to leave"),
        }
    }

    pub async fn live(&mut self) -> (u32, bool) {
        match self.next().await {
            Told::Live { number, is_live } => (number, is_live),
            other => panic!("{other:?} where somebody was to go or to be back"),
        }
    }
}
