//! `bss` in three processes, with NATS between them: peers at different nodes.

mod admin;
mod fanout;
mod flags;
mod lives;
mod moves;
mod races;
mod streams;

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use browser_stream_client::{ConnectError, Connection, Listener, Peer, Stream};
use browser_stream_server::Code;
use futures::TryStreamExt;
use harness::{Port, Shim, Way, within};
use serde_json::Value;
use tempfile::{TempDir, tempdir};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use super::{PATIENCE, nats::Server};

/// What all nodes have.
const SECRET: &str = "a secret that all of these nodes have, and nobody else\n";

/// A cluster of so many nodes.
pub struct Cluster {
    pub nats: Server,
    pub nodes: Vec<Node>,
    folder: TempDir,
}

/// A running `bss`, killed with the test.
pub struct Node {
    child: Child,
    address: SocketAddr,
    /// Where it tells its metrics.
    admin: SocketAddr,
    /// Between it and NATS.
    nats: Shim,
    /// Between it and nodes that dial it.
    pub links: Shim,
    /// In front of it: peers stay by its address wherever that leads.
    pub front: Shim,
    /// Of `--cluster-listen` and `--admin`, which it is told before it starts.
    _ports: [Port; 2],
}

impl Cluster {
    pub async fn start(count: usize) -> Self {
        let (nats, folder) = (Server::start().await, tempdir().expect("a folder"));
        std::fs::write(folder.path().join("secret"), SECRET).expect("written");
        let mut cluster = Self { nats, nodes: Vec::new(), folder };
        for _ in 0..count {
            cluster.add().await;
        }
        for node in &cluster.nodes {
            node.is_ready(true).await;
            node.knows(count).await;
        }
        cluster
    }

    /// One more node.
    pub async fn add(&mut self) {
        let nats = Shim::start(self.nats.address(), 1).await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_bss"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BSS_")) {
            command.env_remove(name);
        }
        let ports = [Port::hold(), Port::hold()];
        let [port, admin] = ports.each_ref().map(Port::address);
        let links = Shim::start(port, 1).await;
        let (url, listen, address) = (format!("nats://{}", nats.address()), port.to_string(), links.address().to_string());
        command.args(["serve", "--bind", "127.0.0.1:0", "--cluster", &url]);
        command.args(["--cluster-listen", &listen, "--cluster-address", &address]);
        command.args(["--admin", &admin.to_string(), "--admin-actions"]);
        command.arg("--cluster-secret").arg(self.folder.path().join("secret"));
        command.env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("bss starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = lines.next().expect("a line").expect("text");
        thread::spawn(move || lines.for_each(drop));
        let address: SocketAddr = line.rsplit("http://").next().and_then(|url| url.trim_end_matches('/').parse().ok()).expect("a URL");
        let front = Shim::start(address, 1).await;
        self.nodes.push(Node { child, address, admin, nats, links, front, _ports: ports });
    }

    /// A peer at that node.
    pub async fn peer(&self, at: usize) -> Peer {
        within(Peer::dial(self.nodes[at].front.mux()).into_future()).await.expect("the node is there")
    }

    /// Peers at each of the nodes.
    pub async fn peers<const N: usize>(&self) -> [Peer; N] {
        let mut peers = Vec::new();
        for at in 0..N {
            peers.push(self.peer(at).await);
        }
        peers.try_into().ok().expect("as many as nodes")
    }
}

impl Node {
    /// What `/readyz` answers.
    pub async fn readiness(&self) -> String {
        get(self.address, "/readyz").await
    }

    /// One of its metrics.
    pub async fn metric(&self, name: &str) -> u64 {
        let metrics = self.told("/metrics").await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect("it is told");
        value.parse().expect("a number")
    }

    /// What it tells whoever runs it.
    pub async fn told(&self, path: &str) -> String {
        get(self.admin, path).await
    }

    /// Where pages look on.
    pub fn admin_mux(&self) -> String {
        format!("ws://{}/admin/mux", self.admin)
    }

    /// What its API answers to whoever runs it: a status, and what is said.
    pub async fn asked(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let kind = "content-type: application/json\r\n";
        let head = format!(
            "{method} /admin/api/{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{kind}content-length: {}\r\n\r\n",
            body.len()
        );
        let answer = exchange(self.admin, &format!("{head}{body}")).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, if body.is_empty() { Value::Null } else { serde_json::from_str(body).expect("JSON") })
    }

    /// Waits until it says that it is ready, or that it is not for want of NATS.
    pub async fn is_ready(&self, ready: bool) {
        let says = if ready { "200 OK" } else { "cluster: this node does not reach NATS" };
        let begun = Instant::now();
        while !self.readiness().await.contains(says) {
            assert!(begun.elapsed() < PATIENCE, "not in time: {says}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until it counts so many nodes, itself among them.
    async fn knows(&self, nodes: usize) {
        let begun = Instant::now();
        while self.metric("bss_cluster_nodes").await != nodes as u64 {
            assert!(begun.elapsed() < PATIENCE, "it does not know of {nodes} nodes");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Nothing passes between it and NATS any more.
    pub fn cut_off(&self) {
        self.nats.stall(Way::Up);
        self.nats.stall(Way::Down);
        self.nats.refuse(true);
    }

    /// All passes again.
    pub fn let_through(&self) {
        self.nats.refuse(false);
        self.nats.resume();
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Tells it to go down, as a service manager does.
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) {
        let begun = Instant::now();
        while self.child.try_wait().expect("a child").is_none() {
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What is answered there.
async fn get(address: SocketAddr, path: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    socket.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    within(socket.read_to_string(&mut answer)).await.expect("text");
    answer
}

/// The next client of a server.
async fn next(listener: &mut Listener) -> Connection {
    within(listener.try_next()).await.expect("the name is held").expect("a client")
}

/// A stream between a client and a server, which ends with their connections.
async fn plain(client: &Peer, listener: &mut Listener) -> (Stream, Stream) {
    let connecting = client.client().connect(listener.name().to_owned()).resume(false).into_future();
    let (mine, theirs) = tokio::join!(within(connecting), async { next(listener).await.accept() });
    (mine.expect("accepted"), theirs)
}

/// The same where the connect may be refused, and where clients that gave up may come before it.
async fn meets(client: &Peer, listener: &mut Listener, wait: Duration) -> Result<(Stream, Stream), ConnectError> {
    let connecting = client.client().connect(listener.name().to_owned()).resume(false).wait(wait).into_future();
    let mut connecting = std::pin::pin!(within(connecting));
    let mut accepted = Vec::new();
    loop {
        tokio::select! {
            connected = &mut connecting => {
                let mine = connected?;
                let theirs = accepted.into_iter().find(|theirs: &Stream| theirs.id() == mine.id()).expect("its server has the same");
                return Ok((mine, theirs));
            }
            connection = listener.try_next() => accepted.push(connection.expect("the name is held").expect("a client").accept()),
        }
    }
}

/// A claim's refusal.
async fn refused(peer: &Peer, name: &str) -> Code {
    let refusal = within(peer.server().listen(name.to_owned()).into_future()).await.err().expect("it is refused");
    let browser_stream_client::ListenError::Refused(error) = refusal else { panic!("{refusal}") };
    Code::ALL.into_iter().find(|code| error.is(*code)).expect("a known code")
}
