//! `bss listen`: a server under a name, in one line of shell.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use browser_stream_client::{Code, Connection, Listener, seal::Keys};
use clap::Args;
use futures::StreamExt;
use tokio::{
    io::{AsyncRead, empty},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Failure, Proxy,
    behind::{Behind, Service},
    heard, keys,
    peer::Voice,
    pipe::Pipe,
    progress::Progress,
    site,
    standard::say,
    target::target,
};

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
    /// Connect each client to this TCP service: host:port, a port of this machine, or http://host:port
    #[arg(long, value_name = "HOST:PORT", value_parser = target)]
    to: Option<String>,
    /// Clients of --exec and --to at the same time; others hear `busy`
    #[arg(long, value_name = "COUNT", default_value = "64", value_parser = clap::value_parser!(u16).range(1..))]
    max: u16,
    /// Let in who comes by HTTP, without a token: each request becomes a connection to the service, and the address is printed; with --verbose each request is told
    #[arg(long, requires = "to", conflicts_with_all = ["sealed", "exec"])]
    http: bool,
    /// Have visitors ask the service for this host, not for the one by which they came
    #[arg(long, value_name = "HOST", requires = "http", value_parser = host)]
    host_header: Option<String>,
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
        if self.http {
            site::tell(proxy, &self.name, listener.http()).await;
        }
        if let Some(keys) = keys.filter(|_| proxy.voice.address) {
            say(&format!("sealed: the address is {}", keys.address(&self.name)));
        }
        match (self.exec.take(), self.to.take()) {
            (Some(command), _) => self.each(listener, proxy.voice, Behind::Program(command)).await,
            (None, Some(target)) => {
                let service = Service { target, http: self.http, host: self.host_header.take() };
                self.each(listener, proxy.voice, Behind::Tcp(service)).await
            }
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
    async fn each(&self, mut listener: Listener, voice: Voice, behind: Behind) -> Result<(), Failure> {
        let (behind, mut clients) = (Arc::new(behind), JoinSet::new());
        let name: Arc<str> = self.name.as_str().into();
        loop {
            tokio::select! {
                client = self.next(&mut listener) => {
                    let client = client?;
                    if clients.len() >= usize::from(self.max) {
                        client.refuse(Code::Busy, "as many clients are served as may be at once: try again later");
                        continue;
                    }
                    let (behind, name) = (Arc::clone(&behind), Arc::clone(&name));
                    clients.spawn(async move {
                        if let Some(told) = behind.serve(client, &name, voice).await {
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

/// What can stand in a header as a host.
fn host(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if !text.is_empty() && text.bytes().all(fits) { Ok(text.to_owned()) } else { Err("write it as localhost or localhost:8000".into()) }
}

fn turn_away(client: Connection) {
    client.refuse(Code::Busy, "another client is served: try again later");
}
