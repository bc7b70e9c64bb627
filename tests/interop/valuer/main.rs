//! The Rust client's end of a stream of values, for the interop tests: `valuer MUX NAME serve|connect`.
//!
//! A server prints `serving`, sends back every value of its one client, whose meta names the codec, and ends at Ctrl-C. A client sends the values of
//! tests/vectors/values.json to a server that does the same, and prints how many came back as they were.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use browser_stream_client::{
    Peer, Stream,
    values::{Codec, Json, MsgPack, Value, Values},
};
use futures::TryStreamExt;
use serde::Deserialize;
use tokio::{
    io::split,
    signal::unix::{SignalKind, signal},
};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mux, name, role] = &arguments[..] else { bail!("usage: valuer MUX NAME serve|connect") };
    let peer = Peer::dial(mux).await?;
    match &role[..] {
        "serve" => {
            // Listened to before anything is printed: whoever reads `finished` may interrupt at once.
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut listener = peer.server().listen(name).await?;
            println!("serving");
            let stream = listener.try_next().await?.context("a client comes")?.accept();
            match stream.meta::<String>().as_deref() {
                Some("json") => echo(stream, Json).await?,
                _ => echo(stream, MsgPack).await?,
            }
            // Closing now would lose what has not arrived yet.
            println!("finished");
            interrupt.recv().await;
        }
        "connect" => println!("{} came back", send(peer.client().connect(name).await?).await?),
        _ => bail!("{role} is neither serve nor connect"),
    }
    peer.close().await;
    Ok(())
}

async fn echo(stream: Stream, codec: impl Codec) -> Result<()> {
    let mut values = Values::new(stream, codec);
    while let Some(value) = values.next::<Value>().await? {
        values.send(&value).await?;
    }
    Ok(values.finish().await?)
}

async fn send(stream: Stream) -> Result<usize> {
    let (reader, writer) = split(stream);
    let (mut reading, mut writing) = (Values::new(reader, MsgPack), Values::new(writer, MsgPack));
    let sent = facts()?;
    let sending = async {
        for value in &sent {
            writing.send(value).await?;
        }
        Ok(writing.finish().await?)
    };
    let receiving = async {
        let mut back = Vec::new();
        while let Some(value) = reading.next::<Value>().await? {
            back.push(value);
        }
        anyhow::Ok(back)
    };
    let ((), back) = tokio::try_join!(sending, receiving)?;
    // NaN is nothing's equal; how it is written shows what it is.
    let is_same = |(sent, back): &(&Value, &Value)| format!("{sent:?}") == format!("{back:?}");
    Ok(sent.iter().zip(&back).filter(is_same).count())
}

/// The values of the vectors, from their bytes.
fn facts() -> Result<Vec<Value>> {
    #[derive(Deserialize)]
    struct Vectors {
        values: Vec<Vector>,
    }
    #[derive(Deserialize)]
    struct Vector {
        msgpack: String,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/values.json");
    let vectors: Vectors = serde_json::from_str(&fs::read_to_string(path)?)?;
    vectors.values.iter().map(|vector| MsgPack.decode(&unhex(&vector.msgpack)?).map_err(anyhow::Error::from_boxed)).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let byte = |at| Ok(u8::from_str_radix(text.get(at..at + 2).context("an even number of digits")?, 16)?);
    (0..text.len()).step_by(2).map(byte).collect()
}
