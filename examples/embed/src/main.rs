//! The proxy inside a program of its own: one axum app with a page, the proxy at `/mux`, and a task that greets every tab that serves.
//!
//! `embed [PORT [WORD]]` listens on 127.0.0.1, port 8081 unless told otherwise. With a word, only who shows it as its token may serve.

mod door;

use anyhow::{Context, Result};
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use browser_stream_server::{Config, Event, Proxy, StreamRouter, StreamServerProxy};
use door::Door;
use futures::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<()> {
    let port = std::env::args().nth(1).map_or(Ok(8081), |port| port.parse::<u16>());
    let port = port.context("usage: embed [PORT [WORD]]")?;

    let proxy = StreamServerProxy::new("/browser-server");
    tokio::spawn(watch(proxy.clone()));

    let router = StreamRouter::new().mount(proxy);
    let mut proxy = Proxy::new(Config::default(), router);
    if let Some(word) = std::env::args().nth(2) {
        proxy = proxy.with_authorizer(Door::new(word)?);
    }
    let app = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/mux", proxy.mux())
        // All else are the proxy's files: the library and the echo example.
        .fallback_service(Proxy::new(Config::default(), StreamRouter::new()).router());

    let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("port {port}"))?;
    println!("open http://{}/", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

/// Says which tabs come and go, and greets each one that comes.
async fn watch(proxy: StreamServerProxy) {
    let mut events = proxy.events();
    while let Some(event) = events.next().await {
        match event {
            Event::ServerCreated { name, .. } => {
                println!("server.created   {name}");
                let proxy = proxy.clone();
                tokio::spawn(async move {
                    match greet(&proxy, name.as_str()).await {
                        Ok(answer) => println!("                 {name} answered: {answer}"),
                        Err(error) => println!("                 {name} did not answer: {error:#}"),
                    }
                });
            }
            Event::ServerDestroyed { name, reason, .. } => println!("server.destroyed {name} ({reason:?})"),
            _ => {}
        }
    }
}

/// Connects to the tab that serves `name`, as any client would, but from inside this process.
async fn greet(proxy: &StreamServerProxy, name: &str) -> Result<String> {
    let mut stream = BufReader::new(proxy.connect(name).await?);
    stream.write_all(b"hello from the program\n").await?;
    let mut answer = String::new();
    stream.read_line(&mut answer).await?;
    stream.shutdown().await?;
    Ok(answer.trim_end().to_owned())
}

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A program with the proxy inside</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
<h1>A program with the proxy inside</h1>
<p class="lead">Serve a name in a tab, and this program says hello to it. Look at its terminal.</p>
<p><a class="button first" href="/examples/echo/">Open the echo example</a></p>
</html>
"#;
