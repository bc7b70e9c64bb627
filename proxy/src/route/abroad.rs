//! Servers at other nodes of the cluster: a client goes there over the link with that node, and is spliced to it as to a server (docs/cluster.md, section 5).

use std::sync::Arc;

use browser_stream_mux::Stream;
use serde_json::value::RawValue;
use tokio::time::{Duration, Instant, sleep, timeout};
use uuid::Uuid;

use super::{Name, StreamServerProxy, connect::not_wanted, registry::Found, way::Way};
#[cfg(feature = "admin")]
use crate::session::Destination;
use crate::{
    cluster::Links,
    error::OpenError,
    session::{self, Answer, Ask, Fields, Open, Permit, Reply, Session, Watch, passed_on},
};

/// Where a client goes that waits at most so long for a name that nobody has.
pub(super) async fn way(proxy: &StreamServerProxy, links: &Links, name: &Name, wait: Duration) -> Result<Way, OpenError> {
    let begun = Instant::now();
    let left = || wait.saturating_sub(begun.elapsed());
    loop {
        let there = match proxy.inner.registry.find(name, left(), true).await? {
            Found::Here(seat) => return Ok(Way::Here(seat)),
            Found::There(there) => there,
        };
        match links.to(there.node, &there.address).await {
            Ok(node) => return Ok(Way::There(node, left().max(WAIT_MIN))),
            Err(error) if begun.elapsed() >= proxy.inner.limits.wait_max => return Err(error),
            // Its node may be dead: then it is elsewhere, or nowhere, as soon as that is found out.
            Err(_) => sleep(AGAIN).await,
        }
    }
}

/// The link with the node that has the name, if there is one at this moment.
pub(super) fn way_now(proxy: &StreamServerProxy, name: &Name) -> Option<Arc<Session>> {
    let links = proxy.inner.links.get()?;
    links.at_once(proxy.inner.registry.there(name)?.node)
}

/// What that node is asked for this client, who is passed on to it.
pub(super) fn asks(
    proxy: &StreamServerProxy,
    (node, wait): (Arc<Session>, Duration),
    permit: Permit,
    session: &Session,
    open: &Open,
) -> Result<Ask, OpenError> {
    let whose = session.whose(open, &permit);
    let (id, frame) = (whose.id, passed_on(open, &whose, wait.max(WAIT_MIN)));
    let client = Passing {
        proxy: proxy.clone(),
        path: open.path.as_str().into(),
        node: node.clone(),
        id,
        resumes: open.resume.is_some(),
        _permit: permit,
    };
    #[cfg(feature = "admin")]
    if super::connect::moves(open) && session.is_barred(session.id(), || client.path.to_string()) {
        return Err(super::connect::barred());
    }
    Ok((node, frame, Arc::new(client)))
}

/// Has the server at that node take a client whose end of the stream is here.
pub(super) async fn take(
    proxy: &StreamServerProxy,
    node: &Arc<Session>,
    name: &Name,
    (meta, http): (Option<Box<RawValue>>, bool),
    wait: Duration,
) -> Result<Stream, OpenError> {
    let open = Open { meta, http, ..Open::to(format!("{}/connect/{}", proxy.prefix(), name.segment())) };
    let nobody = Permit::default();
    let mut stream = node.open_stream()?;
    let frame = passed_on(&open, &node.whose(&open, &nobody), wait.max(WAIT_MIN));
    stream.write_frame(&frame[LENGTH_BYTES..]);
    let limits = &proxy.inner.limits;
    let most = limits.wait_max + limits.reply_timeout;
    let answer = timeout(most, session::reply(node, &mut stream)).await.unwrap_or_else(|_| Err(session::late(node)));
    match answer.and_then(|reply| reply.error.map_or(Ok(()), Err)) {
        Ok(()) => Ok(stream),
        Err(error) => {
            stream.reset(not_wanted(&error).number());
            Err(error)
        }
    }
}

/// A client whose server is at another node, until both ends of its stream are gone. Events and counts of it are that node's.
struct Passing {
    #[cfg_attr(not(feature = "admin"), expect(dead_code))]
    proxy: StreamServerProxy,
    #[cfg_attr(not(feature = "admin"), expect(dead_code))]
    path: Box<str>,
    node: Arc<Session>,
    id: Uuid,
    resumes: bool,
    _permit: Permit,
}

impl Watch for Passing {
    #[cfg(feature = "admin")]
    fn destination(&self) -> Option<Destination> {
        let segment = self.path.rsplit('/').next().unwrap_or_default();
        let name = Name::from_segment(segment).map(|name| name.as_str().to_owned()).unwrap_or_default();
        Some(Destination { prefix: self.proxy.prefix().to_owned(), name, path: self.path.to_string(), session: None })
    }

    fn answered(&self, mut answer: Answer<'_>) {
        match answer.reply(&self.node) {
            // What it refuses with is a proxy's word already.
            Ok(Reply { error: Some(error), .. }) | Err(error) => {
                let code = not_wanted(&error);
                answer.refuse(&self.node, error, code);
            }
            Ok(Reply { instance, resume, seal, .. }) => {
                let resumes = self.resumes && resume.is_some();
                let mut fields = Fields::new().id("id", self.id);
                if let Some(instance) = instance {
                    fields = fields.instance("instance", instance);
                }
                let frame = fields.raw("resume", resume.as_deref()).raw("seal", seal.as_deref()).frame();
                answer.join(&self.node, &frame, resumes, || {});
            }
        }
    }
}

/// The table may tell here that a name is there before the node that has it has done the rest.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// Between two looks for a node that is not to be reached.
const AGAIN: Duration = Duration::from_millis(250);
/// In front of a frame.
const LENGTH_BYTES: usize = 2;
