//! What `bss serve` says of itself, on stderr.

use std::io::{IsTerminal, stderr};

use browser_stream_server::config::LogFormat;
use tracing_subscriber::EnvFilter;

/// Logs from now on what `RUST_LOG` asks for, else what is told from `info` up; of NATS what we say of it, for its library tells each try.
pub fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,async_nats=off"));
    // Where nobody reads it any more, as behind a terminal that is gone, to say so there would be the end.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).log_internal_errors(false);
    match format {
        LogFormat::Pretty => log.with_ansi(stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
}
