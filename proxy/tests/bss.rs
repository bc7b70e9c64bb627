//! The program `bss` from outside: what it prints, what it refuses, how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

/// `bss` with these arguments and none of the settings of the machine's own environment.
fn bss(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bss"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BSS_")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null());
    command
}

fn ended(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("bss runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("a code"), text(stdout), text(stderr))
}

/// A refusal: nothing on stdout, one line on stderr.
fn refused(args: &[&str]) -> (i32, String) {
    let (code, stdout, stderr) = ended(&mut bss(args));
    assert_eq!(stdout, "");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    (code, stderr)
}

/// A file of this test run, gone at its end.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        fs::write(&path, text).expect("written");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A running `bss`, killed with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_port_that_is_taken_is_told_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, error) = refused(&["serve", "--bind", &address]);
    assert_eq!(code, 1);
    assert!(error.starts_with(&format!("bss: cannot listen on {address}")), "{error}");
    assert!(error.contains("another program") && error.contains("--bind"), "{error}");
}

#[test]
fn threat_14_listening_beyond_this_machine_without_open_is_refused() {
    let (code, error) = refused(&["--bind", "0.0.0.0:0"]);
    assert_eq!(code, 2);
    assert!(error.contains("--open"), "{error}");
}

#[test]
fn a_wrong_file_is_told_in_one_line() {
    let file = File::new("wrong.toml", "open = false\nbnid = \"127.0.0.1:1\"\n");
    let (code, error) = refused(&["--config", file.path()]);
    assert_eq!(code, 2);
    assert!(error.contains("line 2") && error.contains("bnid"), "{error}");
    let (code, error) = refused(&["--config", "no-such-file.toml"]);
    assert_eq!(code, 2);
    assert!(error.contains("no-such-file.toml") && error.contains("--config"), "{error}");
}

#[test]
fn a_wrong_argument_is_told_with_what_to_write() {
    for (args, says) in [
        (["--allow-origin", "*"], "write it as https://example.com"),
        (["--public-url", "bss.example"], "write it as https://bss.example.com"),
        (["--prefix", "x/"], "not a path"),
        (["--bind", "localhost"], "write it as 127.0.0.1:8080"),
        (["--bind", "9999"], "write it as 127.0.0.1:8080"),
    ] {
        let (code, stdout, stderr) = ended(&mut bss(&args));
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}");
        assert!(stderr.contains(says), "{stderr}");
    }
}

#[test]
fn a_flag_that_there_is_not_is_guessed_at_but_never_as_the_one_that_lets_everybody_in() {
    for (arg, guess) in [("--nope", None), ("--opem", None), ("--public-uri", Some("--public-url"))] {
        let (code, _, stderr) = ended(&mut bss(&["serve", arg]));
        assert_eq!(code, 2);
        assert!(stderr.contains(arg) && !stderr.contains("--open"), "{stderr}");
        assert!(guess.is_none_or(|guess| stderr.contains(guess)), "{stderr}");
    }
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let file = File::new(
        "layers.toml",
        "bind = \"127.0.0.1:1\"\npath = \"/one\"\nprefix = [\"/one\"]\nallow_origin = [\"http://one\"]\nopen = true\n",
    );
    let line = ["serve", "--config", file.path(), "--bind", "127.0.0.1:3", "--print-config"];
    let (code, printed, _) = ended(bss(&line).env("BSS_BIND", "127.0.0.1:2").env("BSS_PATH", "/two").env("BSS_PREFIX", "/two,/zwei"));
    assert_eq!(code, 0);
    for says in [
        "bind = \"127.0.0.1:3\"\n",
        "path = \"/two\"\n",
        "prefix = [\"/two\", \"/zwei\"]",
        "allow_origin = [\"http://one\"]",
        "open = true\n",
        "open_timeout_ms = 10000\n",
    ] {
        assert!(printed.contains(says), "{says} is not in\n{printed}");
    }
    let (_, printed, _) = ended(bss(&line).env("BSS_OPEN", "false"));
    assert!(printed.contains("open = false\n"), "{printed}");
}

#[test]
fn what_print_config_prints_is_a_configuration() {
    let line = ["--bind", "127.0.0.1:7", "--allow-origin", "https://a", "--public-url", "https://b/", "--open", "--print-config"];
    let (code, printed, _) = ended(&mut bss(&line));
    assert_eq!(code, 0);
    let file = File::new("printed.toml", &printed);
    let (code, again, error) = ended(&mut bss(&["--config", file.path(), "--print-config"]));
    assert_eq!((code, again, error), (0, printed, String::new()));
}

