//! A proxy with a port for peers and one for whoever runs it, and somebody who asks there.

use std::{net::SocketAddr, sync::Arc};

use browser_stream_client::{Listener, Peer, Stream};
use browser_stream_server::{
    Config, Proxy, StreamRouter, StreamServerProxy,
    token::{Asking, Authorizer, Identity, Refused, Rights, Verb},
};
use futures::{FutureExt, TryStreamExt, future::BoxFuture};
use harness::within;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A proxy with both ports.
pub struct Served {
    pub proxy: Proxy,
    pub names: StreamServerProxy,
    pub peers: SocketAddr,
    pub admin: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The rows of a list.
    pub fn rows(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["rows"].as_array().expect("rows").clone()
    }
}

impl Served {
    /// One where who asks from this machine may act.
    pub async fn start() -> Self {
        Self::with(|config| config.admin_actions = true, |proxy| proxy).await
    }

    pub async fn with(set: impl FnOnce(&mut Config), change: impl FnOnce(Proxy) -> Proxy) -> Self {
        let mut config = Config::default();
        config.admin = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        set(&mut config);
        let names = StreamServerProxy::with_limits("/browser-server", Arc::new(config.limits.clone()));
        let proxy = change(Proxy::new(config, StreamRouter::new().mount(names.clone())));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let peers = listener.local_addr().expect("bound");
        tokio::spawn({
            let proxy = proxy.clone();
            async move { proxy.serve(listener).await }
        });
        let listener = proxy.listen_admin().await.expect("a free port").expect("it is set");
        let admin = listener.local_addr().expect("bound");
        tokio::spawn({
            let proxy = proxy.clone();
            async move { proxy.serve_admin(listener).await }
        });
        Self { proxy, names, peers, admin }
    }

    pub async fn peer(&self) -> Peer {
        Peer::dial(format!("ws://{}/mux", self.peers)).await.expect("the proxy is there")
    }

    /// The answer to a request.
    pub async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut socket = TcpStream::connect(self.admin).await.expect("a connection");
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}");
        socket.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        within(socket.read_to_string(&mut answer)).await.expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// What the API answers to who asks from this machine.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", &format!("/admin/api/{path}"), HERE, "").await
    }

    /// The same for who does something.
    pub async fn act(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask(method, &format!("/admin/api/{path}"), &format!("{HERE}{JSON}"), body).await
    }

    /// Asks until the answer is as it is to be.
    pub async fn until(&self, path: &str, is: impl Fn(&Answer) -> bool) -> Answer {
        within(async {
            loop {
                let answer = self.get(path).await;
                if is(&answer) {
                    return answer;
                }
            }
        })
        .await
    }
}

/// From a host of this machine.
pub const HERE: &str = "host: localhost\r\n";

/// What changes something says so.
pub const JSON: &str = "content-type: application/json\r\n";

/// A client's stream to NAME and the server's end of it.
pub async fn pair(client: &Peer, listener: &mut Listener, resume: bool) -> (Stream, Stream) {
    let connect = client.client().connect("NAME").resume(resume);
    let (mine, theirs) = tokio::join!(within(connect.into_future()), async {
        within(listener.try_next()).await.expect("the name is held").expect("the listener goes on").accept()
    });
    (mine.expect("accepted"), theirs)
}

/// Whoever knows a word is somebody.
pub struct Words;

impl Authorizer for Words {
    fn authorize(&self, asking: Asking) -> BoxFuture<'_, Result<Identity, Refused>> {
        async move {
            let token = asking.token.ok_or(Refused::Missing)?;
            let admin = |of: &[&str]| {
                let patterns: Vec<_> = of.iter().map(|of| of.parse().expect("a pattern")).collect();
                Rights::none().with(Verb::Admin, &patterns)
            };
            match token.as_str() {
                "looks" => Ok(Identity::new("looker", admin(&["read"]))),
                "acts" => Ok(Identity::new("operator", admin(&["read", "act"]))),
                "scrapes" => Ok(Identity::new("prometheus", admin(&["metrics"]))),
                "serves" => Ok(Identity::new("ann", Rights::all())),
                _ => Err(Refused::Signature),
            }
        }
        .boxed()
    }
}
