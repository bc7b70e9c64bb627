//! The table at a host of its own, and the way to it: lines of JSON over the simulated TCP.

use std::{net::Ipv4Addr, time::Duration};

use browser_stream_server::cluster::{Adapter, Change, Expected, Local, Outcome, Place, Row, Write};
use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    time::{sleep, timeout},
};
use turmoil::net::{TcpListener, TcpStream};

/// The host that has the table.
pub const TABLE: &str = "table";
const PORT: u16 = 4222;
/// What is no answer by then is none, as with NATS.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// So often one who listens is told that there is nothing new; without, it begins anew.
const BEAT: Duration = Duration::from_secs(1);
const SILENCE_MAX: Duration = Duration::from_secs(4);
const RETRY: Duration = Duration::from_millis(500);

/// Keeps the table for whoever comes, until the host crashes; what was written is there again when it is back.
pub async fn keep(table: Local) -> turmoil::Result {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        // Whoever is cut off comes again.
        tokio::spawn(serve(stream, table.clone()));
    }
}

/// One who writes a row, or listens.
async fn serve(stream: TcpStream, table: Local) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let asked = line(&mut stream).await?;
    if asked != "changes" {
        let outcome = table.write(write_from(&parse(&asked))).await;
        return say(&mut stream, &outcome_to(outcome)).await;
    }
    let mut changes = table.changes();
    loop {
        let told = tokio::select! {
            change = changes.next() => change.as_ref().map_or(Value::Null, change_to),
            () = sleep(BEAT) => Value::Null,
        };
        say(&mut stream, &told).await?;
    }
}

/// The way to that host.
pub struct Distant;

impl Adapter for Distant {
    fn write(&self, write: Write) -> BoxFuture<'static, Outcome> {
        let asked = async move {
            let mut stream = BufReader::new(TcpStream::connect((TABLE, PORT)).await?);
            say(&mut stream, &write_to(&write)).await?;
            line(&mut stream).await
        };
        timeout(ANSWER_MAX, asked)
            .map(|answered| match answered {
                Ok(Ok(answer)) => outcome_from(&parse(&answer)),
                _ => Outcome::Unknown,
            })
            .boxed()
    }

    fn changes(&self) -> BoxStream<'static, Change> {
        // Whose connection is gone, or silent, hears all anew.
        stream::unfold((), |()| async { Some((heard().await, ())) }).flatten().boxed()
    }
}

/// What one connection tells, to its end.
async fn heard() -> BoxStream<'static, Change> {
    sleep(RETRY).await;
    let listening = async {
        let mut stream = BufReader::new(TcpStream::connect((TABLE, PORT)).await?);
        stream.write_all(b"changes\n").await?;
        std::io::Result::Ok(stream)
    };
    let Ok(Ok(stream)) = timeout(ANSWER_MAX, listening).await else { return stream::empty().boxed() };
    let told = stream::unfold(stream, |mut stream| async {
        let told = timeout(SILENCE_MAX, line(&mut stream)).await.ok()?.ok()?;
        Some((parse(&told), stream))
    });
    told.filter_map(|told| std::future::ready(change_from(&told))).boxed()
}

async fn line(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}

async fn say(stream: &mut BufReader<TcpStream>, value: &Value) -> std::io::Result<()> {
    stream.write_all(format!("{value}\n").as_bytes()).await
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("the other end writes JSON")
}

fn write_to(Write { row, expected }: &Write) -> Value {
    let expected = match expected {
        Expected::Absent => Value::Null,
        Expected::At(revision) => json!(revision),
    };
    json!({ "row": row_to(row), "expected": expected })
}

fn write_from(value: &Value) -> Write {
    Write { row: row_from(&value["row"]), expected: value["expected"].as_u64().map_or(Expected::Absent, Expected::At) }
}

fn outcome_to(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Done(revision) => json!(revision),
        Outcome::Conflict => json!("conflict"),
        Outcome::Unknown => Value::Null,
    }
}

fn outcome_from(value: &Value) -> Outcome {
    match value {
        Value::Number(_) => value.as_u64().map_or(Outcome::Unknown, Outcome::Done),
        Value::String(_) => Outcome::Conflict,
        _ => Outcome::Unknown,
    }
}

fn change_to(change: &Change) -> Value {
    match change {
        Change::Begun => json!("begun"),
        Change::Current => json!("current"),
        Change::Newest(revision) => json!({ "newest": revision }),
        Change::Row(row, revision) => json!({ "row": row_to(row), "revision": revision }),
    }
}

fn change_from(value: &Value) -> Option<Change> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(if text == "begun" { Change::Begun } else { Change::Current }),
        _ => Some(match value["newest"].as_u64() {
            Some(revision) => Change::Newest(revision),
            None => Change::Row(row_from(&value["row"]), value["revision"].as_u64().expect("it has a number")),
        }),
    }
}

fn row_to(row: &Row) -> Value {
    match row {
        Row::Node(id, row) => json!({ "node": id, "is": row }),
        Row::Name(place, row) => json!({ "prefix": &*place.prefix, "name": &*place.name, "is": row }),
    }
}

fn row_from(value: &Value) -> Row {
    let text = |key: &str| value[key].as_str().expect("it is text").into();
    fn is<T: serde::de::DeserializeOwned>(value: &Value) -> T {
        T::deserialize(value).expect("it was a row")
    }
    match value.get("node") {
        Some(id) => Row::Node(is(id), is(&value["is"])),
        None => Row::Name(Place { prefix: text("prefix"), name: text("name") }, is(&value["is"])),
    }
}
