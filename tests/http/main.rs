//! HTTP into a server: raw requests against the real proxy, and a server that answers by hand.

mod ends;
mod frames;
mod http2;
mod pace;
mod site;
mod smuggling;
mod visits;
