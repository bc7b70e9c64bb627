//! `bss listen`: a server under a name, in one line of shell.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use browser_stream_client::{Code, Connection, Listener, seal::Keys};
use clap::Args;
use futures::StreamExt;
use tokio::{
    io::{AsyncRead, empty},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{Failure, Proxy, args::target, exec::Program, heard, keys, peer::Voice, pipe::Pipe, progress::Progress, standard::say, tcp};

/// What `bss listen` is told.
#[derive(Debug, Args)]
pub struct Listen {
    /// The name to serve under
    name: String,
    /// Serve the first client only, and end with it
    #[arg(long, conflicts_with_all = ["exec", "to"])]
    once: bool,
    /// Send stdin to that client
    #[arg(long, requires = "once")]
    stdin: bool,
    /// Run this for each client: its stdin and stdout are the stream
    #[arg(long, value_name = "COMMAND", conflicts_with = "to")]
    exec: Option<String>,
    /// Connect each client to this TCP service
    #[arg(long, value_name = "HOST:PORT", value_parser = target)]
    to: Option<String>,
    /// Clients of --exec and --to at the same time; others hear `busy`
    #[arg(long, value_name = "COUNT", default_value = "64", value_parser = clap::value_parser!(u16).range(1..))]
    max: u16,
    /// Let in who comes by HTTP, without a token: each request becomes a connection to the service, and the address is printed
    #[arg(long, requires = "to", conflicts_with = "sealed")]
    http: bool,
    /// Wait for the name where another has it
    #[arg(long)]
    standby: bool,
    /// Take sealed streams only, by the user's own keys or, with --sealed=KEYFILE (the = is needed), by those of this file; made if they are not there
    #[arg(long, value_name = "KEYFILE", num_args = 0..=1, require_equals = true, value_parser = keys::of_file)]
    sealed: Option<Option<Keys>>,
}

/// How long a client waits while another is served: the proxy would tell it `timeout` after 15 s.
const QUEUED_MAX: Duration = Duration::from_secs(10);
/// Clients that wait at once.
const QUEUE_MAX: usize = 16;
/// How long the service may take to be connected to.
const SERVICE_MAX: Duration = Duration::from_secs(10);

impl Listen {
    pub async fn run(mut self, proxy: &Proxy) -> Result<(), Failure> {
        let claim = proxy.server().listen(&self.name);
        let claim = if self.standby { claim.standby() } else { claim };
        let claim = if self.http { claim.http() } else { claim };
        let keys = match self.sealed.take() {
            None => None,
            Some(Some(keys)) => Some(keys),
            Some(None) => Some(keys::usual().map_err(|error| Failure::local("the key", &error))?),
        };
        let claim = if let Some(keys) = &keys { claim.sealed(keys) } else { claim };
        let listener = claim.await.map_err(|error| Failure::listen(&self.name, &error))?;
        if proxy.voice.connection {
            say(&format!("{}: serving", self.name));
        }
        if self.http && proxy.voice.address {
            say(&match listener.http() {
                Some(place) => format!("{}: at {}", self.name, place.url(proxy.url())),
                None => format!(
                    "{}: has no address, for the proxy has no host for it: see --http-host, which takes names of a-z, 0-9 and -",
                    self.name
                ),
            });
        }
        if let Some(keys) = keys.filter(|_| proxy.voice.address) {
            say(&format!("sealed: the address is {}", keys.address(&self.name)));
        }
        match (self.exec.take(), self.to.take()) {
            (Some(command), _) => self.each(listener, proxy.voice, Service::Program(command)).await,
            (None, Some(host)) => self.each(listener, proxy.voice, Service::Tcp(host)).await,
            (None, None) => self.one_by_one(listener, proxy.voice).await,
        }
    }

    /// One client after the other to stdout, or the first only.
    async fn one_by_one(&self, mut listener: Listener, voice: Voice) -> Result<(), Failure> {
        let mut queue = Queue::default();
        loop {
            let client = match queue.clients.pop_front() {
                Some((client, _)) => client,
                None => self.next(&mut listener).await?,
            };
            let serving = self.one(client, voice);
            tokio::pin!(serving);
            let done = loop {
                // The name is kept all the while: a client that comes back comes under it.
                tokio::select! {
                    done = &mut serving => break done,
                    client = self.next(&mut listener) => match (client?, self.once) {
                        (client, true) => client.refuse(Code::Busy, "one client is served here, and another came first"),
                        (client, false) => queue.push(client),
                    },
                    () = queue.late() => {}
                }
            };
            match done {
                Err(failure) if self.once || failure.is_local() => return Err(failure),
                Err(failure) => say(&failure.to_string()),
                Ok(()) if self.once => {
                    heard(&listener).await;
                    return Ok(());
                }
                Ok(()) => {}
            }
        }
    }

    async fn one(&self, client: Connection, voice: Voice) -> Result<(), Failure> {
        let input: Box<dyn AsyncRead + Send + Unpin> = if self.stdin { Box::new(tokio::io::stdin()) } else { Box::new(empty()) };
        let mut progress = Progress::new(voice, true, &self.name);
        let mut pipe = Pipe::new(client.accept(), input, Some(tokio::io::stdout()));
        pipe.ends_last = !self.stdin;
        let carried = pipe.run(Some(&mut progress)).await;
        let carried = carried.map_err(|broken| broken.failure(&self.name))?;
        if voice.clients {
            say(&format!("{}: a client is done, {} bytes from it, {} to it", self.name, carried.received, carried.sent));
        }
        Ok(())
    }

    /// A task for each client, so many at once.
    async fn each(&self, mut listener: Listener, voice: Voice, service: Service) -> Result<(), Failure> {
        let (service, mut clients) = (Arc::new(service), JoinSet::new());
        let name: Arc<str> = self.name.as_str().into();
        loop {
            tokio::select! {
                client = self.next(&mut listener) => {
                    let client = client?;
                    if clients.len() >= usize::from(self.max) {
                        client.refuse(Code::Busy, "as many clients are served as may be at once: try again later");
                        continue;
                    }
                    let (service, name) = (Arc::clone(&service), Arc::clone(&name));
                    clients.spawn(async move {
                        if let Some(told) = service.serve(client, &name, voice).await {
                            say(&told);
                        }
                    });
                }
                Some(_) = clients.join_next() => {}
            }
        }
    }

    async fn next(&self, listener: &mut Listener) -> Result<Connection, Failure> {
        match listener.next().await {
            Some(Ok(client)) => Ok(client),
            Some(Err(error)) => Err(Failure::listen(&self.name, &error)),
            None => std::future::pending().await,
        }
    }
}

/// What stands behind the name.
enum Service {
    Program(String),
    Tcp(String),
}

impl Service {
    /// Serves one client to its end: what there is to say of it.
    async fn serve(&self, client: Connection, name: &str, voice: Voice) -> Option<String> {
        let id = client.id().to_owned();
        let told = match self {
            Self::Program(command) => match Program::start(command, name, &client) {
                Ok(program) => match program.carry(client.accept()).await {
                    Ok(status) if status.success() => None,
                    Ok(status) => Some(format!("{name}: client {id}: the program ended with {status}")),
                    Err(broken) => Some(broken.between(name)),
                },
                Err(error) => {
                    client.refuse(Code::Busy, "the program behind this name cannot be started");
                    Some(format!("{name}: the program cannot be started: {error}"))
                }
            },
            Self::Tcp(host) => match connect(host).await {
                Ok(socket) => tcp::carry(client.accept(), socket).await.err().map(|broken| broken.between(name)),
                Err(error) => {
                    client.refuse(Code::Busy, format!("the service behind this name does not answer: {error}"));
                    Some(format!("{name}: no connection to {host}: {error}"))
                }
            },
        };
        told.or_else(|| voice.clients.then(|| format!("{name}: client {id} is done")))
    }
}

async fn connect(host: &str) -> std::io::Result<TcpStream> {
    timeout(SERVICE_MAX, TcpStream::connect(host)).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

/// Clients that wait for their turn, each with the moment until which it does.
#[derive(Default)]
struct Queue {
    clients: VecDeque<(Connection, Instant)>,
}

impl Queue {
    fn push(&mut self, client: Connection) {
        if self.clients.len() < QUEUE_MAX {
            self.clients.push_back((client, Instant::now() + QUEUED_MAX));
        } else {
            turn_away(client);
        }
    }

    /// Turns away who has waited long enough; resolves when somebody had to be, and never where nobody waits. Cancel-safe.
    async fn late(&mut self) {
        match self.clients.front() {
            Some((_, until)) => sleep_until(*until).await,
            None => std::future::pending().await,
        }
        if let Some((client, _)) = self.clients.pop_front() {
            turn_away(client);
        }
    }
}

fn turn_away(client: Connection) {
    client.refuse(Code::Busy, "another client is served: try again later");
}
