//! `bss serve` as a node of a cluster: its secret, its NATS, and the port where other nodes come in.

use std::{fs, path::Path, sync::Arc};

use anyhow::Context;
use browser_stream_server::{
    LeaseKey, Proxy,
    cluster::{Nats, NatsBus, NatsOptions, Node, Secret, Timing},
    config::Cluster,
};
use tokio::net::TcpListener;

/// What a node reads from files that nobody else may read.
pub struct Membership {
    cluster: Cluster,
    secret: Secret,
    nats: NatsOptions,
}

/// Reads it.
pub fn membership(cluster: &Cluster) -> anyhow::Result<Membership> {
    let secret = Secret::read(&cluster.secret)?;
    let credentials = cluster.credentials.as_deref().map(|path| read(path, "--cluster-credentials")).transpose()?;
    if let Some(ca) = cluster.ca.as_deref() {
        read(ca, "--cluster-ca")?;
    }
    let servers = cluster.nats.iter().map(|url| url.as_str().to_owned()).collect();
    let nats = NatsOptions { servers, credentials, ca: cluster.ca.clone(), bucket: cluster.bucket.clone() };
    Ok(Membership { cluster: cluster.clone(), secret, nats })
}

impl Membership {
    /// The key of leases, which all nodes have as they have the secret.
    pub fn lease_key(&self) -> LeaseKey {
        LeaseKey::of_cluster(&self.secret)
    }

    /// Makes the proxy a node, and lets others in.
    pub async fn join(self, proxy: Proxy) -> anyhow::Result<Proxy> {
        let Cluster { listen, address, .. } = self.cluster;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen} for other nodes: choose another address with --cluster-listen"))?;
        // A port that the system chose.
        let address = if address == listen.to_string() { listener.local_addr()?.to_string() } else { address };
        let node = Node::start(Arc::new(Nats::with(self.nats.clone())), &address, Timing::default());
        tracing::info!(node = %node.id(), address, "a node of a cluster");
        let proxy = proxy.with_cluster(node, self.secret)?.with_bus(Arc::new(NatsBus::with(self.nats)));
        let serving = proxy.clone();
        tokio::spawn(async move { serving.serve_cluster(listener).await });
        Ok(proxy)
    }
}

fn read(path: &Path, flag: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path:?}: check the path given by {flag}, and whose file it is"))
}
