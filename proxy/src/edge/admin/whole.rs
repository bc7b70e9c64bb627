//! The API of a whole cluster: any node answers for all of them, and has acts done where the thing is (docs/cluster.md, section 8).

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt, future::join_all, stream::FuturesUnordered};
use http::{Method, StatusCode, Uri, header, request::Parts};
use tokio::time::Duration;
use uuid::Uuid;

use super::{
    super::cluster::Membership,
    across::{self, Wish},
    door::Caller,
    fault::Fault,
    lists::Paging,
    merged::{self, Answer},
    office::{BODY_MAX, Office},
    reach::SELF,
    tables::short,
};
use crate::cluster::NodeId;

/// Another node, and where it is reached.
pub(super) type Other = (NodeId, Arc<str>);

/// So long another node has for what an operator asks.
const PATIENCE: Duration = Duration::from_secs(3);

/// An id of a node's is not shorter than that where it is said.
const DIGITS_MIN: usize = 4;

/// A node that may be asked.
struct Node {
    name: String,
    /// All digits of its process.
    id: String,
    /// Where others reach it.
    address: Arc<str>,
    /// The way to it, if it is another.
    other: Option<Other>,
}

/// How a request is one of all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Each has rows of it.
    Table,
    Events,
    Overview,
    /// One of them has the thing.
    One,
    /// Several may have the room, and one of them is to speak for all.
    Emit,
    /// It is to hold at each.
    Each,
    /// It is that node's own matter.
    Named,
}

impl Way {
    /// That of this request; `None` where the one that is asked answers, whoever is meant.
    fn of(method: &Method, path: &str) -> Option<Self> {
        let path: Vec<&str> = path.strip_prefix(API)?.split('/').collect();
        Some(match (method.as_str(), &path[..]) {
            ("GET", ["sessions" | "names" | "streams" | "channels" | "rooms"] | ["rooms", _, "members"]) => Self::Table,
            ("GET", ["events"]) => Self::Events,
            ("GET", ["overview"]) => Self::Overview,
            ("GET" | "DELETE", ["sessions", _]) | ("DELETE", ["streams" | "names", _]) => Self::One,
            ("PUT" | "DELETE", ["rooms", _, "members", _]) => Self::One,
            ("POST", ["rooms", _, "emit"]) => Self::Emit,
            ("PUT" | "DELETE", ["reserved", _]) => Self::Each,
            ("POST", ["drain"]) => Self::Named,
            _ => return None,
        })
    }
}

const API: &str = "/admin/api/";

/// Answers a request for those nodes that are meant: `said` says which, and without it all are.
pub(super) async fn answer(
    (office, membership): (&Office, &Membership),
    said: Option<&str>,
    request: Request,
    next: Next,
) -> Result<Response, Fault> {
    let all = Node::all(membership);
    let Some(way) = Way::of(request.method(), request.uri().path()) else { return Ok(next.run(request).await) };
    let nodes = match said {
        Some(said) => vec![Node::called(said, all)?],
        None if all.len() == 1 || way == Way::Named => return Ok(next.run(request).await),
        None => all,
    };
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_MAX).await.map_err(|_| Fault::too_large(format!("a body has at most {BODY_MAX} bytes")))?;
    let asking = Asking { office, membership, parts, body, next };
    match way {
        Way::Table => {
            let limit = Paging::of(asking.parts.uri.query().map(str::to_owned))?.limit();
            asking.merged(&nodes, |answers, missing| merged::list(answers, limit, missing)).await
        }
        Way::Events => {
            let paging = Paging::of(asking.parts.uri.query().map(str::to_owned))?;
            if paging.goes_on() && nodes.len() > 1 {
                return Err(Fault::bad("events have numbers of each node's own: say of which with node"));
            }
            asking.merged(&nodes, |answers, missing| merged::events(answers, paging.limit(), missing)).await
        }
        Way::Overview => {
            // Of several it is the one that is asked whose own matters are told.
            let own = nodes.first().map(|node| node.name.clone()).unwrap_or_default();
            let sum = |answers: &[Answer], missing| {
                let first = answers.iter().find(|(node, _)| *node == own).and_then(|(_, body)| serde_json::from_slice(body).ok());
                let others: Vec<Answer> = answers.iter().filter(|(node, _)| *node != own).cloned().collect();
                merged::overview(&own, first.unwrap_or_default(), &others, missing).to_string()
            };
            asking.merged(&nodes, sum).await
        }
        Way::One => asking.one(&nodes).await,
        Way::Emit => asking.emit(&nodes).await,
        Way::Each | Way::Named => asking.each(&nodes).await,
    }
}

impl Node {
    /// All of them, this one first.
    fn all(membership: &Membership) -> Vec<Self> {
        let here = Self::new(membership.process(), membership.address(), None);
        let others = membership.neighbours().into_iter();
        std::iter::once(here).chain(others.map(|other| Self::new(other.0.process, other.1.clone(), Some(other)))).collect()
    }

    fn new(process: Uuid, address: Arc<str>, other: Option<Other>) -> Self {
        Self { name: short(process), id: process.simple().to_string(), address, other }
    }

