//! Of which node of its cluster a request is, where it says that.

use std::sync::Arc;

use axum::{
    extract::{Query, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{Uri, uri::PathAndQuery};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{fault::Fault, office::Office};

/// Of which node.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct Of {
    /// Where the proxy is one of a cluster: `self`, or the beginning of a node's id, or its address. Without it all nodes are asked, and whichever has a thing does what is to be done to it; to drain is for the one that is asked.
    node: Option<String>,
}

/// What it says of a node when it means the one that is asked.
pub(super) const SELF: &str = "self";

/// The middleware: a request of a node goes there, and one that says none is of all.
pub(super) async fn keep(State(office): State<Arc<Office>>, request: Request, next: Next) -> Response {
    reach(&office, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

async fn reach(office: &Office, mut request: Request, next: Next) -> Result<Response, Fault> {
    let node = if request.uri().query().is_some_and(|query| query.contains("node")) { taken(request.uri_mut())? } else { None };
    #[cfg(feature = "cluster")]
    {
        let inner = office.inner()?;
        if let Some(membership) = inner.membership.get() {
            return super::whole::answer((office, membership), node.as_deref(), request, next).await;
        }
    }
    #[cfg(not(feature = "cluster"))]
    let _ = office;
    match node.as_deref() {
        None | Some(SELF) => Ok(next.run(request).await),
        Some(_) => Err(Fault::no_node("this proxy is not one of several: leave out what node you mean")),
    }
}

/// What an address says of the node, which it does not say any more.
fn taken(uri: &mut Uri) -> Result<Option<String>, Fault> {
    let bad = |error: &dyn std::fmt::Display| Fault::bad(error.to_string());
    let Of { node } = Query::try_from_uri(uri).map_err(|error| bad(&error.body_text()))?.0;
    if node.is_some() {
        let is_of_node = |part: &&str| part.split('=').next() == Some("node");
        let rest: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(|part| !is_of_node(part)).collect();
        let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(format!("{}{query}", uri.path())).map_err(|error| bad(&error))?);
        *uri = Uri::from_parts(parts).map_err(|error| bad(&error))?;
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_the_node_is_taken_out_and_the_rest_stays_as_it_was() {
        for (said, node, rest) in [
            ("/names?limit=1&search=a%26node%3Db", None, "/names?limit=1&search=a%26node%3Db"),
            ("/names?limit=1&node=01ab&after=a%2Fb", Some("01ab"), "/names?limit=1&after=a%2Fb"),
            ("/names?node=10.0.0.1%3A7070", Some("10.0.0.1:7070"), "/names"),
            ("/names?nodes=1", None, "/names?nodes=1"),
            ("/names", None, "/names"),
        ] {
            let mut uri: Uri = said.parse().expect("an address");
            assert_eq!(taken(&mut uri).ok().flatten().as_deref(), node, "{said}");
            assert_eq!(uri, rest);
        }
        let mut twice: Uri = "/names?node=a&node=b".parse().expect("an address");
        assert!(taken(&mut twice).is_err(), "which of both is meant?");
    }
}
