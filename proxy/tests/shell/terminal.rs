//! What is shown to somebody who looks, and not to a program.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    process::Stdio,
};

use rustix::{
    io::{FdFlags, fcntl_setfd},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::program::{Program, Proxy, within};

/// A terminal: what is read from it, and what a program has as its stderr.
pub fn terminal() -> (File, Stdio) {
    let reader = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    // A program that had it, too, would not notice that it is gone.
    fcntl_setfd(&reader, FdFlags::CLOEXEC).expect("ours");
    grantpt(&reader).expect("ours");
    unlockpt(&reader).expect("ours");
    let name = ptsname(&reader, Vec::new()).expect("it has a name").into_string().expect("text");
    let writer = OpenOptions::new().read(true).write(true).open(name).expect("it is there");
    (reader.into(), writer.into())
}

/// All that is shown until nobody has the terminal any more.
pub async fn shown(terminal: File) -> String {
    shown_until(terminal, "\0").await
}

/// All that is shown until this is among it.
pub async fn shown_until(mut terminal: File, what: &'static str) -> String {
    let reading = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        let mut buffer = [0; 1024];
        // The last one to close it makes an error of the next read.
        while let Ok(bytes @ 1..) = terminal.read(&mut buffer) {
            text.extend_from_slice(&buffer[..bytes]);
            if text.windows(what.len()).any(|part| part == what.as_bytes()) {
                break;
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    within(reading).await.expect("no panic")
}

#[tokio::test]
async fn progress_is_shown_on_a_terminal_and_not_in_a_pipe_nor_when_it_shall_be_quiet() {
    let proxy = Proxy::start().await;
    let _server = proxy.listen(&["listen", "echo", "--exec", "cat"]).await;
    for (args, is_shown) in [(&["connect", "echo"][..], true), (&["connect", "echo", "--quiet"], false)] {
        let (reader, stderr) = terminal();
        let mut command = proxy.bss(args);
        let mut client = Program::start(command.stdin(Stdio::piped()).stderr(stderr));
        // The command itself holds the terminal, too.
        drop(command);
        let shown = tokio::spawn(shown(reader));
        let (mut stdin, mut stdout) = (client.stdin(), client.stdout());
        stdin.write_all(&[7; 3000]).await.expect("sent");
        within(stdout.read_exact(&mut [0; 3000])).await.expect("echoed");
        drop(stdin);
        assert_eq!(client.ended().await.code, Some(0));
        let shown = shown.await.expect("no panic");
        assert_eq!(shown.contains("2.9 KiB sent, 2.9 KiB received, "), is_shown, "{shown:?}");
        assert!(is_shown || shown.is_empty(), "{shown:?}");
    }
    let ended = proxy.run(&["connect", "echo"], &[7; 3000]).await;
    assert_eq!((ended.code, ended.stderr.as_str(), ended.stdout.len()), (Some(0), "", 3000));
}
