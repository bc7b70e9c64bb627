//! What to compare with: a plain TCP relay that joins each connection to the one after it.

use anyhow::Result;
use tokio::{io::copy_bidirectional_with_sizes, net::TcpListener};

/// Prints its address and relays until it is killed, with `buffer` bytes per direction.
pub fn run(buffer: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (mut one, _) = listener.accept().await?;
            let (mut other, _) = listener.accept().await?;
            one.set_nodelay(true)?;
            other.set_nodelay(true)?;
            // A connection that breaks is that load's business; it reports it itself.
            tokio::spawn(async move { copy_bidirectional_with_sizes(&mut one, &mut other, buffer, buffer).await });
        }
    })
}
