//! `bss admin`.

use std::process::Stdio;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::program::{Ended, Program, Proxy, bss, run, within};

/// A proxy with a port for whoever runs it, and where that is.
struct Run {
    proxy: Proxy,
    admin: String,
}

impl Run {
    async fn start(args: &[&str]) -> Self {
        let mut command = bss(&["serve", "--bind", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let mut program = Program::start(command.args(args).env("RUST_LOG", "info").stderr(Stdio::piped()));
        let line = program.line().await;
        let address = line.trim_end_matches('/').rsplit('/').next().and_then(|address| address.parse().ok()).expect("an address");
        let admin = loop {
            let said = program.said().await;
            let at = said.split("http://").nth(1).and_then(|rest| rest.split_once("/metrics"));
            if let Some((admin, _)) = at {
                break admin.to_owned();
            }
        };
        // What it logs from now on nobody reads.
        let mut stderr = program.0.stderr.take().expect("piped");
        tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        Self { proxy: Proxy { program, address }, admin }
    }

    async fn admin(&self, args: &[&str]) -> Ended {
        run(&mut bss(&[&["admin", self.admin.as_str()], args].concat()), b"").await
    }

    async fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.admin(&[args, &["--json"]].concat()).await.stdout()).expect("JSON")
    }
}

#[tokio::test]
async fn what_there_is_is_shown_to_people_and_to_programs_and_changed_where_that_is_allowed() {
    let served = Run::start(&["--admin-actions"]).await;
    let listener = served.proxy.listen(&["listen", "a b \"日本\""]).await;
    let names = served.admin(&["names"]).await.stdout();
    let lines: Vec<&str> = names.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("NAME ") && lines[1].starts_with("/browser-server/a b \"日本\"  listening  "),
        "{names}"
    );
    let sessions = served.json(&["sessions"]).await;
    assert_eq!((sessions.as_array().map(Vec::len), &sessions[0]["names"]), (Some(1), &Value::from(1)));
    assert_eq!(served.json(&["names", "--search", "nothing"]).await, Value::Array(Vec::new()));
    let overview = served.admin(&["overview"]).await.stdout();
    assert!(overview.lines().any(|line| line.split_whitespace().eq(["sessions", "1"])), "{overview}");

    assert_eq!(served.admin(&["reserve", "kept"]).await.stdout(), "");
    served.admin(&["reserve", "kept"]).await.failed(73, "name_reserved: that name is reserved already");
    served.proxy.run(&["listen", "kept"], b"").await.failed(73, "name_reserved: kept: whoever runs the proxy keeps this name");
    assert_eq!(served.admin(&["unreserve", "kept"]).await.stdout(), "");
    assert_eq!(served.admin(&["release", "a b \"日本\""]).await.stdout(), "");
    let ended = listener.ended().await;
    assert_eq!((ended.code, ended.stderr.lines().last().unwrap_or_default().contains("took the name back")), (Some(70), true), "{ended:?}");
    let events = served.admin(&["events", "--search", "admin.action"]).await.stdout();
    assert_eq!(events.lines().count(), 4, "{events}");
    served.admin(&["emit", "nobody", "notice", "1"]).await.failed(68, "not_found: ");
    served.admin(&["close", "x"]).await.failed(2, "bad_request: ");
    served.admin(&["close", "ffff"]).await.failed(68, "not_found: there is no session whose id begins with ffff");
    let _other = served.proxy.listen(&["listen", "by its beginning"]).await;
    let held = served.json(&["names", "--search", "by its"]).await;
    let begin = held[0]["session"].as_str().and_then(|id| id.get(..8)).expect("an id");
    let streams = served.json(&["streams", "--search", begin]).await;
    let number = streams.as_array().into_iter().flatten().find_map(|row| row["id"].as_str()?.rsplit_once(':')).expect("a stream").1;
    assert_eq!(served.admin(&["reset", &format!("{begin}:{number}")]).await.stdout(), "");
    assert_eq!(served.admin(&["close", &begin.to_uppercase()]).await.stdout(), "");
    assert_eq!(served.admin(&["emit", "hall", "notice", "text"]).await.code, Some(2));

    assert_eq!(served.admin(&["drain", "--deadline", "0"]).await.stdout(), "");
    let ended = within(async { served.proxy.program.0.wait_with_output().await.expect("it ends") }).await;
    assert!(ended.status.success(), "{ended:?}");
}

