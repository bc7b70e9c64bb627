//! The command line of `bss`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use browser_stream_client::{
    Connect as Connecting, StreamClient,
    seal::{Keys, Sealing},
};
use browser_stream_server::config::{RoutePath, Serve};
use clap::{Args as Arguments, Parser, Subcommand, builder::NonEmptyStringValueParser};
use serde_json::value::RawValue;

use super::{
    admin::{Admin, HELP},
    connect::Connect,
    describe::{Completions, Page, VERSION},
    exchange::{Receive, Send},
    failure::STATUSES,
    forward::Forward,
    guess::explained,
    keys::{self, Keygen},
    list::List,
    listen::Listen,
    seed::{self, Seed, Seeding},
    shown::Shown,
    token::Token,
    trace::{self, Trace},
    trust::Fingerprint,
};

/// The command line of `bss`.
#[derive(Debug, Parser)]
#[command(name = "bss", version, long_version = VERSION, about, long_about = None, args_conflicts_with_subcommands = true, after_help = STATUSES)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: Box<Serve>,
}

impl Args {
    /// Reads the command line and the environment. Ends the process with a message where they are not understood, and for `--help` and `--version`.
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| explained(error).exit())
    }
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve pages (also what `bss` does without a command)
    #[command(after_help = STATUSES)]
    Serve(Box<Serve>),
    /// Connect to a name: stdin goes there, what comes from there goes to stdout
    #[command(after_help = STATUSES, after_long_help = connect())]
    Connect(Client<Connect>),
    /// Serve under a name: what clients send goes to stdout, to a program or to a TCP service
    #[command(after_help = STATUSES, after_long_help = listen())]
    Listen(Client<Listen>),
    /// Make a name a port of this machine: each TCP connection to it becomes a stream
    #[command(after_help = STATUSES, after_long_help = forward())]
    Forward(Client<Forward>),
    /// List the names that are held, where the proxy tells
    #[command(after_help = STATUSES, after_long_help = ls())]
    Ls(Client<List>),
    /// Make the keys of a sealed server, if they are not there, and print the key behind the # of its address
    #[command(after_help = STATUSES, after_long_help = keygen())]
    Keygen(Keygen),
    /// Make tokens, and the keys that make them: who may do what at a proxy that asks (`bss serve --tokens`)
    Token(Token),
    /// Look at a proxy's sessions, names, streams, channels and rooms, and act on them: `bss serve --admin`
    #[command(after_help = STATUSES, after_long_help = with(HELP))]
    Admin(Box<Admin>),
    /// Send files to whoever has the link or the code that it prints; nothing is stored on the way
    #[command(after_help = STATUSES, after_long_help = send())]
    Send(Client<Send>),
    /// Receive the files of a link or a code
    #[command(after_help = STATUSES, after_long_help = recv())]
    Recv(Client<Receive>),
    /// Serve files to a swarm, by what is in them; or put the ids of its images into a page
    #[command(after_help = STATUSES, after_long_help = with(seed::HELP))]
    Seed(Client<Seed>),
    /// Tell what passes between peers and a proxy, live or from a capture
    #[command(after_help = STATUSES, after_long_help = with(trace::HELP))]
    Trace(Box<Trace>),
    /// Print completions for a shell
    Completions(Completions),
    /// Print a page for man
    Man(Page),
}

/// A command of a peer, and the proxy that it needs.
#[derive(Debug, Arguments)]
pub struct Client<T: Arguments> {
    #[command(flatten)]
    pub task: T,
    #[command(flatten)]
    pub far: Far,
}

/// What a peer does.
pub enum Task {
    Connect(Connect),
    Listen(Listen),
    Forward(Forward),
    List(List),
    Send(Send),
    Receive(Receive),
    Seed(Seeding),
}

impl Client<Receive> {
    /// What is to be done, at the proxy that the link names if it is one.
    pub fn invited(self) -> (Far, Task) {
        let Self { task, mut far } = self;
        if let Some(url) = task.proxy() {
            far.url = url.to_owned();
        }
        (far, Task::Receive(task))
    }
}

/// Where the proxy is, and how we behave there.
#[derive(Debug, Arguments)]
#[command(next_help_heading = "The proxy")]
pub struct Far {
    /// Where it is: ws://…/mux, wss://…/mux, the same with http, or host:port
    #[arg(long, env = "BSS_URL", value_name = "URL", default_value = "ws://127.0.0.1:8080/mux", value_parser = NonEmptyStringValueParser::new())]
    pub url: String,
    /// Below which prefix the names are [default: /browser-server, to seed /swarm]
    #[arg(long, value_name = "PATH")]
    pub prefix: Option<RoutePath>,
    /// Who we are, for a proxy that asks: a token, or @FILE with one; better there or in the environment, where no other user reads it
    #[arg(long, env = "BSS_TOKEN", value_name = "TOKEN|@FILE", hide_env_values = true)]
    pub token: Option<Shown>,
    /// Over TLS, trust the certificates of this PEM file instead of those that browsers trust
    #[arg(long, env = "BSS_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Over TLS, trust the certificate with this SHA-256 and no other: what `bss serve --tls self-signed` prints
    #[arg(long, env = "BSS_FINGERPRINT", value_name = "SHA-256", conflicts_with = "ca")]
    pub fingerprint: Option<Fingerprint>,
    /// How long a stream waits to go on after a connection broke, ours or the far side's, before it is lost, and `bss recv` for its sender: 120 s at most
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub grace: Option<Duration>,
    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say what becomes of the connection and of each client
    #[arg(short, long)]
    pub verbose: bool,
}