    /// The one that is meant.
    fn called(said: &str, all: Vec<Self>) -> Result<Self, Fault> {
        let mut meant: Vec<Self> = all.into_iter().filter(|node| node.is(said)).collect();
        match (meant.pop(), meant.is_empty()) {
            (Some(node), true) => Ok(node),
            (Some(_), false) => Err(Fault::bad("the ids of several nodes begin like that: write more of it")),
            (None, _) => {
                Err(Fault::no_node(format!("no node of this cluster is called {said:?}: the overview tells which there are (nodes)")))
            }
        }
    }

    fn is(&self, said: &str) -> bool {
        if *self.address == *said || (self.other.is_none() && said == SELF) {
            return true;
        }
        // As the overview tells it, with the life behind it, too.
        let digits: String = said.split('.').next().unwrap_or_default().chars().filter(|digit| *digit != '-').collect();
        let is_id = digits.len() >= DIGITS_MIN && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id && self.id.starts_with(&digits.to_ascii_lowercase())
    }
}

/// A request that goes to nodes.
struct Asking<'a> {
    office: &'a Office,
    membership: &'a Membership,
    parts: Parts,
    body: Bytes,
    next: Next,
}

/// What was answered: by which node, with which status, and what.
type Said<'a> = (&'a Node, StatusCode, Bytes);

impl Asking<'_> {
    /// What that node answers, if it does.
    async fn at<'n>(&self, node: &'n Node) -> Result<Said<'n>, &'n str> {
        let Some(other) = &node.other else {
            let request = Request::from_parts(self.parts.clone(), Body::from(self.body.clone()));
            let (parts, body) = self.next.clone().run(request).await.into_parts();
            return Ok((node, parts.status, to_bytes(body, usize::MAX).await.map_err(|_| node.name.as_str())?));
        };
        let wish = self.wish(self.parts.method.clone(), &self.parts.uri, self.body.clone());
        let answer = across::ask(self.membership, other, wish, PATIENCE).await;
        let (name, method, path) = (&node.name, &self.parts.method, self.parts.uri.path());
        match &answer {
            _ if method == Method::GET => {}
            Some((status, _)) if status.is_success() => self.acted(&format!("had the node {name} do {method} {path}")),
            Some(_) => {}
            // It may have done it.
            None => self.acted(&format!("asked the node {name} to do {method} {path}, and had no answer")),
        }
        let (status, body) = answer.ok_or(node.name.as_str())?;
        Ok((node, status, body))
    }

    fn acted(&self, did: &str) {
        self.office.chronicle.acted(&self.who(), did, None, None);
    }

    fn wish(&self, method: Method, uri: &Uri, body: Bytes) -> Wish<'_> {
        let sub = self.parts.extensions.get::<Caller>().and_then(|caller| caller.sub.as_deref());
        Wish { method, uri: own_part(uri), body, sub }
    }

    fn who(&self) -> String {
        self.parts.extensions.get::<Caller>().map(Caller::who).unwrap_or_default()
    }

    /// What all answered, and who did not.
    async fn all<'n>(&self, nodes: &'n [Node]) -> (Vec<Said<'n>>, Vec<String>) {
        let (mut said, mut missing) = (Vec::new(), Vec::new());
        for answer in join_all(nodes.iter().map(|node| self.at(node))).await {
            match answer {
                Ok(answer) => said.push(answer),
                Err(node) => missing.push(node.to_owned()),
            }
        }
        (said, missing)
    }

    /// One answer of those of all that have something to tell.
    async fn merged(&self, nodes: &[Node], merge: impl FnOnce(&[Answer], Vec<String>) -> String) -> Result<Response, Fault> {
        let (said, mut missing) = self.all(nodes).await;
        let (mut answers, mut nothing) = (Vec::new(), None);
        for (node, status, body) in said {
            match status {
                StatusCode::OK => answers.push((node.name.clone(), body)),
                StatusCode::NOT_FOUND => nothing = Some((status, body)),
                // What is wrong with the question is so everywhere.
                status if status.is_client_error() => return Ok(as_json(status, body)),
                _ => missing.push(node.name.clone()),
            }
        }
        match nothing {
            Some((status, body)) if answers.is_empty() && missing.is_empty() => Ok(as_json(status, body)),
            _ if answers.is_empty() => Err(silent(&missing, "ask again")),
            _ => Ok(as_json(StatusCode::OK, merge(&answers, missing).into())),
        }
    }

    /// The answer of the one that has it: this one, or whichever says so first.
    async fn one(&self, nodes: &[Node]) -> Result<Response, Fault> {
        let (here, others): (Vec<&Node>, Vec<&Node>) = nodes.iter().partition(|node| node.other.is_none());
        let (mut nothing, mut missing) = (None, Vec::new());
        for some in [here, others] {
            let mut asked: FuturesUnordered<_> = some.into_iter().map(|node| self.at(node)).collect();
            while let Some(answer) = asked.next().await {
                match answer {
                    Ok((_, StatusCode::NOT_FOUND, body)) => nothing = Some(body),
                    Ok((node, status, body)) => return Ok(self.told_by(node, status, body)),
                    Err(node) => missing.push(node.to_owned()),
                }
            }
        }
        match nothing {
            Some(body) if missing.is_empty() => Ok(as_json(StatusCode::NOT_FOUND, body)),
            _ => Err(silent(&missing, "no other has such a thing; ask again")),
        }
    }

    fn told_by(&self, node: &Node, status: StatusCode, body: Bytes) -> Response {
        match str::from_utf8(&body) {
            Ok(json) if self.parts.method == Method::GET && status == StatusCode::OK => {
                as_json(status, merged::with(json, "node", &node.name).into())
            }
            _ => as_json(status, body),
        }
    }

    /// Has one node that has the room speak: members at all nodes hear it.
    async fn emit(&self, nodes: &[Node]) -> Result<Response, Fault> {
        let path = self.parts.uri.path();
        let members = format!("{}/members?limit=1", path.strip_suffix("/emit").unwrap_or(path));
        let members: Uri = members.parse().map_err(|_| Fault::bad("that is no name of a room"))?;
        let mut nothing = None;
        if let Some(here) = nodes.iter().find(|node| node.other.is_none()) {
            match self.at(here).await {
                Ok((_, StatusCode::NOT_FOUND, body)) => nothing = Some(body),
                Ok((_, status, body)) => return Ok(as_json(status, body)),
                Err(_) => {}
            }
        }
        let others = nodes.iter().filter_map(|node| Some((node, node.other.as_ref()?)));
        // It is found first, for who is asked to speak and does not answer may have spoken.
        let look = |(node, other)| {
            let wish = self.wish(Method::GET, &members, Bytes::new());
            async move { (node, across::ask(self.membership, other, wish, PATIENCE).await) }
        };
        let mut missing = Vec::new();
        for (node, found) in join_all(others.map(look)).await {
            match found {
                Some((StatusCode::OK, _)) => {
                    let (_, status, body) =
                        self.at(node).await.map_err(|node| silent(&[node.to_owned()], "it may have done it all the same"))?;
                    return Ok(as_json(status, body));
                }
                Some((status, body)) => nothing = nothing.or((status == StatusCode::NOT_FOUND).then_some(body)),
                None => missing.push(node.name.clone()),
            }
        }
        match nothing {
            Some(body) if missing.is_empty() => Ok(as_json(StatusCode::NOT_FOUND, body)),
            _ => Err(silent(&missing, "no other has such a room; ask again")),
        }
    }

    /// Has it done at each of them: done it is where one had still to do it, and none refuses.
    async fn each(&self, nodes: &[Node]) -> Result<Response, Fault> {
        let (said, missing) = self.all(nodes).await;
        let is_refused = |(_, status, body): &Said<'_>| merged::is_refused(*status, body);
        if let Some((node, status, body)) = said.iter().find(|said| is_refused(said)) {
            let is_so_everywhere = said.iter().all(is_refused);
            return Ok(as_json(*status, if is_so_everywhere { body.clone() } else { merged::refused_by(&node.name, body) }));
        }
        if !missing.is_empty() {
            let rest = if nodes.len() > 1 { "it is done at the others; ask again" } else { "it may have done it all the same" };
            return Err(silent(&missing, rest));
        }
        let done = said.iter().find(|(_, status, _)| status.is_success()).or(said.first()).cloned();
        Ok(done.map_or_else(|| StatusCode::NO_CONTENT.into_response(), |(_, status, body)| as_json(status, body)))
    }
}

