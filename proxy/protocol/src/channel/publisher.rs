//! Publishes in a channel.

use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Context, Poll, ready},
};

use browser_stream_mux::{Code, SHORT, Stream, StreamError};
use bytes::{BufMut, Bytes, BytesMut};

use super::{Accepted, BadRecord, ChannelInfo, Decoder, Ending, News, PART_MAX, Published, Records, record::published_head};

/// One who publishes in a channel: messages go to every subscriber, whole and in order, at the speed that the channel's policy allows.
///
/// Dropped without [`end`](Self::end) its subscribers are told `cancelled`, and never take what they have for all.
///
/// ```
/// use browser_stream_protocol::channel::{Closed, Ending, News, PublishError, Publisher};
///
/// async fn tell(mut publisher: Publisher) -> Result<Closed, PublishError> {
///     println!("{}, messages of at most {} bytes", publisher.id(), publisher.channel().message_bytes_max);
///     publisher.send("at once").await?;
///     let mut message = publisher.message();
///     message.push("piece ").await?;
///     message.push("by piece").await?;
///     message.finish(); // dropped instead, it is given up
///     while let Some(news) = publisher.news().await? {
///         match news {
///             News::Readers(0) => return publisher.end_with(Ending::new(4001_u32, "nobody listens")).await,
///             News::Left { code: 0, taken, .. } => println!("one left with {taken} bytes"),
///             _ => {}
///         }
///     }
///     Ok(publisher.standing())
/// }
/// ```
#[derive(Debug)]
pub struct Publisher {
    stream: Stream,
    accepted: Accepted,
    decoder: Decoder<News>,
    news: VecDeque<News>,
    standing: Closed,
    over: Option<Ending>,
    /// A message was begun and is not whole.
    is_midway: bool,
}

/// How far a publisher's messages came.
///
/// See [`Publisher`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// Subscribers that are there.
    pub readers: u64,
    /// Bytes of this publisher's messages that no subscriber has to take any more.
    pub slowest: u64,
    /// Bytes that subscribers took, the sum over all that ever were; what was left out for one is none of them.
    pub delivered: u64,
}

/// Why no more can be published.
///
/// See [`Publisher`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The proxy ended the channel.
    #[error("the proxy ended the channel ({}): {}", .0.code, .0.text)]
    Ended(Ending),
    /// The stream ended: reset with `limit` where a message was too long, or lost.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// What came makes no sense.
    #[error("the proxy does not speak as expected: {0}")]
    Record(#[from] BadRecord),
}

/// So much news is kept for a program that does not ask for it; beyond, the oldest of it is forgotten.
const NEWS_MAX: usize = 1024;

impl Publisher {
    /// The publisher at the other end of a stream that the proxy accepted so.
    pub fn new(stream: Stream, accepted: Accepted) -> Self {
        let (decoder, news, standing) = Default::default();
        Self { stream, accepted, decoder, news, standing, over: None, is_midway: false }
    }

    /// Its unique id, which subscribers see.
    pub fn id(&self) -> &str {
        &self.accepted.id
    }

    /// What holds in the channel: where others publish, their policy counts.
    pub fn channel(&self) -> &ChannelInfo {
        &self.accepted.channel
    }

    /// How many subscribers there are, and how much they took, as far as was heard: [`send`](Self::send) and [`news`](Self::news) listen.
    pub fn standing(&self) -> Closed {
        self.standing
    }

