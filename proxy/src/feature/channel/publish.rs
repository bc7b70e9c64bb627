//! How one comes to publish: with the right to it, in the channel that there is or a new one, and out again.

use std::sync::Arc;

use browser_stream_mux::{Code, Stream};
use browser_stream_protocol::channel::{Accepted, ChannelOptions, Ending, JOINED_MAX, Publisher};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

#[cfg(feature = "cluster")]
use super::abroad;
use super::{
    ChannelEvent, Channels, Ground, bad,
    batch::Batcher,
    hub::Hub,
    pair,
    publisher::{Publisher as Shared, Publishing, Source},
};
use crate::{
    counters::Refusal,
    error::OpenError,
    feature::account::Account,
    route::Name,
    session::{Peer, encode},
};

/// By what right one publishes: of a process that is alone it is nothing.
#[cfg(feature = "cluster")]
pub(super) type Right = Option<abroad::Right>;
/// By what right one publishes: a process that is alone has every channel.
#[cfg(not(feature = "cluster"))]
pub(super) struct Right;

/// One who publishes from now on.
pub(super) struct Joined {
    pub hub: Arc<Hub>,
    pub publisher: Arc<Shared>,
    pub right: Right,
}

/// Who publishes, as subscribers are told.
#[derive(Serialize)]
struct Who<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<Peer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

impl Channels {
    /// Publishes from inside the process; `meta`, any JSON, is told to every subscriber.
    ///
    /// # Errors
    /// `bad_request` for a name, option or meta that cannot be, `name_taken` where somebody publishes already and both do not allow others, `limit`; in a cluster
    /// `draining` where the node lost touch with it.
    pub async fn publish(&self, name: &str, options: ChannelOptions, meta: &impl Serialize) -> Result<Publisher, OpenError> {
        let name = Name::try_from(name).map_err(|error| bad(&error))?;
        let meta = to_raw_value(meta).map_err(|error| bad(&format!("meta is no JSON: {error}")))?;
        self.check(&options)?;
        let (near, far) = pair::pair(&self.ground().memory);
        let id = Uuid::new_v4();
        let who = who(id, None, Some(&meta))?;
        let Joined { hub, publisher: shared, right } = self.join(&name, &options, id, who).await?;
        let accepted = Accepted::new(id, hub.info(Some(shared.number)));
        let publishing = self.publishing(hub, shared, options.wait_for, far, self.inner.accounts.of(Uuid::nil()));
        tokio::spawn(self.clone().run_publisher(name, publishing, right));
        Ok(Publisher::new(near, accepted))
    }

    /// One more publisher of a channel, which may be new.
    pub(super) async fn join(&self, name: &Name, options: &ChannelOptions, id: Uuid, who: Bytes) -> Result<Joined, OpenError> {
        let Ground { memory, counters } = self.ground();
        let full = || {
            counters.count(Refusal::Channels);
            OpenError::new(Code::Limit, "there are as many channels as may be")
        };
        // The table is not asked in vain.
        #[cfg(feature = "cluster")]
        if !self.inner.registry.has_room(name) {
            return Err(full());
        }
        #[cfg(feature = "cluster")]
        let (right, options) = self.claim(name, options).await?;
        #[cfg(feature = "cluster")]
        let options = &options;
        #[cfg(not(feature = "cluster"))]
        let right = Right;
        loop {
            let make = || Hub::new(options, self.inner.limits.clone(), memory.clone(), counters.clone());
            let (hub, is_new) = self.inner.registry.get_or_make(name, make).ok_or_else(full)?;
            // One that ended in this moment is not there the next time.
            if let Ok(joined) = hub.publish(options, id, who.clone()) {
                let publisher = joined?;
                if is_new {
                    self.tell(ChannelEvent::Created { name: name.clone() });
                }
                self.tell(ChannelEvent::PublisherJoined { name: name.clone(), id });
                self.inner.registry.announce(name);
                #[cfg(feature = "cluster")]
                self.meet_nodes(name, &hub);
                return Ok(Joined { hub, publisher, right });
            }
            self.inner.registry.forget(name, &hub);
        }
    }

    pub(super) fn publishing(&self, hub: Arc<Hub>, publisher: Arc<Shared>, wait_for: u32, stream: Stream, account: Account) -> Publishing {
        let Ground { memory, counters } = self.ground();
        let batcher = Batcher::new(publisher.number, self.inner.limits.channel_message_bytes_max, memory);
        Publishing::new(hub, publisher, Source::new(stream, batcher), account, wait_for, counters)
    }

    pub(super) async fn run_publisher(self, name: Name, publishing: Publishing, right: Right) {
        let (hub, id) = (publishing.hub.clone(), publishing.publisher.id);
        let left = |ending: &Ending| {
            let _over = right;
            self.tell(ChannelEvent::PublisherLeft { name: name.clone(), id, ending: ending.clone() });
            if hub.is_over() && self.inner.registry.forget(&name, &hub) {
                self.tell(ChannelEvent::Destroyed { name: name.clone(), ending: ending.clone() });
            }
            #[cfg(feature = "cluster")]
            self.tell_nodes(&name);
        };
        publishing.run(self.inner.limits.refused_linger, left).await;
    }
}

/// What subscribers are told of a publisher.
pub(super) fn who(id: Uuid, peer: Option<Peer>, meta: Option<&RawValue>) -> Result<Bytes, OpenError> {
    let who = encode(&Who { id: id.to_string(), peer, meta });
    if who.len() > JOINED_MAX {
        return Err(bad(&format!(
            "meta is {} bytes too long: what subscribers are told of a publisher has {JOINED_MAX} at most",
            who.len() - JOINED_MAX
        )));
    }
    Ok(who.into())
}
