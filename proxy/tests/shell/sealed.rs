//! Sealed streams from the shell.

use std::{fs, os::unix::fs::PermissionsExt};

use rustix::process::Signal;
use tempfile::{TempDir, tempdir};
use tokio::process::Command;

use crate::program::{Program, Proxy, run, serving};

/// A user with a folder of their own.
struct User(TempDir);

impl User {
    fn new() -> Self {
        Self(tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("text").to_owned()
    }

    fn bss(&self, proxy: &Proxy, args: &[&str]) -> Command {
        let mut command = proxy.bss(args);
        command.env("XDG_STATE_HOME", self.0.path()).env_remove("STATE_DIRECTORY");
        command
    }

    /// A sealed server, and its address.
    async fn listen(&self, proxy: &Proxy, args: &[&str]) -> (Program, String) {
        let mut server = serving(&mut self.bss(proxy, args)).await;
        let said = server.said().await;
        let address = said.strip_prefix("bss: sealed: the address is ").unwrap_or_else(|| panic!("{said}")).to_owned();
        (server, address)
    }
}

#[tokio::test]
async fn keygen_makes_a_key_once_and_only_its_owner_reads_it() {
    let (proxy, user) = (Proxy::start().await, User::new());
    let file = user.path("mine");
    let first = run(&mut user.bss(&proxy, &["keygen", &file]), b"").await.stdout();
    assert_eq!(first.len(), 44);
    assert_eq!(run(&mut user.bss(&proxy, &["keygen", &file]), b"").await.stdout(), first, "never overwritten");
    assert!(fs::read_to_string(&file).expect("read").starts_with("bss-seal-secret-"));
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    let usual = run(&mut user.bss(&proxy, &["keygen"]), b"").await.stdout();
    assert!(usual != first && user.0.path().join("browser-stream-server/seal-key").exists());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("ours");
    for args in [&["keygen", &file][..], &["connect", "NAME#key", "--key", &file]] {
        let refused = run(&mut user.bss(&proxy, args), b"").await;
        assert!(refused.stderr.contains("others may read it (mode 644)"), "{refused:?}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
    fs::write(&file, "bss-seal-secret-short").expect("written");
    run(&mut user.bss(&proxy, &["keygen", &file]), b"").await.failed(74, "the key: ");
}

#[tokio::test]
async fn a_sealed_name_is_reached_by_its_address_only_and_knows_who_comes() {
    let (proxy, user) = (Proxy::start().await, User::new());
    let client = run(&mut user.bss(&proxy, &["keygen", &user.path("client")]), b"").await.stdout();
    let (server, address) = user.listen(&proxy, &["listen", "NAME", "--sealed", "--exec", "echo $BSS_META $BSS_KEY; cat"]).await;
    let got = run(&mut user.bss(&proxy, &["connect", &address, "--meta", "\"hello\"", "--key", &user.path("client")]), b"words").await;
    assert_eq!(got.stdout(), format!("\"hello\" {client}words"));
    let got = run(&mut user.bss(&proxy, &["connect", &address]), b"words").await;
    assert_eq!(got.stdout(), "\nwords");
    run(&mut user.bss(&proxy, &["connect", "NAME"]), b"").await.failed(77, "forbidden: NAME: This server takes sealed streams only");
    let other = run(&mut user.bss(&proxy, &["keygen", &user.path("other")]), b"").await.stdout();
    let other = format!("NAME#{}", other.trim_end());
    run(&mut user.bss(&proxy, &["connect", &other]), b"").await.failed(78, &format!("key_changed: {other}: "));
    server.signal(Signal::INT);
    server.ended().await;
}

#[tokio::test]
async fn half_an_address_and_a_name_that_is_one_are_refused_with_what_to_do() {
    let (proxy, user) = (Proxy::start().await, User::new());
    let key = run(&mut user.bss(&proxy, &["keygen"]), b"").await.stdout();
    let (whole, half) = (format!("NAME#{}", key.trim_end()), format!("NAME#{}", &key[..42]));
    for text in [&whole, &half] {
        for args in [&["listen", text][..], &["listen", text, "--sealed"]] {
            let refused = run(&mut user.bss(&proxy, args), b"").await;
            refused.failed(2, &format!("bad_request: {text}: "));
            assert!(refused.stderr.contains("listen under NAME"), "{}", refused.stderr);
        }
    }
    for args in [&["connect", &half][..], &["connect", &half, "--sealed"], &["connect", &format!("{whole} ")]] {
        let refused = run(&mut user.bss(&proxy, args), b"secret").await;
        refused.failed(2, "bad_request: ");
        assert!(refused.stderr.contains("copy the whole address"), "{}", refused.stderr);
    }
}

#[tokio::test]
async fn the_first_key_of_a_name_is_pinned_in_a_file() {
    let (proxy, user, stranger) = (Proxy::start().await, User::new(), User::new());
    let (server, address) = stranger.listen(&proxy, &["listen", "NAME", "--sealed", "--exec", "cat"]).await;
    for _ in 0..2 {
        assert_eq!(run(&mut user.bss(&proxy, &["connect", "NAME", "--sealed"]), b"words").await.stdout(), "words");
    }
    let pins = user.0.path().join("browser-stream-server/seal-pins");
    let key = address.rsplit('#').next().expect("a key").to_owned();
    assert_eq!(fs::read_to_string(&pins).expect("read"), format!("{key} ws://{}/mux/browser-server NAME\n", proxy.address));
    server.signal(Signal::INT);
    server.ended().await;
    let (_server, _) = user.listen(&proxy, &["listen", "NAME", "--sealed", "--exec", "cat"]).await;
    let refused = run(&mut user.bss(&proxy, &["connect", "NAME", "--sealed"]), b"words").await;
    refused.failed(78, "key_changed: NAME: ");
    assert!(refused.stderr.contains("seal-pins"), "{}", refused.stderr);
}

#[tokio::test]
async fn without_a_folder_for_pins_it_is_said_that_they_are_forgotten() {
    let (proxy, stranger) = (Proxy::start().await, User::new());
    let (_server, address) = stranger.listen(&proxy, &["listen", "NAME", "--sealed", "--exec", "cat"]).await;
    let homeless = |args: &[&str]| {
        let mut command = proxy.bss(args);
        command.env_remove("HOME").env_remove("XDG_STATE_HOME").env_remove("STATE_DIRECTORY");
        command
    };
    let got = run(&mut homeless(&["connect", "NAME", "--sealed"]), b"words").await;
    assert!(got.stderr.contains("HOME is not set") && got.stderr.contains("forgotten"), "{got:?}");
    assert_eq!((got.stdout.as_slice(), got.code), (&b"words"[..], Some(0)));
    for args in [&["connect", &address][..], &["connect", "NAME", "--sealed", "--quiet"]] {
        let got = run(&mut homeless(args), b"words").await;
        assert_eq!((got.stderr.as_str(), got.code), ("", Some(0)));
    }
}

#[tokio::test]
async fn a_tcp_service_behind_a_sealed_name_is_forwarded_to() {
    let (proxy, user) = (Proxy::start().await, User::new());
    let service = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = service.local_addr().expect("bound").port().to_string();
    let sealed = format!("--sealed={}", user.path("service"));
    let (_server, address) = user.listen(&proxy, &["listen", "web", "--to", &port, &sealed]).await;
    let mut forward = Program::start(&mut user.bss(&proxy, &["forward", "0", &address]));
    let line = forward.line().await;
    let here = line.rsplit(' ').next().expect("an address").to_owned();
    tokio::spawn(async move {
        let (mut socket, _) = service.accept().await.expect("a client");
        let (mut reader, mut writer) = socket.split();
        tokio::io::copy(&mut reader, &mut writer).await.expect("an echo");
    });
    let mut socket = tokio::net::TcpStream::connect(here).await.expect("there");
    tokio::io::AsyncWriteExt::write_all(&mut socket, b"words").await.expect("sent");
    tokio::io::AsyncWriteExt::shutdown(&mut socket).await.expect("finished");
    let mut got = String::new();
    crate::program::within(tokio::io::AsyncReadExt::read_to_string(&mut socket, &mut got)).await.expect("read");
    assert_eq!(got, "words");
}
