//! The three standard streams.

use std::io::{self, IsTerminal, Write};

use tokio::io::{AsyncWriteExt, stdout};

use super::Failure;

/// Says one line on stderr, under the program's name.
pub fn say(line: &str) {
    // On a terminal the line of a progress may stand there.
    let clear = if io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
    // Where stderr is gone there is nowhere to say so. One write, so that lines of several programs do not mix.
    let _ = io::stderr().write_all(format!("{clear}bss: {line}\n").as_bytes());
}

/// Prints text on stdout.
pub async fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = stdout();
    let printed = async {
        stdout.write_all(text.as_bytes()).await?;
        stdout.flush().await
    };
    printed.await.map_err(|error| Failure::output(&error))
}
