//! What stands behind a name: a program for each client, or a service of TCP.

use std::{io, time::Duration};

use browser_stream_client::{Code, Connection, RefusalCode};
use tokio::{net::TcpStream, time::timeout};

use super::{
    exec::Program,
    peer::Voice,
    tcp,
    visit::{self, Visited, Visitor},
};

/// What clients are joined to.
pub enum Behind {
    Program(String),
    Tcp(Service),
}

/// A service, and how visitors of it are treated if there are any.
pub struct Service {
    pub target: String,
    /// Whether they are let in by HTTP.
    pub http: bool,
    /// Under which host they ask, as the service sees it.
    pub host: Option<String>,
}

/// How long a service may take to be connected to.
const SERVICE_MAX: Duration = Duration::from_secs(10);
/// What a visitor is told whose request goes nowhere, as a status (PROTOCOL.md, section 16).
const BAD_GATEWAY: RefusalCode = RefusalCode::Application(502);

impl Behind {
    /// Serves one client to its end: what there is to say of it.
    pub async fn serve(&self, client: Connection, name: &str, voice: Voice) -> Option<String> {
        let id = client.id().to_owned();
        let told = match self {
            Self::Program(command) => run(command, client, name).await,
            Self::Tcp(service) => match Visitor::of(&client).filter(|_| service.http) {
                Some(visitor) => return service.visited(visitor, client, name, voice).await,
                None => service.join(client, name).await,
            },
        };
        told.or_else(|| voice.clients.then(|| format!("{name}: client {id} is done")))
    }
}

async fn run(command: &str, client: Connection, name: &str) -> Option<String> {
    let id = client.id().to_owned();
    match Program::start(command, name, &client) {
        Ok(program) => match program.carry(client.accept()).await {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("{name}: client {id}: the program ended with {status}")),
            Err(broken) => Some(broken.between(name)),
        },
        Err(error) => {
            client.refuse(Code::Busy, "the program behind this name cannot be started");
            Some(format!("{name}: the program cannot be started: {error}"))
        }
    }
}

impl Service {
    async fn join(&self, client: Connection, name: &str) -> Option<String> {
        match self.connect().await {
            Ok(socket) => tcp::carry(client.accept(), socket).await.err().map(|broken| broken.between(name)),
            Err(error) => {
                client.refuse(Code::Busy, format!("the service behind this name does not answer: {error}"));
                Some(self.missing(name, &error))
            }
        }
    }

    /// The same for a visitor, whose comings and goings are no news unless somebody wants to see each.
    async fn visited(&self, visitor: Visitor, client: Connection, name: &str, voice: Voice) -> Option<String> {
        let socket = match self.connect().await {
            Ok(socket) => socket,
            Err(error) => {
                client.refuse(BAD_GATEWAY, "what stands behind this name does not answer");
                return Some(self.missing(name, &error));
            }
        };
        let Visited { line, broken } = visit::carry(visitor, client.accept(), socket, self.host.as_deref()).await;
        match broken {
            Some(broken) => Some(format!("{} ({line})", broken.between(name))),
            None => voice.clients.then(|| format!("{name}: {line}")),
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        timeout(SERVICE_MAX, TcpStream::connect(&self.target)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    fn missing(&self, name: &str, error: &io::Error) -> String {
        format!("{name}: no connection to {}: {error}", self.target)
    }
}
