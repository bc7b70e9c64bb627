//! Reads what is published in a channel.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use browser_stream_mux::{Code, Stream, StreamError};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{Accepted, BadRecord, ChannelInfo, Decoder, Delivered, Ending};

/// Who publishes: the proxy's word, and what the publisher said of itself.
///
/// See [`Subscription`].
#[derive(Debug)]
#[non_exhaustive]
pub struct PublisherInfo {
    /// Its number in the channel.
    pub number: u32,
    /// Its unique id.
    pub id: String,
    /// Its session with the proxy, the same for all its streams of one connection; none for the proxy's own process.
    pub session: Option<String>,
    /// Who that is, where the proxy asks.
    pub sub: Option<String>,
    /// How many of its messages went before the first that comes here.
    pub first: u64,
    meta: Option<Box<RawValue>>,
}

impl PublisherInfo {
    /// What it said when it began, as a value; `None` if it said nothing, or something of another shape.
    pub fn meta<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.meta.as_ref()?.get()).ok()
    }
}

/// A message, whole.
///
/// See [`Subscription`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// Who sent it.
    pub publisher: Arc<PublisherInfo>,
    /// How many of that publisher's messages went before it, those that were left out here and those that were cut among them.
    pub number: u64,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What comes in a channel, as it comes.
///
/// See [`Subscription`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Delivery {
    /// Somebody publishes, or did already.
    Joined(Arc<PublisherInfo>),
    /// Bytes of a message, which may be none where it ends.
    Bytes {
        /// Who sends it.
        publisher: Arc<PublisherInfo>,
        /// As in [`Message::number`].
        number: u64,
        /// The next of its bytes.
        bytes: Bytes,
        /// Whether the message is whole with them.
        last: bool,
    },
    /// The message under way will never be whole: forget what came of it.
    Cut(Arc<PublisherInfo>),
    /// So many messages were left out here, because this subscriber was behind.
    Skipped(Arc<PublisherInfo>, u64),
    /// A publisher ended. A message of its that is not whole never will be.
    Left(Arc<PublisherInfo>, Ending),
}

