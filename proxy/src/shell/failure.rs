//! How a command ends that does not end well: a status for scripts, a line for people.

use std::{fmt, io, path::Path, process::ExitCode};

use browser_stream_client::{Code, ConnectError, DialError, ListenError, RefusalCode, StreamError};

use super::{keys, trust::distrust};

/// The statuses, as the help has them.
pub const STATUSES: &str = "\
Exit statuses:
  0    done
  1    `serve` could not run (the port is taken)
  2    arguments or settings that cannot be used (bad_request)
  68   nobody serves under the name (not_found)
  69   no proxy there (no_proxy)
  70   the far side ended the stream (cancelled, gone, a number of its own), or a fault that is not ours (internal)
  73   the name is another's (name_taken, name_reserved, superseded)
  74   a file, port or program of this machine failed
  75   not now (busy, limit, timeout, unresponsive, draining)
  76   the far side or the proxy went away and did not come back (lost)
  77   not allowed (forbidden, unauthorized)
  78   not who or what it should be (key_changed, tampered)
  130  interrupted (143 by SIGTERM)
  141  stdout was closed by its reader; nothing is said";

/// Why a command ends.
#[derive(Debug)]
pub struct Failure {
    status: u8,
    line: String,
}

impl Failure {
    /// Something of this machine that did not work.
    pub fn local(what: impl fmt::Display, error: &io::Error) -> Self {
        Self { status: 74, line: format!("{what}: {error}") }
    }

    /// A file that cannot be written there.
    pub fn write(file: &Path, error: &io::Error) -> Self {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        let what = format!("cannot write {}", file.display());
        match folder {
            Some(folder) => Self { status: 74, line: format!("{what}: there is no folder {}; make it first", folder.display()) },
            None => Self::local(what, error),
        }
    }

    /// A command that there is none of; these are there.
    pub fn unknown_command(names: &[&str]) -> Self {
        Self { status: 2, line: format!("bad_request: no such command; one of {}", names.join(", ")) }
    }

    /// An argument, or what it names, that cannot be used.
    pub fn argument(why: &str) -> Self {
        Self { status: 2, line: line(&format!("bad_request: {why}")) }
    }

    /// A line for stdout that nobody reads any more is no news for anybody; whatever else happens to it is.
    pub fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { status: 141, line: String::new() },
            _ => Self::local("stdout", error),
        }
    }

    /// A signal of this number; nobody needs to be told.
    pub fn signal(number: u8) -> Self {
        Self { status: 128 + number, line: String::new() }
    }

    /// There is no connection to the proxy at this URL.
    pub fn dial(url: &str, error: &DialError) -> Self {
        if let DialError::Io(error) = error
            && let Some(why) = distrust(error)
        {
            let advice =
                "if it is the one that `bss serve --tls` printed there, give that SHA-256 with --fingerprint, or the file with --ca";
            return Self { status: 69, line: format!("no_proxy: the certificate of {url} is not believed: {}; {advice}", line(&why)) };
        }
        if matches!(error, DialError::Timeout(_) | DialError::Io(_) | DialError::NotAProxy(_)) {
            let advice = format!("start `bss serve` there, or say with --url or BSS_URL where it is ({url})");
            return Self { status: 69, line: format!("no_proxy: {}; {advice}", line(&error.to_string())) };
        }
        let code = error.code();
        Self { status: status(code.into()), line: format!("{code}: {}", advised(&line(&refused(error)), shown(code.into()))) }
    }

    /// The stream to this name was not opened.
    pub fn connect(name: &str, error: &ConnectError) -> Self {
        let code = error.code();
        let said = match error {
            ConnectError::Refused(error) => error.message.clone(),
            ConnectError::Closed(Some(error)) => refused(error),
            other => other.to_string(),
        };
        let pinned;
        let advice = match code {
            RefusalCode::Known(Code::NotFound) => "--wait SECONDS waits for a name, 15 at most",
            RefusalCode::Known(Code::Lost) => "try again",
            RefusalCode::Known(Code::KeyChanged) if name.contains('#') => "take its address anew from whoever runs it",
            RefusalCode::Known(Code::KeyChanged) => {
                let file = keys::pins_file().map_or_else(|| "seal-pins".to_owned(), |file| file.display().to_string());
                pinned = format!(
                    "ask whoever runs it whether its key is new; then forget the old one, the line of this proxy and name in {file}"
                );
                pinned.as_str()
            }
            RefusalCode::Known(Code::Tampered) => "somebody between here and the server, the proxy perhaps, does not keep to the protocol",
            code => shown(code),
        };
        Self { status: status(code), line: format!("{code}: {name}: {}", advised(&line(&said), advice)) }
    }

    /// The name is not ours, or not any more.
    pub fn listen(name: &str, error: &ListenError) -> Self {
        let code = error.code();
        let said = match error {
            ListenError::Refused(error) => error.message.clone(),
            ListenError::Closed(Some(error)) => refused(error),
            other => other.to_string(),
        };
        let advice = match code {
            RefusalCode::Known(Code::NameTaken | Code::NameReserved) => "--standby waits for it",
            code => shown(code),
        };
        Self { status: status(code), line: format!("{code}: {name}: {}", advised(&line(&said), advice)) }
    }

    /// The stream ended before it was through.
    pub fn stream(name: &str, error: StreamError) -> Self {
        let (code, said) = match error {
            StreamError::Reset(number) => {
                let code = RefusalCode::from_number(number);
                let said = match code {
                    RefusalCode::Known(Code::Cancelled) => "the far side gave the stream up before its end",
                    RefusalCode::Known(Code::Tampered) => {
                        "what came is not what the far side sealed, or was cut short: nothing of it can be trusted"
                    }
                    RefusalCode::Known(Code::Gone) => "the far side ended and took its streams along",
                    RefusalCode::Known(Code::Limit) => "the stream was ended at a limit of the proxy or the far side",
                    RefusalCode::Known(Code::Timeout) => "one direction ended, and nothing came in the other for minutes",
                    RefusalCode::Application(_) => "the far side ended the stream with a number of its own",
                    RefusalCode::Known(_) => "the far side ended the stream before its end",
                };
                (code, said)
            }
            StreamError::Lost => {
                (Code::Lost.into(), "the far side or the proxy went away and did not come back: what arrived may be a part only")
            }
            StreamError::Finished => (Code::Internal.into(), "written behind the end"),
        };
        Self { status: status(code), line: format!("{code}: {name}: {said}") }
    }

    /// An exchange of files that did not come to its end, with a line that begins with its code.
    pub fn exchange(status: u8, said: &str) -> Self {
        Self { status, line: line(said) }
    }

    /// The same, with what helps where a token was shown that is not taken, or does not allow it.
    pub fn of_token(mut self, advice: &str) -> Self {
        if self.status == 77 {
            self.line = advised(&self.line, advice);
        }
        self
    }

    /// Whether it is this machine's, so that the next client would meet it, too.
    pub fn is_local(&self) -> bool {
        matches!(self.status, 74 | 141)
    }

    /// Whether somebody interrupted us.
    pub fn is_signal(&self) -> bool {
        matches!(self.status, 130 | 143)
    }

    /// What the process exits with.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// Says it, if there is something to say: the status to exit with.
    pub fn said(self) -> u8 {
        if !self.line.is_empty() {
            super::standard::say(&self.line);
        }
        self.status
    }

    /// The same, for who returns it.
    pub fn exit(self) -> ExitCode {
        ExitCode::from(self.said())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// Why there is no connection: in the proxy's own words where it has some.
fn refused(error: &DialError) -> String {
    match error {
        DialError::Session(error) if !error.message.is_empty() => error.message.clone(),
        other => other.to_string(),
    }
}

/// What to do where the proxy does not know us, or not as somebody who may do that.
fn shown(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::Known(Code::Unauthorized) => "show a token that holds with --token, or in BSS_TOKEN",
        _ => "",
    }
}

