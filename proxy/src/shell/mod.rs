//! Names from the shell: `bss` as a peer.
//!
//! `args` is what one types, `shown` the token in it, `token` what `bss` has to do with tokens, `peer` the connection to the proxy, `pipe` carries a stream to and from files, `tcp` to and from a socket, `exec` to and
//! from a process; `behind` is what `listen` joins clients to, `target` a service as it is typed, `visit` a visitor's request to that and `site` where visitors find it; `connect`, `listen`, `forward`, `list`, `trace`, `seed`, and `send` and `receive` of `exchange` are the commands, `failure` how they end when they do not end well,
//! `admin` asks the port for whoever runs the proxy, `describe` what the program says of itself, `escape` how a terminal is shown what a peer chose.

mod admin;
mod args;
mod behind;
#[cfg(feature = "cluster")]
mod cluster;
mod connect;
mod describe;
mod escape;
mod exchange;
mod exec;
mod failure;
mod forward;
mod guess;
mod hangup;
mod here;
mod identity;
mod interrupt;
mod keys;
mod list;
mod listen;
mod log;
mod peer;
mod pipe;
mod progress;
mod rate;
mod seed;
pub mod service;
mod shown;
mod site;
mod standard;
mod target;
mod tcp;
mod token;
mod trace;
mod trust;
mod visit;
mod welcome;

use std::{process::ExitCode, time::Duration};

use browser_stream_client::{Listener, swarm::SWARM_PREFIX};
use tokio::{runtime::Runtime, time::timeout};

use args::Far;
pub use args::{Args, Client, Command, Task};
#[cfg(feature = "cluster")]
pub use cluster::{Joined, Membership, is_of_settings, membership, or_unfit};
use failure::Failure;
pub use guess::unheard;
pub use hangup::Hangup;
pub use identity::identity;
use interrupt::Interrupt;
pub use log::log;
use peer::Proxy;
use seed::Seed;
pub use token::{authorizer, keep_fresh};
pub use welcome::welcome;

/// How long streams and names that are given up may take to be let go of.
const GIVEN_UP_MAX: Duration = Duration::from_secs(2);
/// How long both ends may take to know that all is there: the last word may have to go over a new connection.
const DONE_MAX: Duration = Duration::from_secs(10);

/// Does what was asked for until it is done, has failed, or is interrupted, and lets go of all that it held.
pub fn run(far: &Far, task: Task) -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::local("the runtime", &error).exit(),
    };
    let done = runtime.block_on(perform(far, task));
    // A read of the terminal that nobody waits for any more cannot be ended.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.exit(),
    }
}

async fn perform(far: &Far, task: Task) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen().map_err(|error| Failure::local("signals", &error))?;
    let proxy = tokio::select! {
        proxy = Proxy::dial(far, task.prefix()) => proxy?,
        failure = interrupt.comes() => return Err(failure),
    };
    let done = tokio::select! {
        biased;
        failure = interrupt.comes() => Err(failure),
        done = task.perform(&proxy) => done,
    };
    // From now on another interrupt ends the process at once.
    let was_interrupted = done.as_ref().is_err_and(Failure::is_signal);
    tokio::spawn(async move {
        let failure = if was_interrupted { interrupt.comes_again().await } else { interrupt.comes().await };
        std::process::exit(i32::from(failure.status()));
    });
    proxy.leave(if done.is_ok() { DONE_MAX } else { GIVEN_UP_MAX }).await;
    done
}

impl Task {
    async fn perform(self, proxy: &Proxy) -> Result<(), Failure> {
        match self {
            Self::Connect(connect) => connect.run(proxy).await,
            Self::Listen(listen) => listen.run(proxy).await,
            Self::Forward(forward) => forward.run(proxy).await,
            Self::List(list) => list.run(proxy).await,
            Self::Send(send) => send.run(proxy).await,
            Self::Receive(receive) => receive.run(proxy).await,
            Self::Seed(seeding) => seeding.run(proxy).await,
        }
    }

    /// Below which prefix its names are, where nothing else is said.
    fn prefix(&self) -> &'static str {
        match self {
            Self::Seed(_) => SWARM_PREFIX,
            _ => "/browser-server",
        }
    }
}

/// Hashes files, or writes a page, and then serves what is to be served.
pub fn seed(Client { task, far }: Client<Seed>) -> ExitCode {
    match task.prepare() {
        Ok(Some(seeding)) => run(&far, Task::Seed(seeding)),
        Ok(None) => ExitCode::SUCCESS,
        Err(failure) => failure.exit(),
    }
}

/// What `future` gives, unless it takes longer.
/// Waits until who was served knows that all is there: one whose connection was cut comes back under the name to hear so.
async fn heard(listener: &Listener) {
    soon(DONE_MAX, listener.settled()).await;
}

async fn soon(most: Duration, future: impl Future<Output = ()>) {
    // What is late has been told what to do, and the process ends now.
    let _ = timeout(most, future).await;
}
