//! Who talks to whom: paths, names, and the joining of a client with the server that it named.

mod connect;
mod events;
mod lease;
mod lease_key;
mod listen;
mod name;
mod registry;
mod router;
mod server_proxy;
mod watch;

pub use events::{Event, Events, Reason};
pub use lease_key::{LeaseKey, LeaseKeyError};
pub use name::{BadName, Name};
pub use router::{Handler, StreamRouter};
pub use server_proxy::{ConnectOptions, StreamServerProxy};
