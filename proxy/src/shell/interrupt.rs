//! Ctrl-C, and the signals that mean as much.

use std::{io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use super::Failure;

/// Waits for somebody to interrupt us.
pub struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

/// So soon behind the first no person means another.
const ECHO: Duration = Duration::from_millis(300);

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

    /// Resolves at one that is meant as another: `timeout` tells a program and then its group, so that it hears of one twice. Cancel-safe.
    pub async fn comes_again(&mut self) -> Failure {
        let echoes = async {
            loop {
                self.comes().await;
            }
        };
        let _ = timeout(ECHO, echoes).await;
        self.comes().await
    }
}
