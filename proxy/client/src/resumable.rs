//! Resumable streams over the mux (`proxy/RESUME.md`): what drives an [`Endpoint`](crate::resume::Endpoint) with sockets, a clock and random numbers.
//!
//! `shell` is what a program and the stream's task share, `driver` that task, `carrier` one stream of the mux under it; `opener` makes carriers
//! at the client, `arrivals` takes them at the server; `field` is what opens and replies say.

mod arrivals;
mod carrier;
mod driver;
mod field;
mod opener;
mod shell;

pub(crate) use arrivals::{Newborn, Resumption, join};
pub(crate) use field::{Asked, Asking, Field};
pub(crate) use opener::open;
pub(crate) use shell::Resumable;