    /// Publishes one message, waiting for credit. It may be of any length up to the channel's limit, and none.
    ///
    /// Dropped before it resolves the message is cut: subscribers drop what they have of it.
    ///
    /// # Errors
    /// As the stream ended: see [`PublishError`].
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), PublishError> {
        let mut writer = self.message();
        writer.write(message.into(), true).await?;
        writer.done();
        Ok(())
    }

    /// Begins a message that is sent as it is made. Dropped without [`MessageWriter::finish`] it is cut.
    pub fn message(&mut self) -> MessageWriter<'_> {
        self.cut();
        MessageWriter { publisher: self }
    }

    /// The next thing that happened: subscribers that came or left, progress. Cancel-safe. `None` when the proxy has said its last word.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn news(&mut self) -> Result<Option<News>, PublishError> {
        poll_fn(|cx| {
            if self.news.is_empty() {
                ready!(self.poll_hear(cx))?;
            }
            Poll::Ready(Ok(self.news.pop_front()))
        })
        .await
    }

    /// Ends what is published: resolves when every subscriber has taken all of it or is gone, with how much that was. What was begun and is not whole is cut.
    ///
    /// # Errors
    /// See [`PublishError`]. Subscribers that had all of it before have it for good.
    pub async fn end(self) -> Result<Closed, PublishError> {
        self.end_with(Ending::clean()).await
    }

    /// The same with a word for the subscribers, or with a code that tells them that it is not all: 256 and up, or `cancelled`, `gone`, `busy`, `limit`.
    ///
    /// # Errors
    /// As [`end`](Self::end).
    pub async fn end_with(mut self, ending: Ending) -> Result<Closed, PublishError> {
        self.cut();
        self.say(&Published::End(ending));
        self.stream.finish();
        poll_fn(|cx| {
            while self.over.is_none() {
                self.news.clear();
                let listened = ready!(self.poll_hear(cx))?;
                if !listened && self.over.is_none() {
                    return Poll::Ready(Err(PublishError::Stream(StreamError::Lost)));
                }
            }
            Poll::Ready(match &self.over {
                Some(ending) if !ending.is_clean() => Err(PublishError::Ended(ending.clone())),
                _ => Ok(self.standing),
            })
        })
        .await
    }

    fn say(&mut self, record: &Published) {
        let mut out = BytesMut::new();
        record.write(&mut out);
        self.stream.write_now(out.freeze());
    }

    /// What is under way will never be whole.
    fn cut(&mut self) {
        if std::mem::take(&mut self.is_midway) {
            self.say(&Published::Cut);
        }
    }

    /// Waits until more may be queued; meanwhile news is heard.
    async fn room(&mut self) -> Result<(), PublishError> {
        poll_fn(|cx| {
            while let Poll::Ready(heard) = self.poll_hear(cx) {
                if !heard? || self.over.is_some() {
                    return Poll::Ready(Err(self.ended()));
                }
            }
            self.stream.poll_room(cx).map_ok(|_| ()).map_err(PublishError::from)
        })
        .await
    }

    /// The proxy has said its last word.
    fn ended(&self) -> PublishError {
        match &self.over {
            Some(ending) => PublishError::Ended(ending.clone()),
            None => PublishError::Stream(StreamError::Reset(Code::Cancelled.number())),
        }
    }

    /// Hears one more record; false when nothing more will come.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, PublishError>> {
        loop {
            if let Some(record) = self.decoder.next()? {
                self.hear(record);
                return Poll::Ready(Ok(true));
            }
            match ready!(self.stream.poll_chunk(cx))? {
                Some(chunk) => self.decoder.push(chunk),
                None => return Poll::Ready(Ok(false)),
            }
        }
    }

    fn hear(&mut self, record: News) {
        match &record {
            News::Readers(count) => self.standing.readers = *count,
            News::Progress { slowest, delivered } => (self.standing.slowest, self.standing.delivered) = (*slowest, *delivered),
            News::End(ending) => self.over = Some(ending.clone()),
            News::Came { .. } | News::Left { .. } => {}
        }
        if self.news.len() == NEWS_MAX {
            self.news.pop_front();
        }
        self.news.push_back(record);
    }
}

/// One message, sent as it is made: subscribers get its bytes while it is still being written.
///
/// Dropped without [`finish`](Self::finish) the message is cut, and subscribers drop what they have of it.
///
/// See [`Publisher`].
#[derive(Debug)]
#[must_use = "a message that is not finished is cut"]
pub struct MessageWriter<'a> {
    publisher: &'a mut Publisher,
}

impl MessageWriter<'_> {
    /// Sends some of the message's bytes, waiting for credit. Dropped before it resolves some of them may have been sent.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn push(&mut self, bytes: impl Into<Bytes>) -> Result<(), PublishError> {
        self.write(bytes.into(), false).await
    }

    /// The message is whole.
    pub fn finish(self) {
        self.publisher.say(&Published::Bytes { bytes: Bytes::new(), last: true });
        self.done();
    }

    fn done(self) {
        self.publisher.is_midway = false;
    }

    async fn write(&mut self, mut bytes: Bytes, last: bool) -> Result<(), PublishError> {
        loop {
            self.publisher.room().await?;
            let part = bytes.split_to(bytes.len().min(PART_MAX));
            let is_last = last && bytes.is_empty();
            if !part.is_empty() || is_last {
                self.publisher.is_midway = true;
                if !self.publisher.put(part, is_last) {
                    return Err(self.publisher.ended());
                }
            }
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }
}

impl Drop for MessageWriter<'_> {
    fn drop(&mut self) {
        self.publisher.cut();
    }
}

impl Publisher {
    fn put(&mut self, part: Bytes, is_last: bool) -> bool {
        let mut head = BytesMut::with_capacity(if part.len() <= SHORT { 8 + part.len() } else { 8 });
        published_head(part.len(), is_last, &mut head);
        if part.len() <= SHORT {
            head.put_slice(&part);
            return self.stream.write_now(head.freeze());
        }
        self.stream.write_all_now(&mut vec![head.freeze(), part])
    }
}
