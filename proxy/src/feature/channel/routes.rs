//! What peers ask for: to publish, to subscribe.

use browser_stream_mux::Code;
use browser_stream_protocol::channel::{Accepted, ChannelOptions};
use futures::{FutureExt, future::BoxFuture};
use uuid::Uuid;

use super::{
    Channels, bad, hub,
    publish::{Joined, who},
};
use crate::{
    counters::Refusal,
    error::OpenError,
    route::{self, Handler, Name},
    session::{Opening, Peer, Permit},
    token::Verb,
};

/// The route of those who publish.
pub(super) struct Publish(pub Channels);

impl Handler for Publish {
    fn call(&self, opening: Opening) -> BoxFuture<'static, ()> {
        self.0.clone().publish_for(opening).boxed()
    }
}

/// The route of those who subscribe.
pub(super) struct Subscribe(pub Channels);

impl Handler for Subscribe {
    fn call(&self, opening: Opening) -> BoxFuture<'static, ()> {
        self.0.clone().subscribe_for(opening).boxed()
    }
}

impl Channels {
    async fn publish_for(self, opening: Opening) {
        self.belong_to(&opening.session().process.memory, &opening.session().process.counters);
        let id = Uuid::new_v4();
        let asked = name(&opening, Verb::Publish).and_then(|(name, permit)| {
            let options = options(&opening)?;
            self.check(&options)?;
            let peer = Some(Peer { session: opening.session().id().to_string(), sub: permit.sub().map(|sub| sub.to_string()) });
            let who = who(id, peer, opening.open().meta.as_deref())?;
            Ok((name, permit, options, who))
        });
        let (name, _permit, options, who) = match asked {
            Ok(asked) => asked,
            Err(error) => return refuse(opening, error).await,
        };
        let joined = tokio::select! {
            biased;
            () = opening.stopped() => return,
            joined = self.join(&name, &options, id, who) => joined,
        };
        let Joined { hub, publisher: shared, right } = match joined {
            Ok(joined) => joined,
            Err(error) => {
                // As one that claims a name: its next session may be where the cluster is within reach.
                if error.is(Code::Draining) {
                    opening.session().send_away();
                }
                return opening.refuse(error).await;
            }
        };
        let account = self.inner.accounts.of(opening.session().id());
        let stream = opening.accept_with(&Accepted::new(id, hub.info(Some(shared.number))));
        let publishing = self.publishing(hub, shared, options.wait_for, stream, account);
        self.run_publisher(name, publishing, right).await;
    }

    async fn subscribe_for(self, mut opening: Opening) {
        self.belong_to(&opening.session().process.memory, &opening.session().process.counters);
        let asked = name(&opening, Verb::Subscribe).and_then(|(name, permit)| {
            let wait = route::wait(&self.inner.limits, opening.open().wait)?;
            Ok((name, permit, wait))
        });
        let (name, _permit, wait) = match asked {
            Ok(asked) => asked,
            Err(error) => return refuse(opening, error).await,
        };
        let id = Uuid::new_v4();
        #[cfg(feature = "cluster")]
        self.seek(&name);
        loop {
            let found = tokio::select! {
                biased;
                () = opening.given_up() => return,
                found = self.inner.registry.wait(&name, wait) => found,
            };
            let hub = match found {
                Ok(hub) => hub,
                Err(error) => return opening.refuse(error).await,
            };
            // Answered where it is certain that it comes in, and before anything else is said to it.
            let mut coming = Some(opening);
            let accepted = Accepted::new(id, hub.info(None));
            match (hub.subscribe(id, || coming.take().map(|opening| opening.accept_with(&accepted))), coming) {
                (Ok(Ok(reader)), _) => return self.run_reader(name, hub, reader).await,
                (Ok(Err(error)), Some(opening)) => return opening.refuse(error).await,
                (Err(hub::Over), Some(waits)) => {
                    self.inner.registry.forget(&name, &hub);
                    opening = waits;
                }
                (_, None) => return,
            }
        }
    }
}

/// The channel's name at the end of the path, if the peer may do this there.
fn name(opening: &Opening, verb: Verb) -> Result<(Name, Permit), OpenError> {
    let segment = opening.open().path.rsplit('/').next().unwrap_or_default();
    let name = Name::from_segment(segment).map_err(|error| bad(&error))?;
    let permit = opening.permit(verb, name.as_str())?;
    Ok((name, permit))
}

/// Refuses who asked for what makes no sense, or may not.
async fn refuse(opening: Opening, error: OpenError) {
    if error.is(Code::BadRequest) {
        opening.session().count(Refusal::BadOpen);
    }
    opening.refuse(error).await;
}

fn options(opening: &Opening) -> Result<ChannelOptions, OpenError> {
    let Some(field) = &opening.open().channel else { return Ok(ChannelOptions::default()) };
    serde_json::from_str(field.get()).map_err(|error| bad(&format!("channel: {error}")))
}
