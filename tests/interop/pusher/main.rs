//! A program with the proxy inside that has streams of its own, for the interop tests.
//!
//! It listens on a free port of 127.0.0.1. A page's stream to `/shout` comes back in upper case. Whenever somebody claims a name, each
//! session gets a stream at `/push`, and what its page makes of that is printed: `answered: TEXT`, or `refused: CODE`.

use std::sync::Arc;

use anyhow::Result;
use browser_stream_server::{Config, Event, Events, Opening, Proxy, Session, StreamRouter, StreamServerProxy};
use futures::StreamExt;
use serde_json::{json, value::to_raw_value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main]
async fn main() -> Result<()> {
    let names = StreamServerProxy::new("/browser-server");
    let mut config = Config::default();
    config.bind.set_port(0);
    let proxy = Proxy::new(config, StreamRouter::new().mount(names.clone()).route("/shout", shout));
    tokio::spawn(push(names.events(), proxy.clone()));
    let listener = proxy.listen().await?;
    println!("browser-stream-server is at {}", proxy.url(&listener)?);
    Ok(proxy.serve(listener).await?)
}

/// Sends back in upper case what comes, piece by piece, and finishes behind the page's finish.
async fn shout(opening: Opening) {
    let mut stream = opening.accept();
    let mut chunk = vec![0; 16 * 1024];
    let shouting = async {
        loop {
            match stream.read(&mut chunk).await? {
                0 => return stream.shutdown().await,
                read => {
                    chunk[..read].make_ascii_uppercase();
                    stream.write_all(&chunk[..read]).await?;
                }
            }
        }
    };
    if let Err(error) = shouting.await {
        eprintln!("a shout ended: {error}");
    }
}

/// An event does not say whose session claimed the name, so each claim is news for all of them.
async fn push(mut events: Events, proxy: Proxy) {
    while let Some(event) = events.next().await {
        if !matches!(event, Event::ServerCreated { .. }) {
            continue;
        }
        for session in proxy.sessions().list() {
            tokio::spawn(async move {
                if let Err(error) = tell(&session).await {
                    println!("failed: {error:#}");
                }
            });
        }
    }
}

async fn tell(session: &Arc<Session>) -> Result<()> {
    let mut stream = match session.open("/push", Some(to_raw_value(&json!({ "n": 1 }))?)).await {
        Ok(stream) => stream,
        Err(error) => {
            println!("refused: {}", error.code);
            return Ok(());
        }
    };
    stream.write_all(b"news").await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    println!("answered: {answer}");
    Ok(())
}
