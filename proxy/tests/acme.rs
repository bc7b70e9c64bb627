//! Certificates from an authority, which is pebble here: Let's Encrypt's miniature of itself. `make test-acme` brings it, and names its folder in `PEBBLE`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::{TempDir, tempdir};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// What is slow here is a name server and an authority on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A name of nobody's: pebble's name server says that it is this machine.
const NAME: &str = "bss.example.test";

/// Ports that are free now.
fn ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

/// Starts a program, and waits until a line that it writes there says so. It is killed with the test.
async fn started(command: &mut Command, errors: bool, says: &str) -> Child {
    let (stdout, stderr) = if errors { (Stdio::null(), Stdio::piped()) } else { (Stdio::piped(), Stdio::null()) };
    let mut child = command.kill_on_drop(true).stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().expect("it starts");
    let output: Box<dyn tokio::io::AsyncRead + Send + Unpin> =
        if errors { Box::new(child.stderr.take().expect("piped")) } else { Box::new(child.stdout.take().expect("piped")) };
    let mut lines = BufReader::new(output).lines();
    let mut all = Vec::new();
    let waited = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.expect("text") {
            all.push(line);
            if all.last().is_some_and(|line| line.contains(says)) {
                return true;
            }
        }
        false
    });
    let found = waited.await.unwrap_or(false);
    assert!(found, "{command:?} does not say {says:?}:\n{}", all.join("\n"));
    // What it says later must not fill the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    child
}

/// The authority.
struct Authority {
    _processes: [Child; 2],
    directory: String,
    management: u16,
    /// Who vouches for the authority itself.
    ca: PathBuf,
}

impl Authority {
    /// One that looks for its proof at this port.
    async fn start(folder: &Path, proof: u16) -> Self {
        let programs = PathBuf::from(std::env::var_os("PEBBLE").expect("PEBBLE names the folder of pebble: run make test-acme"));
        let path = |name: &str| folder.join(name).to_str().expect("text").to_owned();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(path("ca.pem"), made.cert.pem()).expect("written");
        fs::write(path("ca.key"), made.signing_key.serialize_pem()).expect("written");
        let [directory, management, dns, control] = ports();
        let here = |port: u16| format!("127.0.0.1:{port}");
        let settings = serde_json::json!({ "pebble": {
            "listenAddress": here(directory), "managementListenAddress": here(management),
            "certificate": path("ca.pem"), "privateKey": path("ca.key"),
            "httpPort": proof, "tlsPort": proof, "ocspResponderURL": "", "externalAccountBindingRequired": false,
        }});
        fs::write(path("pebble.json"), settings.to_string()).expect("written");
        let mut names = Command::new(programs.join("pebble-challtestsrv"));
        names.args([
            "-defaultIPv6",
            "",
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
            "-dns01",
            &here(dns),
            "-management",
            &here(control),
        ]);
        let names = started(&mut names, false, "Starting challenge servers").await;
        let mut pebble = Command::new(programs.join("pebble"));
        pebble.args(["-strict", "-config", &path("pebble.json"), "-dnsserver", &here(dns)]);
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        let pebble = started(&mut pebble, false, "ACME directory available at").await;
        Self { _processes: [names, pebble], directory: format!("https://localhost:{directory}/dir"), management, ca: folder.join("ca.pem") }
    }

    /// Who vouches for the certificates that it gives.
    async fn root(&self) -> CertificateDer<'static> {
        let ca = CertificateDer::from_pem_file(&self.ca).expect("a certificate");
        let mut socket = connect(ca, "localhost", self.management).await.expect("TLS");
        let request = "GET /roots/0 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let answer = ask(&mut socket, request).await;
        CertificateDer::from_pem_slice(answer.split_once("\r\n\r\n").expect("an answer").1.as_bytes()).expect("a certificate")
    }
}

async fn connect(root: CertificateDer<'static>, name: &'static str, port: u16) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).expect("a name"), socket))
        .await
        .expect("in time")
}

async fn ask(socket: &mut TlsStream<TcpStream>, request: &str) -> String {
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // Some end without a goodbye of TLS.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("in time");
    String::from_utf8_lossy(&answer).into_owned()
}

/// `bss serve` at this port, with a certificate of this authority's.
fn bss(folder: &Path, port: u16, directory: &str, ca: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bss"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BSS_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command.args(["serve", "--bind", &format!("127.0.0.1:{port}"), "--tls", "acme", "--acme-domain", NAME]);
    command.args(["--acme-contact", "me@example.test", "--acme-directory", directory]);
    command.arg("--acme-ca").arg(ca).arg("--acme-cache").arg(folder.join("kept"));
    command
}

fn folder() -> TempDir {
    tempdir().expect("a folder")
}