#[tokio::test]
async fn who_may_not_is_told_so_and_where_nobody_answers_that_is_said() {
    let served = Run::start(&[]).await;
    served.admin(&["reserve", "kept"]).await.failed(77, "forbidden: start the proxy with --admin-actions, or show a token");
    run(&mut bss(&["admin", "127.0.0.1:1", "overview"]), b"").await.failed(69, "no_proxy: ");
    run(&mut bss(&["admin", "ftp://h", "overview"]), b"").await.failed(2, "bad_request: ");
    // What is no such port: the one for peers.
    run(&mut bss(&["admin", &served.proxy.address.to_string(), "overview"]), b"").await.failed(70, "unsupported: ");
}

#[tokio::test]
async fn threat_18_a_token_is_a_text_or_that_of_a_file_and_counts_and_no_error_shows_it() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-admin", std::process::id()));
    std::fs::create_dir_all(&folder).expect("made");
    let file = |name: &str| folder.join(name).to_str().expect("text").to_owned();
    let keys = run(&mut bss(&["token", "keygen", "--out", &file("signing.jwk")]), b"").await;
    std::fs::write(file("keys.json"), keys.stdout).expect("written");
    for (name, right) in [("reads", "read"), ("acts", "*")] {
        let minted =
            run(&mut bss(&["token", "mint", "--key", &file("signing.jwk"), "--sub", name, "--admin", right, "--ttl", "1h"]), b"").await;
        std::fs::write(file(name), minted.stdout).expect("written");
    }
    std::fs::write(file("wrong"), "no.token.at-all").expect("written");
    let served = Run::start(&["--tokens", &file("keys.json")]).await;
    served.admin(&["overview"]).await.stdout();
    served.admin(&["reserve", "kept"]).await.failed(77, "forbidden: ");
    let at = |name: &str| format!("@{}", file(name));
    let forbidden = "forbidden: this needs a token with the right admin=act";
    served.admin(&["reserve", "kept", "--token", &at("reads")]).await.failed(77, forbidden);
    let reads = std::fs::read_to_string(file("reads")).expect("text");
    let mut of_environment = bss(&["admin", &served.admin, "reserve", "kept"]);
    let ended = run(of_environment.env("BSS_TOKEN", reads.trim()), b"").await;
    assert!(ended.stderr.contains("the token is the one in BSS_TOKEN"), "{ended:?}");
    ended.failed(77, forbidden);
    // As in the other verbs it is the token itself, which no error shows.
    let ended = served.admin(&["reserve", "kept", "--token", reads.trim()]).await;
    assert!(!ended.stderr.contains("BSS_TOKEN") && !ended.stderr.contains("@FILE"), "{ended:?}");
    ended.failed(77, forbidden);
    for (token, status, is_advised) in
        [(reads.trim().repeat(9), 77, true), (file("reads"), 77, true), (at("wrong"), 77, false), (format!("@{}", reads.trim()), 74, false)]
    {
        let ended = served.admin(&["overview", "--token", &token]).await;
        assert!(ended.code == Some(status) && !ended.stderr.contains(token.trim_start_matches('@')), "{ended:?}");
        assert_eq!(ended.stderr.contains("@FILE reads it from a file"), is_advised, "{ended:?}");
    }
    assert_eq!(served.admin(&["overview", "--token", &at("nowhere")]).await.code, Some(74));
    assert_eq!(served.admin(&["reserve", "kept", "--token", &at("acts")]).await.stdout(), "");
    let events = served.json(&["events", "--search", "admin.action"]).await;
    assert_eq!(events[0]["text"], r#"reserved "kept", by "acts""#);
    std::fs::remove_dir_all(folder).expect("ours");
}

#[tokio::test]
async fn threat_19_connections_that_no_descriptor_is_left_for_are_counted() {
    let served = Run::start(&[]).await;
    let pid = Pid::from_raw(served.proxy.program.0.id().and_then(|id| id.try_into().ok()).expect("it runs"));
    let few = Rlimit { current: Some(48), ..getrlimit(Resource::Nofile) };
    prlimit(pid, Resource::Nofile, few).expect("it is ours");
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(within(TcpStream::connect(served.proxy.address)).await.expect("the system takes it"));
    }
    // Whoever asks for the numbers needs a descriptor, too.
    drop(held);
    within(async {
        loop {
            let overview = served.admin(&["overview", "--json"]).await;
            let counted = serde_json::from_slice(&overview.stdout).ok().and_then(|said: Value| said["refusals"]["descriptors"].as_u64());
            if counted.is_some_and(|count| count > 0) {
                break;
            }
        }
    })
    .await;
}
