//! `bss trace`: between real peers and a real proxy, and over a capture of what they said.

use std::{fs, net::SocketAddr, process::Stdio, sync::Mutex};

use harness::{Capture, Way, pattern};
use rand::{Rng, SeedableRng, rngs::StdRng};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::tempdir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::program::{Ended, Program, Proxy, bss, run, serving, within};

/// A trace in front of a proxy, and where peers find it.
struct Trace {
    program: Program,
    url: String,
}

impl Trace {
    async fn start(args: &[&str], url: &str) -> Self {
        let mut program = Program::start(bss(&["trace", "--listen", "0"]).args(args).arg(url));
        let said = program.said().await;
        let here = said.strip_prefix("bss: tracing ").and_then(|rest| rest.split_once(" to ")).expect("where it is").0.to_owned();
        Self { program, url: here }
    }

    fn address(&self) -> SocketAddr {
        self.url.trim_start_matches("ws://").split('/').next().and_then(|address| address.parse().ok()).expect("an address")
    }

    /// All that was told, when it was interrupted.
    async fn told(self) -> String {
        self.program.signal(Signal::INT);
        let Ended { code, stdout, stderr } = self.program.ended().await;
        assert_eq!((code, stderr.as_str()), (Some(130), ""));
        String::from_utf8(stdout).expect("text")
    }
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// What is told of one side's frames, without what depends on when the other side's were seen.
fn of_side(objects: &[Value], side: &str) -> Vec<Value> {
    let told = objects.iter().filter(|object| object["side"] == side && object["kind"] != "tcp");
    let bare = |object: &Value| {
        let mut object = object.as_object().expect("an object").clone();
        object.retain(|name, _| !matches!(name.as_str(), "at" | "connection" | "late"));
        Value::Object(object)
    };
    told.map(bare).collect()
}

#[tokio::test]
async fn threat_17_a_megabyte_passes_a_live_trace_unchanged_and_each_frame_is_told_without_the_token() {
    let proxy = Proxy::start().await;
    let trace = Trace::start(&["--json", "--data"], &proxy.address.to_string()).await;
    let sent = pattern(17, 1 << 20);
    let server = serving(bss(&["listen", "echo", "--exec", "cat", "--token", "t0ps3cret"]).env("BSS_URL", &trace.url)).await;
    let mut client = bss(&["connect", "echo", "--meta", "{\"password\": \"t0ps3cret\"}"]);
    let got = run(client.env("BSS_URL", &trace.url).env("BSS_TOKEN", "t0ps3cret"), &sent).await;
    assert_eq!((got.code, got.stderr.as_str()), (Some(0), ""));
    assert!(got.stdout == sent, "{} bytes", got.stdout.len());
    server.signal(Signal::INT);
    server.ended().await;
    let text = trace.told().await;
    let hex: String = b"t0ps3cret".iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!text.contains("t0ps3cret") && !text.contains(&hex));
    let told = objects(&text);
    let of = |side: &str, kind: &str| told.iter().filter(|line| line["side"] == side && line["kind"] == kind).collect::<Vec<_>>();
    assert!(of("peer", "violation").is_empty() && of("proxy", "violation").is_empty(), "{:?}", of("peer", "violation"));
    assert!(of("proxy", "upgrade").iter().all(|line| line["status"] == 101 && line["subprotocol"] == "bss.1"));
    let paths =
        |side| of(side, "open").into_iter().map(|line| line["json"]["path"].as_str().expect("a path").to_owned()).collect::<Vec<_>>();
    let (listen, connect) = ("/browser-server/listen/echo", "/browser-server/connect/echo");
    assert_eq!(paths("peer"), ["/session", listen, "/session", connect]);
    assert_eq!(paths("proxy"), ["/browser-server/accept/echo"]);
    let hidden = |line: &Value| line["json"]["token"] == "(hidden)" || line["json"]["meta"]["password"] == "(hidden)";
    assert_eq!(of("peer", "open").into_iter().filter(|line| hidden(line)).count(), 3, "two tokens and a password");
    // Of the client's connection: the records of its stream are the stream's bytes, both ways, each once.
    let connection = &of("peer", "open")[3]["connection"];
    for side in ["peer", "proxy"] {
        let records: Vec<&Value> = of(side, "record").into_iter().filter(|line| line["connection"] == *connection).collect();
        let data = records.iter().filter(|line| line["type"] == "DATA");
        let (mut end, mut lengths) = (0, 0);
        for line in data {
            let (offset, length) = (line["offset"].as_u64().expect("an offset"), line["length"].as_u64().expect("a length"));
            let early = if end == 0 { offset } else { 0 };
            assert_eq!(offset, end + early, "{line}");
            let shown = (length as usize).min(64);
            let bytes: String = sent[offset as usize..][..shown].iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(line["hex"], bytes);
            (end, lengths) = (offset + length, lengths + length + early);
        }
        assert_eq!(lengths, 1 << 20, "{side}");
        assert!(records.iter().any(|line| line["type"] == "FIN" && line["total"] == 1 << 20), "{side}");
    }
}