#[test]
fn a_lease_key_is_made_once_and_one_that_is_none_is_told_in_one_line() {
    let wrong = File::new("wrong.key", "not a key\n");
    let (code, error) = refused(&["--bind", "127.0.0.1:0", "--lease-key", wrong.path()]);
    assert_eq!(code, 2);
    assert!(error.contains("wrong.key") && error.contains("64 lower-case hex digits"), "{error}");
    let (code, error) = refused(&["--lease-key", "no/such/folder/key"]);
    assert_eq!(code, 2);
    assert!(error.contains("cannot make the lease key"), "{error}");
    let made = File::new("made.key", "");
    fs::remove_file(&made.0).expect("removed");
    let line = ["--bind", "127.0.0.1:0", "--lease-key", made.path()];
    let (_, printed, _) = ended(bss(&line).arg("--print-config"));
    assert!(printed.contains("lease_key = "), "{printed}");
    assert!(!made.0.exists(), "to print is not to make");
    let mut keys = Vec::new();
    for _ in 0..2 {
        let child = bss(&line).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("bss runs");
        let mut running = Running(child);
        BufReader::new(running.0.stdout.take().expect("piped")).lines().next().expect("a line").expect("text");
        keys.push(fs::read_to_string(&made.0).expect("a key"));
    }
    assert_eq!((keys[0].len(), &keys[0]), (65, &keys[1]));
}

#[cfg(unix)]
#[test]
fn threat_20_a_second_signal_ends_bss_at_once() {
    use std::io::{Read, Write};
    let child = bss(&["--bind", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("bss runs");
    let mut running = Running(child);
    let line = BufReader::new(running.0.stdout.take().expect("piped")).lines().next().expect("a line").expect("text");
    let address = line.trim_start_matches("browser-stream-server is at http://").trim_end_matches('/').to_owned();
    let connect = || {
        let socket = std::net::TcpStream::connect(&address).expect("a connection");
        socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).expect("set");
        socket
    };
    let mut peer = connect();
    let upgrade =
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    write!(peer, "GET /mux HTTP/1.1\r\nhost: localhost\r\n{upgrade}\r\n").expect("sent");
    // Frames with a mask of zeros: the SYN of a stream whose open is not complete, which keeps the session, and a ping, whose answer takes the stream's along.
    peer.write_all(&[0x82, 0x80 | 13, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 9]).expect("sent");
    peer.write_all(&[0x82, 0x80 | 12, 0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]).expect("sent");
    let mut answer = Vec::new();
    // The two bytes of a WebSocket frame's head, a pong, and a WINDOW_UPDATE with ACK.
    while answer.windows(4).position(|end| end == b"\r\n\r\n").is_none_or(|head| answer.len() < head + 4 + 26) {
        let mut byte = [0];
        peer.read_exact(&mut byte).expect("the handshake's answer, and the stream's");
        answer.push(byte[0]);
    }
    let signal = |pid: u32| assert!(Command::new("kill").args(["-TERM", &pid.to_string()]).status().expect("kill runs").success());
    let ready = || {
        let mut socket = connect();
        write!(socket, "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("sent");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("an answer");
        text
    };
    assert!(ready().starts_with("HTTP/1.1 200"));
    signal(running.0.id());
    let begun = std::time::Instant::now();
    while !ready().contains("draining") {
        assert!(begun.elapsed().as_secs() < 20, "the signal was heard");
    }
    assert_eq!(running.0.try_wait().expect("asked"), None, "it waits for its peer");
    let told = BufReader::new(running.0.stderr.take().expect("piped")).lines().next().expect("a line").expect("text");
    assert!(told.ends_with("ending: waiting up to 30 s for the streams of 1 peer; Ctrl-C again to end now"), "{told}");
    signal(running.0.id());
    assert_eq!(running.0.wait().expect("ended").code(), Some(130));
    assert!(begun.elapsed().as_secs() < 20, "long before it would have ended by itself");
}

#[cfg(unix)]
#[test]
fn bss_prints_its_address_as_one_line_and_ends_well_when_asked() {
    for signal in ["-TERM", "-INT"] {
        let child = bss(&["--bind", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("bss runs");
        let mut running = Running(child);
        let mut lines = BufReader::new(running.0.stdout.take().expect("piped")).lines();
        let line = lines.next().expect("a line").expect("text");
        let port = line.strip_prefix("browser-stream-server is at http://127.0.0.1:").and_then(|rest| rest.strip_suffix('/'));
        assert_ne!(port.and_then(|port| port.parse::<u16>().ok()), None, "{line}");
        let killed = Command::new("kill").args([signal, &running.0.id().to_string()]).status().expect("kill runs");
        assert!(killed.success());
        assert_eq!(running.0.wait().expect("ended").code(), Some(0), "{signal}");
        assert!(lines.next().is_none(), "nothing more on stdout");
    }
}
