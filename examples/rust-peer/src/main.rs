//! A program that speaks to browser tabs with nothing but the stock `yamux` crate over a WebSocket.
//!
//! `rust-peer URL connect NAME` sends its input to the tab that serves NAME and prints what comes back;
//! `rust-peer URL listen NAME` serves an echo under NAME. URL is the proxy's, such as `ws://127.0.0.1:8080/mux`.

use std::future::{Future, poll_fn, ready};
use std::io::{self, BufRead};

use anyhow::{Context, Result, bail};
use futures::io::{AllowStdIo, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use futures::{SinkExt, StreamExt, TryStreamExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::compat::TokioAsyncReadCompatExt;
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

/// All that a name in a path does not write as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'~').remove(b'-');

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, role, name] = arguments.as_slice() else {
        bail!("usage: rust-peer ws://127.0.0.1:8080/mux connect|listen NAME");
    };
    let name = utf8_percent_encode(name, ENCODED);
    let socket = web_socket(url).await.with_context(|| format!("no proxy at {url}"))?;
    let mut session = yamux::Connection::new(socket, yamux::Config::default(), yamux::Mode::Client);
    let stream = poll_fn(|cx| session.poll_new_outbound(cx)).await?;
    match role.as_str() {
        "connect" => drive(session, connect(stream, format!("/browser-server/connect/{name}"))).await,
        "listen" => drive(session, listen(stream, format!("/browser-server/listen/{name}"))).await,
        _ => bail!("the role is `connect` or `listen`, not `{role}`"),
    }
}

/// The WebSocket as one plain stream of bytes: yamux does not care where messages begin and end.
async fn web_socket(url: &str) -> Result<impl AsyncRead + AsyncWrite + Unpin> {
    let (socket, _) = connect_async(url).await?;
    let (sink, stream) = socket.split();
    let messages = stream.map_ok(Message::into_data).map_err(io::Error::other);
    let sink = sink.with(|bytes| ready(Ok(Message::Binary(bytes)))).sink_map_err(|error: Error| io::Error::other(error));
    Ok(tokio::io::join(StreamReader::new(messages), SinkWriter::new(CopyToBytes::new(sink))).compat())
}

/// Moves the session's bytes until `work` is done. The crate does everything inside `poll_next_inbound`,
/// so it is polled all the time; a stream that comes in is a client of the name that this program serves.
async fn drive<S>(mut session: yamux::Connection<S>, work: impl Future<Output = Result<()>>) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                poll_fn(|cx| session.poll_close(cx)).await?;
                return done;
            }
            inbound = poll_fn(|cx| session.poll_next_inbound(cx)) => {
                let client = inbound.context("the proxy closed the connection")??;
                tokio::spawn(async move {
                    if let Err(error) = echo(client).await {
                        eprintln!("a client ended: {error:#}");
                    }
                });
            }
        }
    }
}

/// Opens a stream to whoever serves the name: our input there, the answer to standard output.
async fn connect(mut stream: yamux::Stream, path: String) -> Result<()> {
    write_frame(&mut stream, &json!({ "path": path })).await?;
    accepted(&read_frame(&mut stream).await?)?;
    let (mut reader, mut writer) = AsyncReadExt::split(stream);
    let mut input = input();
    tokio::spawn(async move {
        while let Some(bytes) = input.recv().await {
            writer.write_all(&bytes).await?;
            writer.flush().await?;
        }
        writer.close().await // A FIN: the other direction stays open for the rest of the answer.
    });
    futures::io::copy(&mut reader, &mut AllowStdIo::new(io::stdout())).await?;
    Ok(())
}

/// Claims the name and holds it for as long as this program runs.
async fn listen(mut control: yamux::Stream, path: String) -> Result<()> {
    write_frame(&mut control, &json!({ "path": path })).await?;
    accepted(&read_frame(&mut control).await?)?;
    eprintln!("serving; Ctrl-C ends it");
    // What follows on the control stream are notes that a program may ignore. Its end is the claim's end.
    let mut notes = futures::io::sink();
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        end = futures::io::copy(&mut control, &mut notes) => bail!("the name was lost ({end:?})"),
    }
    Ok(control.close().await?)
}

/// One client: the proxy's open, our reply, then bytes.
async fn echo(mut stream: yamux::Stream) -> Result<()> {
    let open = read_frame(&mut stream).await?;
    eprintln!("client {}", open["id"].as_str().unwrap_or("?"));
    write_frame(&mut stream, &json!({})).await?;
    let (reader, mut writer) = AsyncReadExt::split(stream);
    futures::io::copy(reader, &mut writer).await?;
    Ok(writer.close().await?)
}

/// Opens and replies are JSON behind their length in two bytes, big-endian.
async fn write_frame(stream: &mut yamux::Stream, value: &Value) -> Result<()> {
    let body = value.to_string();
    let length = u16::try_from(body.len())?;
    stream.write_all(&[&length.to_be_bytes(), body.as_bytes()].concat()).await?;
    Ok(stream.flush().await?)
}

async fn read_frame(stream: &mut yamux::Stream) -> Result<Value> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let mut body = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut body).await?;
    Ok(serde_json::from_slice(&body)?)
}

/// An error reply as an error, with its stable code in front.
fn accepted(reply: &Value) -> Result<()> {
    match reply.get("error") {
        Some(error) => bail!("{}: {}", error["code"].as_str().unwrap_or("?"), error["message"].as_str().unwrap_or("?")),
        None => Ok(()),
    }
}

/// Standard input as it comes, from a thread of its own: the program can end while a read waits.
fn input() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Ok(bytes) = input.fill_buf().map(<[u8]>::to_vec) {
            input.consume(bytes.len());
            if bytes.is_empty() || sender.blocking_send(bytes).is_err() {
                break;
            }
        }
    });
    receiver
}
