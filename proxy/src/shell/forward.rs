//! `bss forward`: a name as a port of this machine.

use std::net::SocketAddr;

use clap::Args;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    Failure, Proxy,
    args::{Reach, address},
    peer::Voice,
    standard::{print, say},
    tcp,
};

/// What `bss forward` is told.
#[derive(Debug, Args)]
pub struct Forward {
    /// Where to listen: a port of the loopback address, or address:port; port 0 takes any free one
    #[arg(value_name = "ADDR", value_parser = address)]
    address: SocketAddr,
    /// The name to connect to
    name: String,
    #[command(flatten)]
    reach: Reach,
    /// Connections at the same time; the next ones wait
    #[arg(long, value_name = "COUNT", default_value = "256", value_parser = clap::value_parser!(u16).range(1..))]
    max: u16,
}

impl Forward {
    pub async fn run(self, proxy: &Proxy) -> Result<(), Failure> {
        let cannot = |error| Failure::local(format_args!("cannot listen on {}", self.address), &error);
        let listener = TcpListener::bind(self.address).await.map_err(cannot)?;
        let here = listener.local_addr().map_err(cannot)?;
        // Somebody may want only the port, and no pipe: that nobody reads it is no reason not to serve it.
        let _ = print(&format!("{} is at {here}\n", self.name)).await;
        proxy.warn_of_pins(&self.reach, &self.name);
        let client = proxy.client();
        let refused = proxy.refuses();
        tokio::pin!(refused);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept(), if connections.len() < usize::from(self.max) => match accepted {
                    Ok((socket, from)) => {
                        let (client, reach, name, voice) = (client.clone(), self.reach.clone(), self.name.clone(), proxy.voice);
                        connections.spawn(async move {
                            let opening = reach.open(&client, &name);
                            serve(opening, socket, from, &name, voice).await;
                        });
                    }
                    // One that broke before it was accepted says nothing about the next; without descriptors a moment helps.
                    Err(error) => {
                        say(&format!("{}: a connection was not accepted: {error}", self.name));
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                failure = &mut refused => return Err(failure),
            }
        }
    }
}

/// One connection, to its end.
async fn serve(opening: browser_stream_client::Connect, socket: TcpStream, from: SocketAddr, name: &str, voice: Voice) {
    let told = match opening.await {
        Ok(stream) => match tcp::carry(stream, socket).await {
            Ok(carried) if voice.clients => {
                Some(format!("{name}: {from} is done, {} bytes there, {} back", carried.sent, carried.received))
            }
            Ok(_) => None,
            Err(broken) => Some(broken.between(name)),
        },
        Err(error) => {
            tcp::reset(&socket);
            Some(Failure::connect(name, &error).to_string())
        }
    };
    if let Some(told) = told {
        say(&told);
    }
}