#[tokio::test]
async fn a_certificate_is_asked_for_proven_shown_and_kept_over_a_restart_without_the_authority() {
    let folder = folder();
    let [port] = ports();
    let authority = Authority::start(folder.path(), port).await;
    let (directory, ca) = (authority.directory.clone(), authority.ca.clone());
    let bss = || bss(folder.path(), port, &directory, &ca);
    let first = started(&mut bss(), true, "a new certificate is shown").await;
    let root = authority.root().await;
    let mut socket = connect(root.clone(), NAME, port).await.expect("a certificate for the name");
    let leaf = socket.get_ref().1.peer_certificates().expect("a chain")[0].clone();
    let answer = ask(&mut socket, &format!("GET /healthz HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "it is a name of ours: {answer}");
    let mode = fs::metadata(folder.path().join("kept")).expect("a folder").permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    drop((first, authority));

    let _second = started(&mut bss(), true, "the certificate that was kept is shown").await;
    let socket = connect(root, NAME, port).await.expect("the same certificate");
    assert_eq!(socket.get_ref().1.peer_certificates().expect("a chain")[0], leaf);
}

#[tokio::test]
async fn without_its_authority_a_proxy_lives_says_so_and_shows_nothing() {
    let folder = folder();
    let [port, nobody] = ports();
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
    fs::write(folder.path().join("ca.pem"), made.cert.pem()).expect("written");
    let directory = format!("https://localhost:{nobody}/dir");
    let mut command = bss(folder.path(), port, &directory, &folder.path().join("ca.pem"));
    let _running = started(&mut command, true, "no certificate from the authority, it is asked again later").await;
    let refused = connect(made.cert.der().clone(), NAME, port).await.expect_err("no certificate").to_string();
    assert!(refused.contains("alert"), "{refused}");
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("it is there");
    let request = format!("GET / HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut answer)).await.expect("in time").expect("text");
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
}

#[tokio::test]
async fn keys_are_kept_where_nobody_else_may_read() {
    let folder = folder();
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).expect("made");
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o755)).expect("set");
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, made.cert.pem()).expect("written");
    let (code, said) = ended(&mut bss(folder.path(), 0, "https://localhost:1/dir", &ca)).await;
    assert!(code == Some(2) && said.contains("chmod 700"), "{said}");
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o700)).expect("set");
    fs::write(&ca, "nobody").expect("written");
    let (code, said) = ended(&mut bss(folder.path(), 0, "https://localhost:1/dir", &ca)).await;
    assert!(code == Some(2) && said.contains("it has no certificate"), "{said}");
}

#[tokio::test]
async fn an_authority_is_asked_for_names_over_https_and_settings_that_do_not_fit_are_told() {
    let settings = async |args: &[&str]| ended(Command::new(env!("CARGO_BIN_EXE_bss")).arg("serve").args(args).arg("--print-config")).await;
    let names = ["--tls", "acme", "--acme-domain", "Bss.example.com,b.example.com", "--acme-contact", "me@example.com,tel:1"];
    let (code, printed) = settings(&names).await;
    for says in [
        "tls = \"acme\"\n",
        "domain = [\"bss.example.com\", \"b.example.com\"]",
        "contact = [\"mailto:me@example.com\", \"tel:1\"]",
        "directory = \"https://acme-v02.api.letsencrypt.org/directory\"",
    ] {
        assert!(code == Some(0) && printed.contains(says), "{says} is not in\n{printed}");
    }
    let folder = folder();
    let file = folder.path().join("bss.toml");
    fs::write(&file, &printed).expect("written");
    assert_eq!(settings(&["--config", file.to_str().expect("text")]).await.1, printed);
    for name in ["192.0.2.1", "localhost", "a b.example", "*.example.com", "https://bss.example.com"] {
        let (code, said) = settings(&["--tls", "acme", "--acme-domain", name]).await;
        assert!(code == Some(2) && said.contains("--tls acme needs --acme-domain"), "{name}: {said}");
    }
    for (args, says) in [
        (&["--tls", "acme"][..], "--tls acme needs --acme-domain"),
        (&["--tls", "acme", "--acme-domain", NAME, "--acme-directory", "http://a/dir"], "write it as https://"),
        (&["--tls", "acme", "--acme-domain", NAME, "--tls-cert", "a", "--tls-key", "b"], "leave out one or the other"),
        (&["--acme-domain", NAME], "are for --tls acme"),
    ] {
        let (code, said) = settings(args).await;
        assert!(code == Some(2) && said.contains(says), "{args:?}: {said}");
    }
}

/// How a program ended, and what it said.
async fn ended(command: &mut Command) -> (Option<i32>, String) {
    let ended = timeout(PATIENCE, command.kill_on_drop(true).output()).await.expect("in time").expect("it runs");
    let said = String::from_utf8([ended.stdout, ended.stderr].concat()).expect("text");
    (ended.status.code(), said)
}
