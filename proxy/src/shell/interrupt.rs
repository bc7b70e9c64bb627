//! Ctrl-C, and the signals that mean as much.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;

/// Waits for somebody to interrupt us.
pub struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// From now on signals are heard here, and do nothing by themselves.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves at the next one. Cancel-safe.
    pub async fn comes(&mut self) -> Failure {
        tokio::select! {
            _ = self.interrupt.recv() => Failure::signal(2),
            _ = self.terminate.recv() => Failure::signal(15),
        }
    }
}
