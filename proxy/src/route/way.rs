//! Where a client goes: to a server that is here, or over a link to the node where that is.

#[cfg(feature = "cluster")]
use std::sync::Arc;
use std::time::Duration;

use browser_stream_mux::Stream;
use serde_json::value::RawValue;

#[cfg(feature = "cluster")]
use super::abroad;
use super::{
    Name, StreamServerProxy,
    connect::{self, Client},
    registry::{Seat, not_found},
};
#[cfg(feature = "cluster")]
use crate::token::Verb;
use crate::{
    error::OpenError,
    session::{Ask, Beginning, Begun, Open, Permit, Session},
};

/// Where a client goes.
pub(super) enum Way {
    /// To a server that is here.
    Here(Seat),
    /// Over the link with the node where the server is, which waits so long for it.
    #[cfg(feature = "cluster")]
    There(Arc<Session>, Duration),
}

impl Way {
    /// Where a client of that name goes, who waits at most so long for a name that nobody has; one that another node passed on goes no further.
    pub(super) async fn find(proxy: &StreamServerProxy, name: &Name, wait: Duration, roams: bool) -> Result<Self, OpenError> {
        #[cfg(feature = "cluster")]
        if let Some(links) = proxy.inner.links.get().filter(|_| roams) {
            return abroad::way(proxy, links, name, wait).await;
        }
        let _ = roams;
        proxy.inner.registry.seat(name, wait).await.map(Self::Here)
    }

    /// What is asked of whom for this client.
    #[cfg_attr(not(feature = "cluster"), expect(unused_variables))]
    pub(super) fn asks(self, proxy: &StreamServerProxy, permit: Permit, session: &Session, open: &Open) -> Result<Ask, OpenError> {
        match self {
            Self::Here(seat) => Client::asks(seat, permit, session, open),
            #[cfg(feature = "cluster")]
            Self::There(node, wait) => abroad::asks(proxy, (node, wait), permit, session, open),
        }
    }

    /// Has the server take a client whose end of the stream is here: one who came by HTTP, or one of the process's own.
    #[cfg_attr(not(feature = "cluster"), expect(unused_variables))]
    pub(super) async fn take(
        self,
        proxy: &StreamServerProxy,
        name: &Name,
        (meta, http): (Option<Box<RawValue>>, bool),
    ) -> Result<Stream, OpenError> {
        match self {
            // Who has the name may be another by now.
            Self::Here(seat) if http && !seat.claim.http => Err(not_found()),
            Self::Here(seat) => connect::take(proxy, seat, meta).await,
            #[cfg(feature = "cluster")]
            Self::There(node, wait) => abroad::take(proxy, &node, name, (meta, http), wait).await,
        }
    }
}

/// Takes a client to the node where its server is, where the link with that is there.
#[cfg(feature = "cluster")]
pub(super) fn passed_on(proxy: &StreamServerProxy, beginning: Beginning<'_>, name: &str) -> Begun {
    if beginning.is_of_node() {
        return Begun::Later;
    }
    let Some(node) = Name::try_from(name).ok().and_then(|name| abroad::way_now(proxy, &name)) else { return Begun::Later };
    let open = beginning.open();
    beginning.ask(|session| {
        let wait = connect::wait(&proxy.inner.limits, open.wait)?;
        let permit = session.permit(Verb::Connect, name)?;
        abroad::asks(proxy, (node, wait), permit, session, open)
    })
}

/// A process that is alone has nobody to pass a client on to.
#[cfg(not(feature = "cluster"))]
pub(super) fn passed_on(_: &StreamServerProxy, _: Beginning<'_>, _: &str) -> Begun {
    Begun::Later
}