/// How a name is connected to.
#[derive(Clone, Debug, Arguments)]
pub struct Reach {
    /// Wait so long for a name that nobody serves yet: 15 s at most
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    wait: Duration,
    /// Tell the server this; sealed if the stream is
    #[arg(long, value_name = "JSON", value_parser = json)]
    meta: Option<Box<RawValue>>,
    /// Let the stream be lost when a connection breaks, ours or the far side's
    #[arg(long)]
    no_resume: bool,
    /// Seal the stream to a name without a key: the server's first key is believed, and from then on no other
    #[arg(long)]
    sealed: bool,
    /// Let a sealed server know us by the keys of this file, which is made if it is not there
    #[arg(long, value_name = "FILE", value_parser = keys::of_file)]
    key: Option<Keys>,
}

impl Reach {
    /// The stream to the name, with all that.
    pub fn open(&self, client: &StreamClient, name: &str) -> Connecting {
        let connecting = client.connect(name).wait(self.wait).resume(!self.no_resume);
        // Who shows keys means to seal.
        if self.sealed || self.key.is_some() || name.contains('#') {
            return connecting.sealed(self.sealing());
        }
        match &self.meta {
            Some(meta) => connecting.meta(meta),
            None => connecting,
        }
    }

    /// Whether the key that the server of this name shows is to be remembered.
    pub fn pins(&self, name: &str) -> bool {
        (self.sealed || self.key.is_some()) && !name.contains('#')
    }

    fn sealing(&self) -> Sealing {
        let mut sealing = Sealing::new();
        if let Some(meta) = &self.meta {
            sealing = sealing.meta(meta);
        }
        if let Some(keys) = &self.key {
            sealing = sealing.keys(keys);
        }
        sealing
    }
}

/// A port, or an address and a port; loopback where no address is given.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let port = || text.strip_prefix(':').unwrap_or(text).parse().ok().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)));
    let address = || text.replace("localhost:", "127.0.0.1:").parse().ok();
    port().or_else(address).ok_or_else(|| "write it as 8000 or 127.0.0.1:8000".into())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse().ok();
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(|| "write it in seconds, such as 5 or 0.5".into())
}

fn json(text: &str) -> Result<Box<RawValue>, String> {
    RawValue::from_string(text.to_owned()).map_err(|error| format!("no JSON: {error}; text needs quotes of its own: '\"text\"'"))
}

fn connect() -> String {
    with(
        "\
The end of stdin ends our side only; the command ends when the far side has ended as well. A connection that breaks is made again
and the stream goes on, unless --no-resume is given.

  bss connect echo                                 type, and read the answers
  tar c folder | bss connect backup                send
  bss connect song --recv-only > song.ogg          receive
  bss connect 'NAME#key'                           sealed: the proxy reads nothing of it
  echo '{\"n\": 1}' | bss connect api | jq .         ask",
    )
}