/// Why nothing more comes, where that is no clean end.
///
/// See [`Subscription`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The publisher said that this is not all, or is gone: see the code.
    #[error("the publisher did not end as it should ({}): {}", .0.code, .0.text)]
    Ended(Ending),
    /// The stream ended: reset `lagging` where this subscriber was too slow, or lost.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// What came makes no sense.
    #[error("the proxy does not speak as expected: {0}")]
    Record(#[from] BadRecord),
    /// It speaks of somebody who was not announced, or a message is longer than it said that any would be.
    #[error("the proxy does not speak as expected: {0}")]
    Unexpected(&'static str),
}

/// One who reads a channel: whole messages as a `futures::Stream`, or everything as it comes by [`incoming`](Self::incoming).
///
/// It ends cleanly only where the publisher said that all was said. Dropped, it leaves the channel.
///
/// ```
/// use browser_stream_protocol::channel::{Delivery, Message, SubscribeError, Subscription};
///
/// /// Whole messages, as they come.
/// async fn whole(mut subscription: Subscription) -> Result<(), SubscribeError> {
///     while let Some(Message { publisher, number, bytes, .. }) = subscription.next().await? {
///         println!("message {number} of {}: {} bytes", publisher.id, bytes.len());
///     }
///     println!("it ended; {} were left out here", subscription.skipped());
///     Ok(())
/// }
///
/// /// All that happens, and messages piece by piece, which need no room as a whole.
/// async fn pieces(mut subscription: Subscription) -> Result<(), SubscribeError> {
///     while let Some(delivery) = subscription.incoming().await? {
///         match delivery {
///             Delivery::Joined(publisher) => println!("{} ({:?}) publishes", publisher.number, publisher.meta::<String>()),
///             Delivery::Bytes { bytes, last, .. } => println!("{} bytes{}", bytes.len(), if last { ", and whole" } else { "" }),
///             Delivery::Skipped(_, count) => println!("{count} were left out"),
///             _ => {}
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Subscription {
    stream: Stream,
    accepted: Accepted,
    decoder: Decoder<Delivered>,
    publishers: HashMap<u32, Sender>,
    skipped: u64,
    is_over: bool,
}

#[derive(Debug)]
struct Sender {
    info: Arc<PublisherInfo>,
    number: u64,
    parts: Vec<Bytes>,
    bytes: u64,
}

#[derive(Deserialize)]
struct Who {
    id: String,
    #[serde(default)]
    peer: Option<Session>,
    #[serde(default, deserialize_with = "present")]
    meta: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Session {
    session: String,
    #[serde(default)]
    sub: Option<String>,
}

impl Subscription {
    /// The subscriber at the other end of a stream that the proxy accepted so.
    pub fn new(stream: Stream, accepted: Accepted) -> Self {
        let (decoder, publishers) = Default::default();
        Self { stream, accepted, decoder, publishers, skipped: 0, is_over: false }
    }

    /// Its unique id, which publishers see.
    pub fn id(&self) -> &str {
        &self.accepted.id
    }

    /// What holds in the channel.
    pub fn channel(&self) -> &ChannelInfo {
        &self.accepted.channel
    }

    /// How many messages were left out here so far, because this subscriber was behind.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The next whole message; `None` at the clean end. Cancel-safe.
    ///
    /// # Errors
    /// See [`SubscribeError`]; then nothing more comes.
    pub async fn next(&mut self) -> Result<Option<Message>, SubscribeError> {
        poll_fn(|cx| self.poll_message(cx)).await
    }

    /// The next thing that comes, bytes of messages as they come among them; `None` at the clean end. Cancel-safe.
    ///
    /// Who calls both this and [`next`](Self::next) gets messages without the bytes that came here.
    ///
    /// # Errors
    /// See [`SubscribeError`]; then nothing more comes.
    pub async fn incoming(&mut self) -> Result<Option<Delivery>, SubscribeError> {
        poll_fn(|cx| self.poll_incoming(cx)).await
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, SubscribeError>> {
        let longest = self.accepted.channel.message_bytes_max;
        loop {
            let (publisher, number, bytes, last) = match ready!(self.poll_incoming(cx))? {
                None => return Poll::Ready(Ok(None)),
                Some(Delivery::Bytes { publisher, number, bytes, last }) => (publisher, number, bytes, last),
                Some(Delivery::Cut(publisher) | Delivery::Left(publisher, _)) => {
                    if let Some(sender) = self.publishers.get_mut(&publisher.number) {
                        (sender.parts, sender.bytes) = (Vec::new(), 0);
                    }
                    continue;
                }
                Some(_) => continue,
            };
            let Some(sender) = self.publishers.get_mut(&publisher.number) else { continue };
            sender.bytes += bytes.len() as u64;
            if sender.bytes > longest {
                return Poll::Ready(Err(SubscribeError::Unexpected("a message is longer than any may be")));
            }
            if !bytes.is_empty() {
                sender.parts.push(bytes);
            }
            if last {
                sender.bytes = 0;
                let bytes = joined(std::mem::take(&mut sender.parts));
                return Poll::Ready(Ok(Some(Message { publisher, number, bytes })));
            }
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Delivery>, SubscribeError>> {
        if self.is_over {
            return Poll::Ready(Ok(None));
        }
        let incoming = loop {
            match self.decoder.next() {
                Ok(Some(Delivered::End(ending))) if ending.is_clean() => break Ok(None),
                Ok(Some(Delivered::End(ending))) => break Err(SubscribeError::Ended(ending)),
                Ok(Some(record)) => break self.take(record).map(Some),
                Ok(None) => {}
                Err(error) => break Err(error.into()),
            }
            match ready!(self.stream.poll_chunk(cx)) {
                Ok(Some(chunk)) => self.decoder.push(chunk),
                // A clean end is said in so many words.
                Ok(None) => break Err(SubscribeError::Stream(StreamError::Lost)),
                Err(error) => break Err(error.into()),
            }
        };
        if !matches!(incoming, Ok(Some(_))) {
            self.is_over = true;
            self.stream.finish();
        }
        Poll::Ready(incoming)
    }

    fn take(&mut self, record: Delivered) -> Result<Delivery, SubscribeError> {
        Ok(match record {
            Delivered::Joined { publisher, first, who } => {
                let who: Who =
                    serde_json::from_slice(&who).map_err(|_| SubscribeError::Unexpected("a publisher's description is malformed"))?;
                let (session, sub) = who.peer.map(|peer| (peer.session, peer.sub)).unzip();
                let info = Arc::new(PublisherInfo { number: publisher, id: who.id, session, sub: sub.flatten(), first, meta: who.meta });
                self.publishers.insert(publisher, Sender { info: info.clone(), number: first, parts: Vec::new(), bytes: 0 });
                Delivery::Joined(info)
            }
            Delivered::Bytes { publisher, bytes, last } => {
                let sender = self.sender(publisher)?;
                let number = sender.number;
                sender.number += u64::from(last);
                Delivery::Bytes { publisher: sender.info.clone(), number, bytes, last }
            }
            Delivered::Cut(publisher) => {
                let sender = self.sender(publisher)?;
                sender.number += 1;
                Delivery::Cut(sender.info.clone())
            }
            Delivered::Skipped { publisher, messages } => {
                self.skipped = self.skipped.saturating_add(messages);
                let sender = self.sender(publisher)?;
                sender.number = sender.number.saturating_add(messages);
                Delivery::Skipped(sender.info.clone(), messages)
            }
            Delivered::Left(publisher, ending) => {
                let sender = self.publishers.remove(&publisher).ok_or(UNKNOWN)?;
                Delivery::Left(sender.info, ending)
            }
            Delivered::End(ending) => return Err(SubscribeError::Ended(ending)),
        })
    }

    fn sender(&mut self, publisher: u32) -> Result<&mut Sender, SubscribeError> {
        self.publishers.get_mut(&publisher).ok_or(UNKNOWN)
    }
}

const UNKNOWN: SubscribeError = SubscribeError::Unexpected("a publisher that was not announced");

impl futures::Stream for Subscription {
    type Item = Result<Message, SubscribeError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(cx).map(Result::transpose)
    }
}

impl SubscribeError {
    /// The number of the code: `lagging` is 18, `lost` 14, an application's 256 and up.
    pub fn code(&self) -> u32 {
        match self {
            Self::Ended(ending) => ending.code,
            Self::Stream(StreamError::Reset(code)) => *code,
            Self::Stream(_) => Code::Lost.number(),
            Self::Record(_) | Self::Unexpected(_) => Code::Internal.number(),
        }
    }
}

fn joined(mut parts: Vec<Bytes>) -> Bytes {
    match parts.len() {
        0 => Bytes::new(),
        1 => parts.swap_remove(0),
        _ => {
            let mut whole = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
            parts.iter().for_each(|part| whole.extend_from_slice(part));
            whole.freeze()
        }
    }
}

/// A field that is there, `null` included: absence alone is `None`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}
