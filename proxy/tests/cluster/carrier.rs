//! Sessions over HTTP whose requests come to whichever node a balancer gives them, which knows no sessions.

mod facts;
mod hostile;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::{Body, BodyDataStream},
    extract::ConnectInfo,
    response::Response,
};
use browser_stream_server::{
    Config, Limits, Proxy, StreamRouter, StreamServerProxy,
    cluster::{Local, Node, Secret, Timing},
};
use futures::StreamExt;
use harness::{Shim, until, within};
use http::Request;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

/// A ping of the mux, and its answer.
const PING: [u8; 12] = [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
const PONG: [u8; 12] = [0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7];

/// Whole proxies of one process, with the table in memory and links over sockets; who asks them by HTTP needs none.
pub struct Nodes {
    proxies: [Proxy; 3],
    nodes: [Node; 3],
    /// Between each and those that dial it.
    links: [Shim; 3],
}

/// A session over HTTP: what comes to its peer, and the secret that names it.
pub struct Down {
    body: BodyDataStream,
    raw: Vec<u8>,
    pub secret: String,
}

impl Nodes {
    /// Three of them, all of them in.
    pub async fn new(limit: impl Fn(&mut Limits)) -> Self {
        let table = Local::new();
        let secret = Secret::new(b"a secret that all nodes have, and nobody else").expect("long enough");
        let (mut proxies, mut nodes, mut links) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..3 {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let shim = Shim::start(listener.local_addr().expect("bound"), 1).await;
            let node = Node::start(Arc::new(table.clone()), &shim.address().to_string(), Timing::default());
            let mut config = Config::default();
            limit(&mut config.limits);
            let names = StreamServerProxy::with_limits("/browser-server", Arc::new(config.limits.clone()));
            let proxy = Proxy::new(config, StreamRouter::new().mount(names));
            let proxy = proxy.with_cluster(node.clone(), secret.clone()).expect("TLS");
            let serving = proxy.clone();
            tokio::spawn(async move { serving.serve_cluster(listener).await });
            proxies.push(proxy);
            nodes.push(node);
            links.push(shim);
        }
        let this = Self {
            proxies: proxies.try_into().ok().expect("three"),
            nodes: nodes.try_into().ok().expect("three"),
            links: links.try_into().ok().expect("three"),
        };
        until(|| this.nodes.iter().all(|node| node.is_in() && node.others().len() == 2)).await;
        this
    }

    /// What that node answers to a `POST` at its mux's path.
    async fn ask(&self, at: usize, headers: &[(&str, &str)], body: Body) -> Response {
        let here = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1)));
        let request = Request::post("/mux").header("host", "localhost").extension(here);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let router = TowerToHyperService::new(self.proxies[at].router());
        within(router.call(request.body(body).expect("a request"))).await.expect("it answers")
    }

    /// Begins a session at that node.
    pub async fn down(&self, at: usize) -> Down {
        let answer = self.ask(at, &[("bss-carrier", "down")], Body::empty()).await;
        assert_eq!(answer.status(), 200);
        let mut down = Down { body: answer.into_body().into_data_stream(), raw: Vec::new(), secret: String::new() };
        let hello = down.until(|records| records.iter().find(|(kind, _)| *kind == 1).map(|(_, body)| body.clone())).await;
        let hello: serde_json::Value = serde_json::from_slice(&hello).expect("JSON");
        down.secret = hello["connection"].as_str().expect("text").to_owned();
        down
    }

    /// The status with which that node answers a body.
    pub async fn up(&self, at: usize, secret: &str, number: u64, body: impl Into<Body>) -> u16 {
        self.up_as(at, secret, &number.to_string(), body).await
    }

    /// The same where a number need not be one.
    pub async fn up_as(&self, at: usize, secret: &str, number: &str, body: impl Into<Body>) -> u16 {
        let headers = [("bss-carrier", "up"), ("bss-connection", secret), ("bss-number", number)];
        self.ask(at, &headers, body.into()).await.status().as_u16()
    }

    /// A metric of that node, by its name and label.
    pub async fn metric(&self, at: usize, name: &str) -> u64 {
        let here = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1)));
        let request = Request::get("/metrics").header("host", "localhost").extension(here).body(Body::empty()).expect("a request");
        let answer = TowerToHyperService::new(self.proxies[at].admin_router()).call(request).await.expect("it answers");
        let text = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("a text");
        let text = String::from_utf8(text.to_vec()).expect("UTF-8");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect("it is told");
        value.parse().expect("a number")
    }

    /// How many bodies that node passed on.
    pub async fn passed(&self, at: usize) -> u64 {
        self.metric(at, "bss_cluster_http_ups_total").await
    }
}

impl Down {
    /// Reads until there is what is looked for in its records.
    async fn until<T>(&mut self, find: impl Fn(&[(u8, Vec<u8>)]) -> Option<T>) -> T {
        loop {
            if let Some(found) = find(&self.records()) {
                return found;
            }
            let chunk = within(self.body.next()).await.expect("it goes on").expect("no error");
            self.raw.extend_from_slice(&chunk);
        }
    }

    /// Reads until the answer to a ping has come, the only one so far.
    pub async fn pong(&mut self) {
        self.says(&PONG).await;
    }

    /// Reads until so many bytes of the mux have come, which are these.
    pub async fn says(&mut self, bytes: &[u8]) {
        let of_mux = |records: &[(u8, Vec<u8>)]| {
            let bytes = records.iter().filter(|(kind, _)| *kind == 0).flat_map(|(_, body)| body.clone());
            bytes.collect::<Vec<u8>>()
        };
        let came = self.until(|records| Some(of_mux(records)).filter(|came| came.len() >= bytes.len())).await;
        assert_eq!(came, bytes);
    }

    /// Takes out what has come as a whole: its bytes of the mux.
    fn take(&mut self) -> Vec<u8> {
        let records = self.records();
        self.raw.drain(..records.iter().map(|(_, body)| 4 + body.len()).sum::<usize>());
        records.into_iter().filter(|(kind, _)| *kind == 0).map(|(_, body)| body).collect::<Vec<_>>().concat()
    }

    /// What has come as a whole.
    fn records(&self) -> Vec<(u8, Vec<u8>)> {
        let (mut records, mut bytes) = (Vec::new(), &self.raw[..]);
        while let [kind, a, b, c, rest @ ..] = bytes {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let Some((body, behind)) = rest.split_at_checked(length) else { break };
            records.push((*kind, body.to_vec()));
            bytes = behind;
        }
        records
    }
}
