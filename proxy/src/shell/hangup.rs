//! SIGHUP: to a service it says that its files have changed, to a program in a terminal that the terminal is gone.

use std::{
    fs::{self, File},
    future::pending,
    io,
};

use browser_stream_server::tls::Identity;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::service;

/// Hears of both.
pub struct Hangup {
    signal: Signal,
    /// It goes with its terminal.
    ends: bool,
    identity: Option<Identity>,
}

impl Hangup {
    /// From now on the signal does nothing by itself.
    pub fn listen(identity: Option<Identity>) -> io::Result<Self> {
        // Asked first: whoever started it with `nohup` wants it to stay.
        let ends = has_terminal() && !is_ignored();
        Ok(Self { signal: signal(SignalKind::hangup())?, ends, identity })
    }

    /// Reads the certificate again whenever somebody says so; resolves when the terminal is gone in which the program was started. Cancel-safe.
    pub async fn of_terminal(&mut self) {
        while self.signal.recv().await.is_some() {
            if self.ends && !has_terminal() {
                return;
            }
            service::reloading();
            match self.identity.as_ref().map(Identity::reload) {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::warn!("the certificate stays what it was: {error}"),
                None => tracing::info!("there is no certificate to read again, and settings hold until the next start"),
            }
            service::ready();
        }
        pending().await
    }
}

/// Whether there is a terminal that could go.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether the signal was ignored when the program was started; where the system does not say, it was not.
fn is_ignored() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// By the mask in the lines of proc(5): SIGHUP is its lowest bit.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ignored_from_the_start_is_known() {
        assert!(ignores_hangup("Name:\tbss\nSigIgn:\t0000000000000001\nSigCgt:\t0\n"));
        assert!(ignores_hangup("SigIgn:\t0000000000001001\n"));
        for status in ["SigIgn:\t0000000000001000\n", "SigIgn:\t\n", "SigBlk:\t0000000000000001\n", ""] {
            assert!(!ignores_hangup(status), "{status:?}");
        }
    }
}
