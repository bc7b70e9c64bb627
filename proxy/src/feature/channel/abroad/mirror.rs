//! What is published at another node, as it is handed on to the readers of this one.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use browser_stream_mux::{Code, Stream};
use browser_stream_protocol::channel::{ChannelInfo, ChannelOptions, Decoder, Delivered, Ending};
use bytes::Bytes;
use futures::FutureExt;
use serde::Deserialize;
use tokio::{
    task::yield_now,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{
    super::{
        ChannelEvent, Channels, Ground,
        batch::{BYTES_MAX, Batcher},
        hub::Hub,
        publisher::TURN_MAX,
    },
    Abroad,
};
use crate::{counters::Deed, route::Name};

/// A channel as it is read at another node.
struct Mirror {
    channels: Channels,
    hub: Arc<Hub>,
    stream: Stream,
    decoder: Decoder<Delivered>,
    /// Publishers by the numbers that they have there.
    publishers: HashMap<u32, Publisher>,
    /// Whose messages came last: what was not handed out yet is that one's.
    speaks: u32,
}

/// One of them, as it is here.
struct Publisher {
    number: u32,
    batcher: Batcher,
}

#[derive(Deserialize)]
struct Who {
    id: Uuid,
}

/// How a mirror ends.
enum Over {
    /// All publishers there have ended, and that was said.
    Ended,
    /// It is not to be had any more.
    Lost,
    /// Nobody reads here.
    Unread,
}

/// A channel that nobody reads within so long is not read there.
const READER_WITHIN: Duration = Duration::from_secs(2);
/// What could not be read is tried again after so long, where somebody still wants it.
const AGAIN: Duration = Duration::from_millis(200);
/// How long nothing is taken where the process has no memory left.
const MEMORY_LOOK: Duration = Duration::from_millis(100);

/// Reads a channel at another node until nobody publishes there, or nobody reads here.
pub(super) async fn run(channels: Channels, abroad: Arc<Abroad>, place: (Uuid, Name)) {
    let (node, name) = &place;
    let over = match abroad.ways.read(*node, name).await {
        Ok((accepted, stream)) => match channels.mirrored(name, &accepted.channel) {
            Some(hub) => Mirror::new(channels.clone(), hub, stream).run(name).await,
            None => Over::Lost,
        },
        Err(error) => {
            tracing::debug!(%node, %error, "a channel of another node cannot be read");
            Over::Lost
        }
    };
    if matches!(over, Over::Lost) {
        // So that what fails at once is not tried in a circle.
        sleep(AGAIN).await;
    }
    abroad.read_no_more(&place);
    if channels.inner.registry.is_wanted(name) {
        channels.seek(name);
    }
}

impl Channels {
    /// The channel here in which publishers of another node are stood for; `None` where there are too many for one more.
    fn mirrored(&self, name: &Name, info: &ChannelInfo) -> Option<Arc<Hub>> {
        let Ground { memory, counters } = self.ground();
        let mut options = ChannelOptions::new();
        (options.policy, options.replay, options.publishers) = (info.policy, info.replay, info.publishers);
        let make = || Hub::new(&options, self.inner.limits.clone(), memory, counters);
        let (hub, is_new) = self.inner.registry.get_or_make(name, make)?;
        if is_new {
            self.tell(ChannelEvent::Created { name: name.clone() });
        }
        Some(hub)
    }
}

impl Mirror {
    fn new(channels: Channels, hub: Arc<Hub>, stream: Stream) -> Self {
        let (decoder, publishers, speaks) = Default::default();
        Self { channels, hub, stream, decoder, publishers, speaks }
    }

    async fn run(mut self, name: &Name) -> Over {
        self.channels.inner.registry.announce(name);
        let hub = self.hub.clone();
        // Nothing is taken before it can be handed on.
        let mut is_read = timeout(READER_WITHIN, hub.until(|| hub.own_readers() > 0)).await.is_ok();
        let over = loop {
            if !is_read && hub.let_go(&self.numbers()) {
                break Over::Unread;
            }
            tokio::select! {
                over = self.hand_on() => break over,
                () = hub.until(|| hub.own_readers() == 0) => is_read = false,
                () = hub.stopped.cancelled() => break Over::Unread,
            }
        };
        self.leave(name, &over);
        over
    }

    /// The numbers here of who publishes there.
    fn numbers(&self) -> Vec<u32> {
        self.publishers.values().map(|publisher| publisher.number).collect()
    }

    /// Nobody of that node publishes here any more.
    fn leave(self, name: &Name, over: &Over) {
        let Self { channels, hub, publishers, .. } = self;
        let ending = Ending::new(if matches!(over, Over::Lost) { Code::Lost } else { Code::Gone }, "");
        for publisher in publishers.into_values() {
            hub.leave(publisher.number, ending.clone());
            hub.forget(publisher.number);
        }
        // It may have had none.
        hub.close_if_empty();
        if hub.is_over() && channels.inner.registry.forget(name, &hub) {
            channels.tell(ChannelEvent::Destroyed { name: name.clone(), ending });
        }
    }

    async fn hand_on(&mut self) -> Over {
        let mut begun = Instant::now();
        loop {
            // As a publisher of this node waits, and with it who publishes there.
            self.hub.room().await;
            while self.hub.waits_for_memory() {
                sleep(MEMORY_LOOK).await;
            }
            let over = self.gather().await;
            self.deliver();
            if let Some(over) = over {
                return over;
            }
            if begun.elapsed() > TURN_MAX {
                yield_now().await;
                begun = Instant::now();
            }
        }
    }

    /// Takes what has come, as soon as there is something, and as much as readers are handed at once: a link brings no more than a record of TLS at a time, and each
    /// piece by itself would cost every reader a frame and a write. How the mirror ends, if that was all. Cancel-safe.
    async fn gather(&mut self) -> Option<Over> {
        let mut bytes = 0;
        let mut read = self.stream.read_chunk().await;
        loop {
            let Ok(Some(chunk)) = read else { return Some(Over::Lost) };
            bytes += chunk.len();
            self.hub.counters.did(Deed::ChannelFromNodes, chunk.len() as u64);
            self.decoder.push(chunk);
            if let over @ Some(_) = self.decode() {
                return over;
            }
            if bytes >= BYTES_MAX {
                return None;
            }
            match self.stream.read_chunk().now_or_never() {
                Some(more) => read = more,
                None => return None,
            }
        }
    }

    fn decode(&mut self) -> Option<Over> {
        loop {
            match self.decoder.next() {
                Ok(None) => return None,
                Ok(Some(delivered)) => {
                    if self.take(delivered) {
                        return Some(Over::Ended);
                    }
                }
                Err(error) => {
                    tracing::warn!(?error, "another node hands on what is no record");
                    return Some(Over::Lost);
                }
            }
        }
    }

    /// Hands out what has come.
    fn deliver(&mut self) {
        let Some(Publisher { number, batcher }) = self.publishers.get_mut(&self.speaks) else { return };
        if !batcher.is_empty() {
            self.hub.deliver(*number, &batcher.take());
        }
    }

    /// What comes next is this publisher's, behind what others said before.
    fn hear(&mut self, publisher: u32) -> Option<&mut Publisher> {
        if self.speaks != publisher {
            self.deliver();
            self.speaks = publisher;
        }
        self.publishers.get_mut(&publisher)
    }

    /// Does what one record says; whether it was the last.
    fn take(&mut self, delivered: Delivered) -> bool {
        match delivered {
            Delivered::Joined { publisher, first, who } => self.joined(publisher, first, who),
            Delivered::Bytes { publisher, bytes, last } => {
                let Some(of) = self.hear(publisher) else { return false };
                // Its own node has looked how long messages are.
                let _ = of.batcher.add(bytes, last);
                if of.batcher.is_full() {
                    self.deliver();
                }
            }
            Delivered::Cut(publisher) => {
                if let Some(of) = self.hear(publisher) {
                    of.batcher.cut();
                }
            }
            Delivered::Skipped { publisher, messages } => {
                self.deliver();
                if let Some(of) = self.publishers.get_mut(&publisher) {
                    of.batcher.skip(messages);
                    self.hub.skip(of.number, messages);
                }
            }
            Delivered::Left(publisher, ending) => {
                self.deliver();
                if let Some(of) = self.publishers.remove(&publisher) {
                    self.hub.leave(of.number, ending);
                    self.hub.forget(of.number);
                }
            }
            Delivered::End(_) => return true,
        }
        false
    }

    fn joined(&mut self, publisher: u32, first: u64, who: Bytes) {
        let id = serde_json::from_slice::<Who>(&who).map_or_else(|_| Uuid::new_v4(), |who| who.id);
        let Some(number) = self.hub.stand_for(id, who, first) else { return };
        let mut batcher = Batcher::new(number, usize::MAX, self.channels.ground().memory);
        batcher.skip(first);
        self.publishers.insert(publisher, Publisher { number, batcher });
    }
}

#[cfg(test)]
mod tests;