/// Passes a connection on to `to`, and keeps what each side said until both have ended, in the order in which it came.
async fn recorder(to: SocketAddr) -> (SocketAddr, JoinHandle<Vec<(Way, Vec<u8>)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let recording = tokio::spawn(async move {
        let kept = Mutex::new(Vec::new());
        let (near, _) = listener.accept().await.expect("a peer");
        let far = TcpStream::connect(to).await.expect("it runs");
        let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (near.into_split(), far.into_split());
        let pass = async |way: Way, from: &mut tokio::net::tcp::OwnedReadHalf, to: &mut tokio::net::tcp::OwnedWriteHalf| {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(length @ 1..) = from.read(&mut buffer).await {
                kept.lock().expect("no panic").push((way, buffer[..length].to_vec()));
                if to.write_all(&buffer[..length]).await.is_err() {
                    return;
                }
            }
            // Who is gone by now needs to hear of no end.
            let _ = to.shutdown().await;
        };
        tokio::join!(pass(Way::Up, &mut from_near, &mut to_far), pass(Way::Down, &mut from_far, &mut to_near));
        kept.into_inner().expect("no panic")
    });
    (address, recording)
}

/// What a recorder of packets could have kept of it: segments of any length, some of them twice, some behind the one that follows.
fn captured(said: &[(Way, Vec<u8>)], random: &mut StdRng) -> Capture {
    let mut capture = Capture::new();
    for (way, bytes) in said {
        let first = capture.packets.len();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(random.random_range(1..=rest.len().min(1460)));
            capture.says(*way, now);
            rest = later;
        }
        for at in first..capture.packets.len() {
            match random.random_range(0..4) {
                0 if at + 1 < capture.packets.len() => capture.packets.swap(at, at + 1),
                1 => {
                    let again = capture.packets[random.random_range(first..=at)].clone();
                    capture.packets.insert(at, again);
                }
                _ => {}
            }
        }
    }
    capture.finishes(Way::Up);
    capture.finishes(Way::Down);
    capture
}

#[tokio::test]
async fn a_capture_of_a_session_tells_what_the_live_trace_told_though_segments_were_moved_and_sent_again() {
    let seed = rand::random();
    println!("seed {seed}");
    let proxy = Proxy::start().await;
    let _server = proxy.listen(&["listen", "echo", "--exec", "cat"]).await;
    let trace = Trace::start(&["--json"], &proxy.address.to_string()).await;
    let (recorder, recording) = recorder(trace.address()).await;
    let sent = pattern(seed, 300_000);
    let got = run(bss(&["connect", "echo"]).env("BSS_URL", recorder.to_string()), &sent).await;
    assert!(got.code == Some(0) && got.stdout == sent, "{}", got.stderr);
    // The trace has passed the connection's end on by then, and told all that came before it.
    let said = within(recording).await.expect("no panic");
    let live = objects(&trace.told().await);
    let folder = tempdir().expect("a folder");
    let capture = captured(&said, &mut StdRng::seed_from_u64(seed));
    for (name, bytes) in [("a.pcap", capture.pcap()), ("a.pcapng", capture.pcapng())] {
        let file = folder.path().join(name);
        fs::write(&file, &bytes).expect("written");
        let told = objects(&run(bss(&["trace", "--json"]).arg(&file), b"").await.stdout());
        let piped = objects(&run(&mut bss(&["trace", "--json", "--port", "8080", "-"]), &bytes).await.stdout());
        for side in ["peer", "proxy"] {
            let (live, told) = (of_side(&live, side), of_side(&told, side));
            assert!(live.len() > 20 && live == told, "{name}, {side}: {live:#?} {told:#?}");
            assert!(of_side(&piped, side) == live, "{name}, {side}");
        }
    }
}

