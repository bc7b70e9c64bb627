//! `bss serve` as a service: what it tells systemd, and what it does at SIGHUP.

use std::{fs, io::ErrorKind, os::unix::net::UnixDatagram, path::Path, process::Stdio, time::Duration};

use rustix::process::Signal;
use tempfile::tempdir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

use crate::{
    program::{Program, bss, run, serving, within},
    terminal::terminal,
};

/// Makes a certificate for localhost and its key, over whatever was there.
fn certify(certificate: &Path, key: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    fs::write(certificate, made.cert.pem()).expect("written");
    fs::write(key, made.signing_key.serialize_pem()).expect("written");
}

/// Waits until it says this in its log.
async fn said(program: &mut Program, what: &str) {
    loop {
        let line = program.said().await;
        assert_ne!(line, "", "it ended without a word of {what:?}");
        if line.contains(what) {
            return;
        }
    }
}

/// What systemd would hear, as it comes.
struct Systemd(UnixDatagram);

impl Systemd {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        Self(socket)
    }

    /// The next word but for signs of life.
    fn hears(&self) -> String {
        loop {
            let word = self.hears_all();
            if word != "WATCHDOG=1" {
                return word;
            }
        }
    }

    fn hears_all(&self) -> String {
        let mut word = [0; 256];
        let length = self.0.recv(&mut word).expect("a word in time");
        String::from_utf8_lossy(&word[..length]).trim_end().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_when_it_serves_reads_its_certificate_again_and_ends() {
    let folder = tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    certify(&certificate, &key);
    let systemd = Systemd::at(&path("notify"));
    let mut command = bss(&["serve", "--bind", "127.0.0.1:0", "--tls-cert"]);
    command.arg(&certificate).arg("--tls-key").arg(&key).env("NOTIFY_SOCKET", path("notify"));
    let mut program = Program::start(&mut command);
    let url = program.line().await.trim_start_matches("browser-stream-server is at ").replace("127.0.0.1", "localhost");
    let believing = |name: &str| {
        let trusted = path(name);
        fs::copy(&certificate, &trusted).expect("copied");
        trusted.to_str().expect("text").to_owned()
    };
    assert_eq!(systemd.hears(), "READY=1");
    let first = believing("first.pem");
    let mut server = serving(&mut bss(&["listen", "echo", "--exec", "cat", "--url", &url, "--ca", &first])).await;

    // A good pair is shown to whoever comes from then on.
    certify(&certificate, &key);
    let second = believing("second.pem");
    program.signal(Signal::HUP);
    assert_eq!((systemd.hears().as_str(), systemd.hears().as_str()), ("RELOADING=1", "READY=1"));
    let asks = async |trusted: &str| run(&mut bss(&["connect", "echo", "--url", &url, "--ca", trusted]), b"hello").await;
    assert_eq!(asks(&second).await.stdout(), "hello", "and the session from before goes on");
    asks(&first).await.failed(69, "no_proxy: the certificate of ");

    // A pair that does not fit is not, nor half a file.
    for broken in ["another key's", "no PEM"] {
        match broken {
            "no PEM" => fs::write(&certificate, "-----BEGIN CERT").expect("written"),
            _ => certify(&path("other.pem"), &key),
        }
        program.signal(Signal::HUP);
        assert_eq!((systemd.hears().as_str(), systemd.hears().as_str()), ("RELOADING=1", "READY=1"));
        said(&mut program, "the certificate stays what it was: ").await;
        assert_eq!(asks(&second).await.stdout(), "hello", "{broken}");
    }
    assert_eq!(server.0.try_wait().expect("asked"), None, "the server never noticed");

    program.signal(Signal::TERM);
    assert_eq!(systemd.hears(), "STOPPING=1");
    server.signal(Signal::TERM);
    server.ended().await;
    assert_eq!(program.ended().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_that_it_lives_where_it_listens_for_that() {
    let folder = tempdir().expect("a folder");
    let socket = folder.path().join("notify");
    let systemd = Systemd::at(&socket);
    let mut command = bss(&["serve", "--bind", "127.0.0.1:0"]);
    let _program = Program::start(command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "200000"));
    let (mut ready, mut lives) = (false, 0);
    while !ready || lives < 3 {
        match systemd.hears_all().as_str() {
            "READY=1" => ready = true,
            "WATCHDOG=1" => lives += 1,
            word => panic!("{word}"),
        }
    }
}

#[tokio::test]
async fn without_a_certificate_nothing_is_read_again_and_it_goes_on() {
    let mut program = Program::start(&mut bss(&["serve", "--bind", "127.0.0.1:0"]));
    let line = program.line().await;
    program.signal(Signal::HUP);
    said(&mut program, "there is no certificate to read again").await;
    let address = line.trim_end_matches('/').rsplit('/').next().expect("an address").to_owned();
    TcpStream::connect(address).await.expect("it is there");
    program.signal(Signal::TERM);
    assert_eq!(program.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_log_that_nobody_reads_ends_nothing() {
    let mut program = Program::start(&mut bss(&["serve", "--bind", "127.0.0.1:0"]));
    let line = program.line().await;
    drop(program.0.stderr.take());
    let address = line.trim_end_matches('/').rsplit('/').next().expect("an address").to_owned();
    // Two that are said: a request to nobody of ours, and the end.
    let mut socket = TcpStream::connect(address).await.expect("it is there");
    socket.write_all(b"GET / HTTP/1.1\r\nhost: elsewhere\r\nconnection: close\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    within(socket.read_to_string(&mut answer)).await.expect("text");
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    program.signal(Signal::TERM);
    assert_eq!(program.ended().await.code, Some(0));
}

/// Only where the system has setsid (util-linux): it takes a program to a session of its own in a terminal.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_ends_with_its_terminal_unless_it_was_told_to_stay() {
    for stays in [false, true] {
        let (reader, stdin) = terminal();
        let served = bss(&[]);
        let mut command = Command::new("setsid");
        // Whoever runs the tests may itself have been told to stay.
        command.args(["--ctty", "env", if stays { "--ignore-signal=HUP" } else { "--default-signal=HUP" }]);
        // Its log is in the terminal, too.
        command.args(["sh", "-c", "exec \"$@\" 2>/dev/tty", "sh"]).arg(served.as_std().get_program());
        command.args(["serve", "--bind", "127.0.0.1:0"]).kill_on_drop(true);
        command.env_clear().stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut program = Program::start(&mut command);
        // The command holds the terminal, too.
        drop(command);
        let line = program.line().await;
        let address = line.trim_end_matches('/').rsplit('/').next().expect("an address").to_owned();
        drop(reader);
        if stays {
            program.signal(Signal::HUP);
            TcpStream::connect(&address).await.expect("it is there");
            program.signal(Signal::TERM);
        }
        assert_eq!(program.ended().await.code, Some(0), "stays: {stays}");
        let gone = within(TcpStream::connect(&address)).await.expect_err("nobody");
        assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);
    }
}
