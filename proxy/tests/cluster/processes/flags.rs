//! What a node is told at its start, and what it says where that is not enough.

use std::process::{Command, Stdio};

use harness::within;
use serde_json::Value;
use tempfile::tempdir;

use super::{super::nats::Server, Cluster, SECRET};

/// `bss serve` with an environment that says nothing.
fn serve() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bss"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BSS_")) {
        command.env_remove(name);
    }
    command.arg("serve").stdin(Stdio::null());
    command
}

/// How `bss serve --check` ends with these arguments more, and what it says.
fn checked(args: &[&str]) -> (Option<i32>, String) {
    let output = serve().arg("--check").args(args).output().expect("bss runs");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[test]
fn what_a_node_lacks_is_said_before_it_serves() {
    let folder = tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("text").to_owned()
    };
    let (secret, short) = (file("secret", "a secret of thirty-two bytes and more\n"), file("short", "hunter2\n"));
    let (nats, listen) = (["--cluster", "nats://127.0.0.1:4222"], ["--cluster-listen", "127.0.0.1:7070"]);
    let whole = [&nats[..], &listen, &["--cluster-secret", &secret]].concat();
    assert_eq!(checked(&whole), (Some(0), String::new()));
    for (args, says) in [
        ([&nats[..], &["--cluster-secret", &secret]].concat(), "--cluster-listen"),
        ([&nats[..], &listen].concat(), "openssl rand -hex 32"),
        ([&nats[..], &listen, &["--cluster-secret", &short]].concat(), "shorter than 32 bytes"),
        ([&nats[..], &listen, &["--cluster-secret", "/nowhere/at/all"]].concat(), "cannot read"),
        ([&nats[..], &["--cluster-listen", "0.0.0.0:7070", "--cluster-secret", &secret]].concat(), "--cluster-address"),
        ([&whole[..], &["--cluster-credentials", "/nowhere/at/all"]].concat(), "--cluster-credentials"),
        (vec!["--cluster-secret", &secret], "need --cluster"),
        (vec!["--cluster", "http://127.0.0.1"], "nats://127.0.0.1:4222"),
    ] {
        let (code, error) = checked(&args);
        assert!(code == Some(2) && error.contains(says) && error.lines().count() == 1, "{args:?}: {code:?} {error}");
    }
}

#[test]
fn a_file_says_it_in_a_table_of_its_own() {
    let folder = tempdir().expect("a folder");
    std::fs::write(folder.path().join("secret"), "a secret of thirty-two bytes and more\n").expect("written");
    let config = folder.path().join("bss.toml");
    let text = "[cluster]\nnats = [\"nats://127.0.0.1:4222\"]\nlisten = \"127.0.0.1:7070\"\nsecret = \"secret\"\n";
    std::fs::write(&config, text).expect("written");
    let config = config.to_str().expect("text");
    assert_eq!(checked(&["--config", config]), (Some(0), String::new()));
    assert!(checked(&["--config", config, "--cluster-listen", "0.0.0.0:7070"]).1.contains("--cluster-address"), "the flag is over it");
}

#[test]
fn threat_33_a_password_in_the_url_of_nats_is_printed_nowhere() {
    let url = "tls://bss:hunter2@nats.example:4222,nats://bss:hunter2@nats.example";
    let here = ["--cluster-listen", "127.0.0.1:7070", "--cluster-secret", "secret"];
    for (args, shows) in
        [(["--print-config"], r#"nats = ["tls://***@nats.example:4222", "nats://***@nats.example"]"#), (["--help"], "BSS_CLUSTER")]
    {
        let output = serve().args(args).args(here).env("BSS_CLUSTER", url).output().expect("bss runs");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        assert!(output.status.success() && said.contains(shows) && !said.contains("hunter2"), "{args:?}: {said}");
    }
    let error = checked(&[&["--cluster", "tls://***@nats.example:4222"][..], &here].concat()).1;
    assert!(error.contains("--print-config hides a user and password"), "{error}");
}

/// How `bss serve` ends as a node of the cluster on that NATS, and what it says.
async fn ended(nats: &str, secret: &str, args: &[&str]) -> (Option<i32>, String) {
    let folder = tempdir().expect("a folder");
    std::fs::write(folder.path().join("secret"), secret).expect("written");
    let mut command = tokio::process::Command::from(serve());
    command.args(["--bind", "127.0.0.1:0", "--cluster", nats, "--cluster-listen", "127.0.0.1:0", "--cluster-secret"]);
    command
        .arg(folder.path().join("secret"))
        .args(args)
        .current_dir(folder.path())
        .env("RUST_LOG", "off")
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = within(command.output()).await.expect("bss runs");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_35_a_node_with_another_secret_than_those_that_are_there_ends_and_says_so() {
    let cluster = Cluster::start(1).await;
    let (code, said) = ended(&cluster.nats.url(), "a secret of thirty-two bytes and more\n", &[]).await;
    assert_eq!((code, said.lines().count()), (Some(2), 1), "{said}");
    for part in [&cluster.nodes[0].links.address().to_string(), "\"bss\"", "give all nodes the same --cluster-secret"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(cluster.nodes[0].readiness().await.contains("200 OK"), "the one that was there goes on");
    assert_eq!(cluster.nodes[0].metric("bss_cluster_nodes").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_another_key_of_leases_than_those_that_are_there_ends_and_says_so() {
    let cluster = Cluster::start(1).await;
    let (code, said) = ended(&cluster.nats.url(), SECRET, &["--lease-key", "lease.key"]).await;
    assert!(code == Some(2) && said.contains("the same --lease-key or none") && said.lines().count() == 1, "{code:?} {said}");
}

#[tokio::test]
async fn a_nats_that_keeps_no_table_is_said_at_the_start_and_how_to_start_it() {
    let nats = Server::start_with(&[]).await;
    let (code, said) = ended(&nats.url(), "a secret of thirty-two bytes and more\n", &[]).await;
    assert!(code == Some(2) && said.contains("`nats-server -js`") && said.lines().count() == 1, "{code:?} {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_the_port_for_nodes_what_an_operator_asks_is_told_which_port_that_is() {
    let cluster = Cluster::start(1).await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_bss"));
    command.args(["admin", &cluster.nodes[0].links.address().to_string(), "names"]).kill_on_drop(true);
    let output = within(command.output()).await.expect("bss runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.code() == Some(70) && said.contains("--cluster-listen is for nodes alone"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_tells_whoever_runs_it_which_others_there_are() {
    let cluster = Cluster::start(2).await;
    for [node, other] in [[0, 1], [1, 0]] {
        let overview = cluster.nodes[node].told("/admin/api/overview").await;
        let (_, json) = overview.split_once("\r\n\r\n").expect("a body");
        let overview: Value = serde_json::from_str(json).expect("JSON");
        let nodes: Vec<&Value> = overview["nodes"].as_object().expect("it is one of several").values().collect();
        assert_eq!(nodes, [&cluster.nodes[other].links.address().to_string()], "the others, and where they are reached");
    }
}