#[tokio::test]
async fn lines_are_told_of_the_kinds_and_streams_that_were_asked_for() {
    let proxy = Proxy::start().await;
    let trace = Trace::start(&["--only", "open,reply", "--stream", "3"], &proxy.address.to_string()).await;
    assert_eq!(run(bss(&["ls"]).env("BSS_URL", &trace.url), b"").await.stdout(), "");
    let text = trace.told().await;
    let lines: Vec<&str> = text.lines().map(|line| &line[12..]).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0], r#"  1 →     3 open      {"path":"/browser-server/names"}"#);
    assert!(lines[1].starts_with(r#"  1 ←     3 reply     {"id":""#), "{text}");
}

#[tokio::test]
async fn a_proxy_over_tls_is_traced_by_its_fingerprint_and_one_that_is_not_there_is_told() {
    let folder = tempdir().expect("a folder");
    let serve = ["serve", "--bind", "127.0.0.1:0", "--tls", "self-signed", "--tls-dir", folder.path().to_str().expect("text")];
    let mut proxy = Program::start(bss(&serve).stderr(Stdio::null()));
    let url = proxy.line().await.trim_start_matches("browser-stream-server is at ").to_owned();
    let line = proxy.line().await;
    let fingerprint = line.rsplit(' ').next().expect("a fingerprint");
    let trace = Trace::start(&["--fingerprint", fingerprint, "--only", "open"], &url).await;
    assert_eq!(run(bss(&["ls"]).env("BSS_URL", &trace.url), b"").await.stdout(), "");
    let text = trace.told().await;
    assert!(text.contains(r#"open      {"path":"/browser-server/names"}"#), "{text}");
    for args in [&[][..], &["--fingerprint", &"00".repeat(32)]] {
        let trace = Trace::start(args, &url).await;
        run(bss(&["ls"]).env("BSS_URL", &trace.url), b"").await.failed(69, "no_proxy");
        let text = trace.told().await;
        assert!(text.contains("tcp       event=refused text=") && text.contains("certificate"), "{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_traced_is_said_in_one_line() {
    run(&mut bss(&["trace", "no-such-file"]), b"").await.failed(74, "no-such-file: ");
    run(&mut bss(&["trace", "-"]), b"no capture at all, but long enough")
        .await
        .failed(2, "bad_request: stdin: it is neither pcap nor pcapng");
    run(&mut bss(&["trace", "--listen", "0", "ftp://host/"]), b"").await.failed(2, "bad_request: \"ftp://host/\" is no URL of a proxy");
    run(&mut bss(&["trace", "wss://host/mux"]), b"").await.failed(2, "bad_request: --listen PORT is missing");
    let ended = run(&mut bss(&["trace", "--stream", "a", "-"]), b"").await;
    assert!(ended.code == Some(2) && ended.stderr.contains("a stream's number, as it stands in the lines"), "{ended:?}");
    let mut other = Capture::new();
    other.says(Way::Up, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let ended = run(&mut bss(&["trace", "-"]), &other.pcap()).await;
    assert!(ended.code == Some(0) && ended.stdout.is_empty(), "{ended:?}");
    assert!(
        ended.stderr.starts_with("bss: stdin: no connection in it begins with an upgrade") && ended.stderr.lines().count() == 1,
        "{ended:?}"
    );
    let told = run(&mut bss(&["trace", "-", "--port", "8080"]), &other.pcap()).await.stdout();
    assert!(told.lines().count() == 2 && told.contains("event=\"not decoded\""), "{told}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    run(&mut bss(&["trace", "--listen", &address, "h:1"]), b"").await.failed(74, "cannot listen on ");
    assert_eq!(run(&mut bss(&["trace"]), b"").await.code, Some(2));
    assert_eq!(run(&mut bss(&["trace", "--only", "nothing", "-"]), b"").await.code, Some(2));
}

#[tokio::test]
async fn a_reader_of_the_lines_that_is_gone_ends_the_trace_without_a_word() {
    let mut capture = Capture::new();
    capture.says(Way::Up, b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = bss(&["trace", "-"]);
    let ended = run(command.stdout(writer), &capture.pcap()).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(141), ""));
}
