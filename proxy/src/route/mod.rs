//! Who talks to whom: paths, names, and the joining of a client with the server that it named.

#[cfg(feature = "cluster")]
mod abroad;
mod connect;
mod events;
mod http;
mod lease;
mod lease_key;
mod listen;
mod names;
mod registry;
mod router;
mod server_proxy;
mod tenure;
mod watch;
mod way;

pub use browser_stream_protocol::{BadName, Name};
pub(crate) use connect::wait;
pub use events::{Event, Events, Reason};
use http::HttpPlace;
pub(crate) use http::HttpPlaces;
pub use lease_key::{LeaseKey, LeaseKeyError};
#[cfg(feature = "admin")]
pub(crate) use registry::SeenName;
pub use router::{Handler, StreamRouter};
pub use server_proxy::{ConnectOptions, StreamServerProxy};
