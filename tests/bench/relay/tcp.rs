//! Baseline b: a plain TCP relay that joins each connection to the one after it.

use anyhow::Result;
use tokio::{io::copy_bidirectional_with_sizes, net::TcpListener};

/// Relays with `buffer` bytes per direction.
pub async fn run(listener: TcpListener, buffer: usize) -> Result<()> {
    loop {
        let (mut one, _) = listener.accept().await?;
        let (mut other, _) = listener.accept().await?;
        one.set_nodelay(true)?;
        other.set_nodelay(true)?;
        // A connection that breaks is that load's business; it reports it itself.
        tokio::spawn(async move { copy_bidirectional_with_sizes(&mut one, &mut other, buffer, buffer).await });
    }
}
