//! The Rust client's end of a mux over one resumable stream, for the interop tests: `muxer MUX NAME serve|connect SEED BYTES`.
//!
//! A server prints `serving` first. Both ends then open streams to each other, and answer by what `meta` asks to do; what this end was answered is a line
//! of JSON at the end. The client closes the mux when the other end has said, in its log, that it is done.

use anyhow::{Context, Result, bail};
use browser_stream_client::{Incoming, MuxDemux, Peer, Role, Stream};
use futures::{StreamExt, TryStreamExt};
use harness::pattern;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, split},
    sync::mpsc,
};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mux, name, role, seed, bytes] = &arguments[..] else { bail!("usage: muxer MUX NAME serve|connect SEED BYTES") };
    let peer = Peer::dial(mux).await?;
    // Carriers come in under the name: it is held until the end.
    let mut listener = None;
    let (stream, role) = match &role[..] {
        "serve" => {
            let listener = listener.insert(peer.server().listen(name).await?);
            println!("serving");
            (listener.try_next().await?.context("a client comes")?.accept(), Role::Server)
        }
        "connect" => (peer.client().connect(name).await?, Role::Client),
        _ => bail!("{role} is neither serve nor connect"),
    };
    let (mux, incoming) = MuxDemux::over(stream, role);
    let (log, mut logged) = mpsc::channel(1);
    tokio::spawn(answer(incoming, log));
    let mut said = ask(&mux, &pattern(seed.parse()?, bytes.parse()?)).await?;
    said["logged"] = logged.recv().await.context("the other end is done")?;
    let ended = if role == Role::Client { mux.close().await } else { mux.closed().await };
    said["ended"] = json!(ended.map_err(|error| error.to_string()));
    println!("{said}");
    drop(listener);
    peer.close().await;
    Ok(())
}

/// Asks the other end for everything.
async fn ask(mux: &MuxDemux, sent: &[u8]) -> Result<Value> {
    let (echo, greeting, failure) = tokio::try_join!(echo(mux, sent), greeting(mux), failure(mux))?;
    let mut log = mux.create_write_stream(&json!({"do": "log", "odd": [null, "日本語", {"deep": -0.5}]})).await?;
    log.write_all(b"rust is done").await?;
    log.finish();
    Ok(json!({"echo": echo, "greeting": greeting, "failure": failure}))
}

/// Whether what comes back is what was sent.
async fn echo(mux: &MuxDemux, sent: &[u8]) -> Result<bool> {
    let (mut reader, mut writer) = split(mux.create_stream(&json!({"do": "echo"})).await?);
    let mut received = Vec::new();
    let writing = async {
        writer.write_all(sent).await?;
        writer.shutdown().await
    };
    tokio::try_join!(writing, reader.read_to_end(&mut received))?;
    Ok(received == sent)
}

async fn greeting(mux: &MuxDemux) -> Result<String> {
    let mut greeting = String::new();
    mux.create_read_stream(&json!({"do": "greet"})).await?.read_to_string(&mut greeting).await?;
    Ok(greeting)
}

async fn failure(mux: &MuxDemux) -> Result<Value> {
    let stream = mux.create_stream(&json!({"do": "juggle"})).await?;
    let error = stream.stopped().await;
    Ok(json!([error.to_string(), stream.message()]))
}

async fn answer(mut incoming: Incoming, log: mpsc::Sender<Value>) {
    while let Some((stream, meta)) = incoming.next().await {
        let log = log.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, meta, log).await {
                eprintln!("{error}");
            }
        });
    }
}

async fn serve(mut stream: Stream, meta: Value, log: mpsc::Sender<Value>) -> Result<()> {
    match meta["do"].as_str().unwrap_or_default() {
        "echo" => {
            let (mut reader, mut writer) = split(stream);
            copy(&mut reader, &mut writer).await?;
            writer.shutdown().await?;
        }
        "greet" => {
            stream.write_all("grüezi".as_bytes()).await?;
            stream.finish();
        }
        "log" => {
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            log.send(json!([meta, text])).await?;
        }
        other => stream.error_with(4001_u32, format!("rust does not {other}")),
    }
    Ok(())
}
