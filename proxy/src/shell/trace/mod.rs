//! `bss trace`: what passes between a peer and a proxy, told frame by frame.
//!
//! `live` stands between the two, `capture` reads what somebody else recorded: packets (`packet`) of TCP connections (`flows`), each direction put
//! in order (`order`). Both hand bytes to a `conversation`, which is an `upgrade` and then in each direction a `websocket` with `frames` of the mux in it.
//! `streams` knows what holds for each stream, `plan` what its open and reply decide, `way` what a direction carries: `framed` JSON, `records` by their
//! `layout` and `tables`, or bytes. What is found goes as a `line` through the `scribe` to the `printer`, without secrets (`redact`) and without what a
//! terminal obeys (`shell/escape`); nothing is kept beyond the `budget`.

mod budget;
mod capture;
mod conversation;
mod flows;
mod framed;
mod frames;
mod help;
mod layout;
mod line;
mod live;
mod order;
mod packet;
mod plan;
mod printer;
mod records;
mod redact;
mod scribe;
mod streams;
mod tables;
#[cfg(test)]
mod tests;
mod upgrade;
mod upstream;
mod way;
mod websocket;

use std::{
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use tokio::runtime::Runtime;

use super::{
    Failure,
    args::address,
    standard::say,
    trust::{Fingerprint, trusting},
};
use capture::CaptureError;
use flows::Flows;
pub use help::HELP;
use line::{Kind, Line};
use printer::Printer;
use scribe::Shown;
use upstream::Upstream;

/// What `bss trace` is told.
#[derive(Debug, Args)]
pub struct Trace {
    /// A capture, pcap or pcapng; - is stdin. With --listen the proxy's URL instead [default: BSS_URL, or ws://127.0.0.1:8080/mux]
    #[arg(value_name = "FILE|URL", required_unless_present = "listen")]
    source: Option<String>,
    /// Stand in front of a proxy, and tell what passes: a port of the loopback address, or address:port; port 0 takes any free one
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Of a capture, look at connections to or from these ports only, and tell also why one is not decoded
    #[arg(long, value_name = "PORT", value_delimiter = ',', conflicts_with = "listen")]
    port: Vec<u16>,
    /// Print lines of these streams only; 0 is the session itself
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = stream)]
    stream: Vec<u32>,
    /// Print lines of these kinds only
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    only: Vec<Kind>,
    /// One object on a line
    #[arg(long)]
    json: bool,
    /// Show the first 64 bytes of what streams carry, in hex
    #[arg(long)]
    data: bool,
    /// Show tokens, keys and proofs
    #[arg(long)]
    secrets: bool,
    /// To a proxy over TLS, trust the certificates of this PEM file instead of those that browsers trust
    #[arg(long, env = "BSS_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// To a proxy over TLS, trust the certificate with this SHA-256 and no other
    #[arg(long, env = "BSS_FINGERPRINT", value_name = "SHA-256", conflicts_with = "ca")]
    fingerprint: Option<Fingerprint>,
}

impl Trace {
    /// Tells what passes, or what is in a capture, to its end.
    pub fn run(self) -> ExitCode {
        match self.perform() {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.exit(),
        }
    }

    fn perform(self) -> Result<(), Failure> {
        let shown = Shown { data: self.data, secrets: self.secrets };
        let printer = Printer::new(self.json, self.only, self.stream);
        let Some(listen) = self.listen else {
            let source = self.source.unwrap_or_default();
            if ["ws://", "wss://", "http://", "https://"].iter().any(|scheme| source.starts_with(scheme)) {
                return Err(Failure::argument("--listen PORT is missing: the port at which to stand in front of that proxy"));
            }
            return read(&source, &self.port, shown, printer);
        };
        let tls = match (&self.ca, self.fingerprint) {
            (Some(file), _) => Some(trusting(file)?),
            (None, Some(fingerprint)) => Some(fingerprint.trusting()?),
            (None, None) => None,
        };
        let url = self.source.or_else(|| std::env::var("BSS_URL").ok()).unwrap_or_else(|| URL.to_owned());
        let upstream = Upstream::new(&url, tls)?;
        let runtime = Runtime::new().map_err(|error| Failure::local("the runtime", &error))?;
        let ended = runtime.block_on(live::run(listen, upstream, shown, printer));
        // Lines that nobody reads hold up nobody who wants it to end.
        runtime.shutdown_background();
        ended
    }
}

/// The id of a stream.
fn stream(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "write a stream's number, as it stands in the lines: 1, 2, 3 …, or 0 for the session itself".into())
}

/// Where a proxy is unless it is said.
const URL: &str = "ws://127.0.0.1:8080/mux";

/// Tells what is in a capture.
fn read(file: &str, ports: &[u16], shown: Shown, mut printer: Printer) -> Result<(), Failure> {
    let named = if file == "-" { "stdin".to_owned() } else { file.to_owned() };
    let input: Box<dyn Read + Send> = match file {
        "-" => Box::new(io::stdin()),
        file => Box::new(File::open(file).map_err(|error| Failure::local(&named, &error))?),
    };
    // Who captures into a pipe is watched.
    let is_pipe = file == "-";
    let mut is_told = false;
    let mut out = |line: Line| {
        is_told = true;
        printer.print(&line);
        if (is_pipe || printer.has_failed())
            && let Err(error) = printer.flush()
        {
            // Nobody reads what is told, and a capture from a pipe may never end.
            std::process::exit(i32::from(Failure::output(&error).said()));
        }
    };
    let told = capture::read(input, &mut Flows::new(ports, shown, &mut out));
    printer.flush().map_err(|error| Failure::output(&error))?;
    if !is_told && told.is_ok() {
        say(&format!("{named}: no connection in it begins with an upgrade to a WebSocket; --port PORT says of each what it is"));
    }
    told.map_err(|error| match error {
        CaptureError::Io(error) => Failure::local(&named, &error),
        error => Failure::argument(&format!("{named}: {error}")),
    })
}