/// What is said, and what to do.
fn advised(said: &str, advice: &str) -> String {
    let between = if advice.is_empty() || said.ends_with('?') { " " } else { "; " };
    format!("{said}{between}{advice}").trim_end().to_owned()
}

/// What the other side says comes from elsewhere: one line, and nothing that a terminal obeys.
pub fn line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// The status for a code.
pub fn status(code: RefusalCode) -> u8 {
    let RefusalCode::Known(code) = code else { return 70 };
    match code {
        Code::BadRequest => 2,
        Code::NotFound => 68,
        Code::NameTaken | Code::NameReserved | Code::Superseded => 73,
        Code::Busy | Code::Limit | Code::Timeout | Code::Unresponsive | Code::Draining => 75,
        Code::Lost => 76,
        Code::Forbidden | Code::Unauthorized => 77,
        Code::Unsupported | Code::Gone | Code::Cancelled | Code::Internal | Code::Lagging => 70,
        Code::Tampered | Code::KeyChanged => 78,
    }
}

#[cfg(test)]
mod tests {
    use browser_stream_client::OpenError;

    use super::*;

    #[test]
    fn threat_17_who_shows_no_token_that_holds_is_told_why_and_what_to_do_wherever_that_shows() {
        let refused = || DialError::Session(OpenError::new(Code::Unauthorized, "the token has expired"));
        let advice = "the token has expired; show a token that holds with --token, or in BSS_TOKEN";
        for (failure, line) in [
            (Failure::dial("ws://h/mux", &refused()), format!("unauthorized: {advice}")),
            (Failure::connect("n", &ConnectError::Closed(Some(refused()))), format!("unauthorized: n: {advice}")),
            (Failure::listen("n", &ListenError::Closed(Some(refused()))), format!("unauthorized: n: {advice}")),
            (
                Failure::connect("n", &ConnectError::Refused(OpenError::new(Code::Unauthorized, "this proxy wants a token"))),
                "unauthorized: n: this proxy wants a token; show a token that holds with --token, or in BSS_TOKEN".into(),
            ),
            (Failure::dial("ws://h/mux", &DialError::Session(OpenError::new(Code::Forbidden, "not here"))), "forbidden: not here".into()),
        ] {
            assert_eq!((failure.status(), failure.to_string()), (77, line));
        }
    }
}
