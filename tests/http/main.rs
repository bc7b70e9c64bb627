//! HTTP into a server: raw requests against the real proxy, and a server that answers by hand.

mod ends;
mod site;
mod smuggling;
mod visits;