/// What a node is asked by: the path and the query, and nothing of where the one that asks was reached.
fn own_part(uri: &Uri) -> Uri {
    uri.path_and_query().cloned().map(Uri::from).unwrap_or_default()
}

fn silent(nodes: &[String], rest: &str) -> Fault {
    Fault::silent(format!("no answer in time from the node {}: {rest}", nodes.join(", ")))
}

fn as_json(status: StatusCode, body: Bytes) -> Response {
    if body.is_empty() {
        return status.into_response();
    }
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_called_by_its_id_by_the_beginning_of_that_or_by_its_address_whether_or_not_it_is_the_one_that_is_asked() {
        let process = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let here = || Node::new(process, "10.0.0.2:7070".into(), None);
        let id = NodeId { process, life: 1 };
        let there = || Node::new(process, "10.0.0.2:7070".into(), Some((id, "10.0.0.2:7070".into())));
        for said in ["0123", "01234567", "0123456789", "01234567-89AB-cdef", &process.to_string(), &id.to_string(), "10.0.0.2:7070"] {
            assert!(here().is(said) && there().is(said), "{said}");
        }
        for said in ["012", "01234568", "10.0.0.2:7071", ""] {
            assert!(!here().is(said) && !there().is(said), "{said}");
        }
        assert!(here().is(SELF) && !there().is(SELF));
        assert!(Node::called("0123", vec![here(), there()]).is_err(), "which of both is meant?");
    }
}