fn listen() -> String {
    with(
        "\
Without --exec and --to one client is served after the other, and its bytes go to stdout; others wait up to 10 s, then hear `busy`.
A program of --exec finds BSS_NAME, BSS_CLIENT (the client's id), BSS_SESSION and BSS_META (JSON, if the client sent any) in its
environment, and is killed with all that it started when the client gives up. How it ended is said here: the client sees the end of its output, and status 0.

  bss listen backup --once > folder.tar            receive one transfer
  bss listen log >> log.txt                        receive from one after the other
  bss listen song --once --stdin < song.ogg        send to the first who comes
  bss listen echo --exec cat                       a process for each client
  bss listen web --to 127.0.0.1:8000               a TCP service behind a name
  bss listen web --to 8000 --http                  a web site for everybody, at http://web.localhost:8080/ for one
  bss listen web --to 8000 --sealed                a TCP service for sealed streams only; says its address, NAME#key
  bss listen web --to 8000 --sealed=web.key        by the keys of that file, which is made if it is not there

A program of --exec finds what a sealed client said in BSS_META, and the client's key, if it has one, in BSS_KEY. Somebody who
recorded how a sealed stream was opened, the proxy above all, can open it so again, with the same BSS_META and BSS_KEY, but not say a byte in
it. Where acting twice would hurt, let the program act only once the first bytes have come on its stdin.",
    )
}

fn forward() -> String {
    with(
        "\
Prints where it listens, and goes on until it is interrupted. Half-closed connections stay half open, a reset of one side resets
the other.

  bss forward 9000 web                             then: curl http://127.0.0.1:9000/
  bss forward 0.0.0.0:2222 ssh                     for others in the network, too
  bss forward 9000 'web#key'                       sealed as far as here",
    )
}

fn ls() -> String {
    with(
        "\
One name on a line, in order. A name whose owner's connection is gone is kept for it for two minutes, and is `suspended` so long.

  bss ls                                           names
  bss ls --long                                    up or suspended, then the name
  bss ls --json | jq -r '.[].name'                 for programs
  bss ls --watch                                   what changes, until interrupted",
    )
}

fn send() -> String {
    with(
        "\
Prints a link for browsers and a code for `bss recv`, and goes on until it is interrupted; whoever comes late has the files from their
start. They pass through the proxy, which stores nothing and, for the streams are sealed, reads nothing. The link has the key by which the receiver
knows the sender; who has the code alone believes the key that is shown.

  bss send photo.jpg film.mp4                      a link and a code
  bss send --once --url https://192.168.1.5:8080 film.mp4
                                                   to a phone of this network, and end when it has all
  tar c folder > folder.tar && bss send folder.tar a folder",
    )
}

fn keygen() -> String {
    with(
        "\
The file can be read by its owner only, and is never overwritten: given again, the command prints the same key. The keys of a page
(SealKeys.export) have the same form.

  bss keygen                                       the keys that `bss listen --sealed` uses
  bss keygen mine && bss connect 'NAME#key' --key mine
                                                   keys by which a server knows us",
    )
}

fn recv() -> String {
    with(
        "\
Each piece is verified by its SHA-256. Until a file is whole it is NAME.ID.part; the same command given again continues it. Prints the path of
each file that is there.

  bss recv h4k2-9xqd-7mwz                          into this folder
  bss recv -o ~/Downloads 'https://192.168.1.5:8080/examples/file-exchange/#h4k2-9xqd-7mwz'
  bss recv h4k2-9xqd-7mwz -o - | tar x             one file, to stdout",
    )
}

fn with(text: &str) -> String {
    format!("{text}\n\n{STATUSES}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(["bss"].iter().chain(line))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn serve_is_what_is_done_without_a_command() {
        let bare = parsed(&["--bind", "127.0.0.1:0"]).expect("a command line");
        let Some(Command::Serve(said)) = parsed(&["serve", "--bind", "127.0.0.1:0"]).expect("a command line").command else {
            panic!("serve")
        };
        assert!(bare.command.is_none());
        assert_eq!(format!("{:?}", bare.serve), format!("{said:?}"));
    }

    #[test]
    fn addresses_are_loopback_unless_they_say_otherwise() {
        for (text, address) in
            [("8000", "127.0.0.1:8000"), (":8000", "127.0.0.1:8000"), ("localhost:1", "127.0.0.1:1"), ("[::1]:1", "[::1]:1")]
        {
            assert_eq!(super::address(text).expect(text).to_string(), address);
        }
        for text in ["", "host", "host:1", "99999", "127.0.0.1"] {
            assert!(super::address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn who_acts_for_sealed_clients_is_warned_of_opens_that_come_again() {
        let help =
            <Args as clap::CommandFactory>::command().find_subcommand_mut("listen").expect("a command").render_long_help().to_string();
        assert!(help.contains("once the first bytes have come"), "{help}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_to_write() {
        for (line, says) in [
            (&["connect", "n", "--wait", "soon"][..], "in seconds"),
            (&["connect", "n", "--meta", "text"], "quotes of its own"),
            (&["connect", "n", "--send-only", "--recv-only"], "cannot be used with"),
            (&["listen", "n", "--exec", "cat", "--to", "h:1"], "cannot be used with"),
            (&["listen", "n", "--once", "--to", "h:1"], "cannot be used with"),
            (&["listen", "n", "--stdin"], "--once"),
            (&["listen", "n", "--http"], "--to"),
            (&["listen", "n", "--exec", "cat", "--http"], "cannot be used with"),
            (&["listen", "n", "--to", "https://h/", "--http"], "speaks no TLS"),
            (&["listen", "n", "--to", "h:1", "--host-header", "h"], "--http"),
            (&["listen", "n", "--to", "h:1", "--http", "--sealed"], "cannot be used with"),
            (&["forward", "web", "9000"], "write it as 8000"),
            (&["ls", "--quiet", "--verbose"], "cannot be used with"),
            (&["ls", "--ca", "f", "--fingerprint", "00"], "64 hex digits"),
            (&["send"], "<FILE>..."),
            (&["recv", "h4k2"], "12 letters and digits"),
        ] {
            let error = parsed(line).expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
