//! A proxy that speaks TLS: by a certificate of its own making, or by files.

use std::{fs, process::Stdio};

use tempfile::tempdir;

use crate::{
    program::{Program, bss, run, serving, within},
    terminal::{shown_until, terminal},
};

/// A proxy over TLS, where it is, and what else it printed.
struct Secure {
    _program: Program,
    url: String,
    fingerprint: String,
    file: String,
}

async fn secure(args: &[&str]) -> Secure {
    let mut program = Program::start(bss(&["serve", "--bind", "127.0.0.1:0"]).args(args).stderr(Stdio::null()));
    let url = program.line().await.trim_start_matches("browser-stream-server is at ").to_owned();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let line = program.line().await;
    let (file, fingerprint) = line.strip_prefix("certificate: ").and_then(|rest| rest.split_once(", SHA-256 ")).expect("a certificate");
    Secure { url, fingerprint: fingerprint.to_owned(), file: file.to_owned(), _program: program }
}

#[tokio::test]
async fn a_self_signed_proxy_is_believed_by_its_fingerprint_or_its_file_and_is_the_same_after_a_restart() {
    let folder = tempdir().expect("a folder");
    let serve = ["--tls", "self-signed", "--tls-dir", folder.path().to_str().expect("text")];
    let proxy = secure(&serve).await;
    let (url, fingerprint) = (proxy.url.as_str(), proxy.fingerprint.as_str());
    let _server = serving(&mut bss(&["listen", "echo", "--exec", "cat", "--url", url, "--fingerprint", fingerprint])).await;
    let sent = vec![b'x'; 1 << 20];
    let client = run(bss(&["connect", "echo"]).env("BSS_URL", url).env("BSS_CA", &proxy.file), &sent).await;
    assert_eq!(client.stdout().len(), sent.len());
    let ended = run(&mut bss(&["ls", "--url", url]), b"").await;
    ended.failed(69, "no_proxy: the certificate of ");
    assert!(ended.stderr.contains("nobody whom this machine trusts") && ended.stderr.contains("--fingerprint"), "{ended:?}");
    let ended = run(&mut bss(&["ls", "--url", url, "--fingerprint", &"00".repeat(32)]), b"").await;
    ended.failed(69, "no_proxy: the certificate of ");
    assert!(ended.stderr.contains(&fingerprint.replace(':', "")), "{ended:?}");
    let before = fingerprint.to_owned();
    drop(proxy);
    assert_eq!(secure(&serve).await.fingerprint, before);
}

#[tokio::test]
async fn certificates_of_ones_own_are_served_and_those_that_cannot_be_are_told_in_one_line() {
    let folder = tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    fs::write(&certificate, made.cert.pem()).expect("written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let proxy = secure(&["--tls-cert", &certificate, "--tls-key", &key]).await;
    let url = proxy.url.replace("127.0.0.1", "localhost");
    assert_eq!(run(&mut bss(&["ls", "--url", &url, "--ca", &certificate]), b"").await.stdout(), "");
    for (args, says) in [
        (&["--tls-cert", &certificate][..], "belong together"),
        (&["--tls-cert", &certificate, "--tls-key", &key, "--tls", "self-signed"], "leave one of them out"),
        (&["--tls-dir", "x"], "add --tls self-signed"),
        (&["--tls-cert", &key, "--tls-key", &key], "it has no certificate"),
        (&["--tls-cert", "no-such-file", "--tls-key", &key], "cannot read \"no-such-file\""),
        (&["--tls", "self-signed", "--tls-dir", &key], "cannot keep a certificate"),
    ] {
        let ended = run(bss(&["serve", "--bind", "127.0.0.1:0"]).args(args), b"").await;
        ended.failed(2, "");
        assert!(ended.stderr.contains(says), "{ended:?}");
    }
    let check = ["serve", "--tls-cert", &certificate, "--tls-key", &key, "--check"];
    assert_eq!(run(&mut bss(&check), b"").await.stdout(), "the settings can be used\n");
    fs::write(&certificate, "nothing").expect("written");
    run(&mut bss(&check), b"").await.failed(2, "");
    let ended = run(&mut bss(&["ls", "--url", &url, "--ca", &certificate]), b"").await;
    ended.failed(74, "cannot trust ");
}

#[tokio::test]
async fn the_settings_of_tls_are_printed_and_read_and_printing_makes_nothing() {
    let folder = tempdir().expect("a folder");
    let state = folder.path().join("state");
    let line = ["serve", "--tls", "self-signed", "--tls-dir", state.to_str().expect("text"), "--print-config"];
    let printed = run(&mut bss(&line), b"").await.stdout();
    assert!(printed.contains("tls = \"self-signed\"\n") && printed.contains("tls_dir = "), "{printed}");
    assert!(!state.exists());
    let file = folder.path().join("bss.toml");
    fs::write(&file, &printed).expect("written");
    let again = run(&mut bss(&["serve", "--print-config", "--config", file.to_str().expect("text")]), b"").await.stdout();
    assert_eq!(again, printed);
    let off = run(&mut bss(&["serve", "--print-config", "--tls", "off", "--config", file.to_str().expect("text")]), b"").await.stdout();
    assert!(!off.contains("tls"), "{off}");
}

#[tokio::test]
async fn on_a_terminal_a_proxy_for_the_network_shows_its_addresses_and_a_code_for_a_phone() {
    let folder = tempdir().expect("a folder");
    let (reader, stdout) = terminal();
    let mut command = bss(&["serve", "--open", "--bind", "0.0.0.0:0", "--public-url", "https://box.example", "--tls", "self-signed"]);
    let mut program = Program::start(command.args(["--tls-dir"]).arg(folder.path()).stdout(stdout).stderr(Stdio::piped()));
    drop(command);
    let shown = shown_until(reader, "\x1b[97;40m████").await;
    program.signal(rustix::process::Signal::TERM);
    within(program.0.wait()).await.expect("it ends");
    assert!(shown.starts_with("browser-stream-server is at https://127.0.0.1:"), "{shown}");
    assert!(shown.contains("certificate: ") && shown.contains("\x1b[97;40m████"), "{shown}");
}
