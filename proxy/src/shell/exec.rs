//! A program for a client: the stream is its stdin and its stdout.

use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use browser_stream_client::{Connection, Stream};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    process::{Child, Command},
    time::timeout,
};

use super::pipe::{Broken, Pipe};

/// A running program and all that it starts. Dropped before it has ended, all of it is killed.
pub struct Program {
    child: Child,
    /// The group that it leads, until all has ended well: then the number may be another's.
    group: Option<Pid>,
}

/// How long a client of a program that has ended may take to end as well.
const LINGER: Duration = Duration::from_secs(1);
/// Between asking a program to end and ending it.
const PATIENCE: Duration = Duration::from_secs(2);

impl Program {
    /// Starts what the shell understands, for this client.
    pub fn start(command: &str, name: &str, client: &Connection) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(command).process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        shell.env("BSS_NAME", name).env("BSS_CLIENT", client.id()).env_remove("BSS_TOKEN");
        match client.peer() {
            Some(peer) => shell.env("BSS_SESSION", &peer.session),
            None => shell.env_remove("BSS_SESSION"),
        };
        let sealed = client.sealed();
        match sealed.and_then(|sealed| sealed.key()) {
            Some(key) => shell.env("BSS_KEY", key.to_string()),
            None => shell.env_remove("BSS_KEY"),
        };
        match sealed.map_or_else(|| client.meta::<Box<RawValue>>(), |sealed| sealed.meta()) {
            Some(meta) => shell.env("BSS_META", meta.get()),
            None => shell.env_remove("BSS_META"),
        };
        let child = shell.spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, group })
    }

    /// Carries until the program has ended and the client has all that it said. A client that gives up ends the program.
    pub async fn carry(mut self, stream: Stream) -> Result<ExitStatus, Broken> {
        let gone = || Broken::Input(io::ErrorKind::BrokenPipe.into());
        let (input, output) = (self.child.stdout.take().ok_or_else(gone)?, self.child.stdin.take());
        let mut pipe = Pipe::new(stream, input, output);
        // As in the shell: what a program does not read is nobody's.
        pipe.drops_what_is_not_taken = true;
        let ended = tokio::select! {
            carried = pipe.run(None) => carried.map(|_| None),
            status = self.child.wait() => Ok(Some(status)),
        };
        let ended = match ended {
            Ok(Some(_)) => rest(&mut pipe).await,
            Ok(None) => Ok(()),
            Err(broken) => Err(broken),
        };
        if ended.is_err() {
            self.signal(Signal::TERM);
            // Where that is not heard in time the drop is.
            let _ = timeout(PATIENCE, self.child.wait()).await;
        }
        ended?;
        let status = self.child.wait().await.map_err(Broken::Input)?;
        self.group = None;
        Ok(status)
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A group that is gone by now needs none.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// Carries what a program that has ended said last, and gives the client a moment to end as well.
async fn rest<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(pipe: &mut Pipe<R, W>) -> Result<(), Broken> {
    if let Ok(carried) = timeout(LINGER, pipe.run(None)).await {
        return carried.map(drop);
    }
    pipe.take_no_more();
    pipe.run(None).await.map(drop)
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
