//! `bss serve` as a node of a cluster: its secret, its NATS, and the port where other nodes come in.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use browser_stream_server::{
    LeaseKey, Proxy,
    cluster::{Nats, NatsBus, NatsError, NatsOptions, Node, Secret, Stranger, Timing},
    config::Cluster,
};
use futures::FutureExt;
use tokio::{net::TcpListener, time::sleep};

/// What a node reads from files that nobody else may read.
pub struct Membership {
    cluster: Cluster,
    secret: Secret,
    nats: NatsOptions,
}

/// A node at work.
pub struct Joined {
    node: Node,
    bucket: String,
}

/// Settings with which this node has no place among those that are there.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// A NATS that cannot be used.
    #[error(transparent)]
    Nats(NatsError),
    /// The secret.
    #[error(
        "node {} at {:?} is in the bucket {bucket:?} with another secret or key of leases, or is of another version of bss: give all nodes the same --cluster-secret, and the same --lease-key or none, and each cluster a --cluster-bucket of its own",
        .other.node, .other.address
    )]
    Secret {
        /// Who has another.
        other: Stranger,
        /// Where both are.
        bucket: String,
    },
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

    /// Makes the proxy a node, and lets others in. Returns when it has joined those that are there; without NATS, or after a while, sooner.
    pub async fn join(self, proxy: &Proxy, lease_key: &LeaseKey) -> anyhow::Result<Joined> {
        let Cluster { listen, address, bucket, .. } = self.cluster;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen} for other nodes: choose another address with --cluster-listen"))?;
        // A port that the system chose.
        let address = if address == listen.to_string() { listener.local_addr()?.to_string() } else { address };
        let nats = Nats::with(self.nats.clone());
        let node = Node::start_with(Arc::new(nats.clone()), &address, lease_key.shown_by(&self.secret), Timing::default());
        tracing::info!(node = %node.id(), address, bucket, "a node of a cluster");
        let serving = proxy.clone().with_cluster(node.clone(), self.secret)?.with_bus(Arc::new(NatsBus::with(self.nats)));
        tokio::spawn(async move { serving.serve_cluster(listener).await });
        let joined = Joined { node, bucket };
        match nats.reach().await {
            Ok(()) => joined.settle().await?,
            Err(error) if error.is_of_settings() => return Err(Unfit::Nats(error).into()),
            // The node says so, and joins when NATS is there.
            Err(_) => {}
        }
        Ok(joined)
    }
}

impl Joined {
    /// Waits for a place among the others, or for why there is none.
    async fn settle(&self) -> Result<(), Unfit> {
        tokio::select! {
            unfit = self.unfit() => return Err(unfit),
            () = self.node.joined() => {}
            () = sleep(SETTLE_MAX) => {
                tracing::warn!(bucket = self.bucket, "has not joined the cluster of this bucket yet, and takes no names until then");
            }
        }
        Ok(())
    }

    /// Resolves when this node has no place among the others, which may be found out long after its start: when NATS comes.
    async fn unfit(&self) -> Unfit {
        Unfit::Secret { other: self.node.unwelcome().await, bucket: self.bucket.clone() }
    }

    /// Whether it has a place, as far as that is known.
    pub fn verdict(&self) -> Result<(), Unfit> {
        self.unfit().now_or_never().map_or(Ok(()), Err)
    }
}

/// Resolves when `stop` does, or when this node has no place among the others: [`Joined::verdict`] has the reason.
pub async fn or_unfit(stop: impl Future<Output = ()>, joined: Option<&Joined>) {
    match joined {
        None => stop.await,
        Some(joined) => tokio::select! {
            () = stop => {}
            unfit = joined.unfit() => tracing::error!("{unfit}"),
        },
    }
}

/// Whether that is for the settings to mend, and not for another try.
pub fn is_of_settings(error: &anyhow::Error) -> bool {
    error.is::<Unfit>()
}

fn read(path: &Path, flag: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path:?}: check the path given by {flag}, and whose file it is"))
}

/// A node that is there renews after 4 s: by then it is known to live.
const SETTLE_MAX: Duration = Duration::from_secs(6);
