//! The Rust client against the proxy: in memory on a paused clock where times matter, over sockets where the network does.

mod bounds;
mod channels;
mod connect;
mod cuts;
mod ends;
mod evil;
mod facts;
mod leases;
mod listen;
mod lives;
mod metrics;
mod muxes;
mod posing;
mod readme;
mod reconnect;
mod restarts;
mod resume;
mod rooms;
mod script;
mod seal;
mod settled;
mod sockets;
mod talk;
mod tampering;
mod told;
