//! `bss recv`: the files of a link or a code.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use browser_stream_client::{
    Code as Refusal, ConnectError, RefusalCode, Stream, StreamClient, StreamError,
    seal::{Address, MemoryPins, Sealing},
    values::{Json, Values},
};
use clap::Args;
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{
    bar::Bar,
    code::Invitation,
    part::Part,
    take::{Broken, Taking},
    wire::{self, Files, Get, Meta, Told, VERSION, Wants, code},
};
use crate::shell::{
    Failure, Proxy,
    failure::{line, status},
    here,
    peer::Voice,
    standard::{print, say},
};

/// What `bss recv` is told.
#[derive(Debug, Args)]
pub struct Receive {
    /// What the sender passed on
    #[arg(value_name = "CODE|LINK")]
    invitation: Invitation,
    /// The folder for the files, or - for one file to stdout
    #[arg(short, long, value_name = "FOLDER", default_value = ".")]
    output: PathBuf,
    /// Overwrite files that are there, instead of putting a number behind the name
    #[arg(short, long)]
    force: bool,
}

/// How long the first sight of the sender may take: it may be about to come.
const FIRST: Duration = Duration::from_secs(5);
/// How long a sender that was there may be away, where `--grace` does not say.
const AWAY_MAX: Duration = Duration::from_secs(120);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// How long what is under way may take to end when the sender says goodbye.
const BYE: Duration = Duration::from_secs(3);

/// The sender, as it is asked.
struct Sender {
    client: StreamClient,
    address: String,
    key: String,
    me: String,
    /// How long it may be away.
    patience: Duration,
}

impl Receive {
    /// The proxy of the link.
    pub fn proxy(&self) -> Option<&str> {
        self.invitation.proxy.as_deref()
    }

    pub async fn run(self, proxy: &Proxy) -> Result<(), Failure> {
        let is_stdout = self.output == Path::new("-");
        if !is_stdout && !self.output.is_dir() {
            return Err(Failure::local(format_args!("cannot write to {}", self.output.display()), &io::Error::other("it is no folder")));
        }
        let (name, key) = self.invitation.code.name_and_key();
        let me = wire::hex(&rand::random::<[u8; 8]>());
        if self.invitation.key.is_none() && proxy.voice.connection {
            say("the code says not which key the sender has: the first that is shown is believed; its link says it");
        }
        let address = Address { name, key: self.invitation.key }.to_string();
        // A sender lives no longer than this: what is believed of it now need not be kept.
        let client = proxy.client().with_pins(MemoryPins::default());
        let sender = Sender { client, address, key, me, patience: proxy.grace.unwrap_or(AWAY_MAX) };
        let opened = sender.open(Wants::List, FIRST).await.map_err(|error| unreached(&error))?;
        let mut list = Values::new(opened, Json);
        let files = first(&mut list).await?;
        if is_stdout && files.files.len() != 1 {
            let many = format!("bad_request: there are {} files, and stdout takes one: give a folder with --output", files.files.len());
            return Err(Failure::exchange(2, &many));
        }
        let receiving = self.all(&sender, &files, proxy.voice);
        tokio::pin!(receiving);
        tokio::select! {
            biased;
            done = &mut receiving => done?,
            bye = sender.watch(&mut list) => match timeout(BYE, receiving).await {
                Ok(done) => done?,
                Err(_) => return Err(bye),
            },
        }
        list.stream_mut().finish();
        Ok(())
    }

    async fn all(&self, sender: &Sender, files: &Files, voice: Voice) -> Result<(), Failure> {
        for file in &files.files {
            if let Some(path) = self.one(sender, file, files.piece, voice).await? {
                print(&format!("{}\n", path.display())).await?;
            }
        }
        Ok(())
    }

    /// One file to its end, however often the sender goes and comes back.
    async fn one(&self, sender: &Sender, file: &wire::File, piece: u32, voice: Voice) -> Result<Option<PathBuf>, Failure> {
        let label = line(&file.name);
        let cannot = |error: io::Error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::output(&error),
            _ => Failure::local(format_args!("cannot write {label}"), &error),
        };
        let is_stdout = self.output == Path::new("-");
        let mut part = if is_stdout { Part::stdout() } else { Part::open(&self.output, file, piece).map_err(cannot)? };
        let lost = || {
            let kept = if is_stdout { "" } else { "; what came of it is kept, and the same command goes on from there" };
            let seconds = sender.patience.as_secs_f32();
            Failure::exchange(76, &format!("lost: {label}: the sender went away and did not come back within {seconds} s{kept}"))
        };
        let mut bar = Bar::new(voice);
        let (mut seen, mut corrupt, mut others) = (Instant::now(), 0, 0);
        loop {
            let get = Get { file: file.id.clone(), from: part.held(), have: part.last(piece).map_err(cannot)? };
            let before = part.held();
            let broken = match sender.open(Wants::Get(get), PAUSE).await {
                Ok(stream) => {
                    let taken = Taking::new(stream).take(part, file.size, piece, |held| bar.look(&label, held, file.size)).await;
                    part = taken.0.ok_or_else(|| Failure::local(&label, &io::Error::other("the write did not come to its end")))?;
                    match taken.1 {
                        Ok(()) => break,
                        Err(broken) => broken,
                    }
                }
                Err(error) if is_away(error.code()) => {
                    if seen.elapsed() >= sender.patience {
                        return Err(lost());
                    }
                    sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(unreached(&error)),
            };
            if part.held() > before {
                seen = Instant::now();
            }
            match broken {
                Broken::Disk(error) => return Err(cannot(error)),
                Broken::Corrupt | Broken::Protocol if corrupt == 0 => corrupt += 1,
                Broken::Corrupt | Broken::Protocol => {
                    return Err(Failure::exchange(
                        70,
                        &format!("corrupt: {label}: a piece came twice as something else than the sender says; try again"),
                    ));
                }
                Broken::Stream(StreamError::Reset(code::ANOTHER), _) if others == 0 => {
                    others += 1;
                    part.restart().map_err(cannot)?;
                }
                Broken::Stream(error, message) => {
                    ended(&label, error, message)?;
                    if seen.elapsed() >= sender.patience {
                        return Err(lost());
                    }
                }
            }
            sleep(PAUSE / 10).await;
        }
        let (wanted, overwrite) = (file.clone(), self.force);
        let whole = spawn_blocking(move || part.complete(&wanted, overwrite)).await.map_err(io::Error::other).and_then(|whole| whole);
        let whole = whole.map_err(cannot)?;
        bar.end(&label, file.size);
        Ok(whole)
    }
}

impl Sender {
    async fn open(&self, wants: Wants, wait: Duration) -> Result<Stream, ConnectError> {
        let called = here::host().map_or_else(|| "bss".to_owned(), |host| format!("bss on {host}"));
        let meta = Meta { exchange: VERSION, key: self.key.clone(), me: self.me.clone(), called: called.chars().take(64).collect(), wants };
        self.client.connect(&self.address).sealed(Sealing::new().meta(&meta)).wait(wait).await
    }

    /// Stays in the sender's sight until it says goodbye.
    async fn watch(&self, list: &mut Values<Stream, Json>) -> Failure {
        loop {
            match list.next::<Told>().await {
                Ok(Some(Told::Bye { reason })) => {
                    return goodbye(&reason);
                }
                Ok(Some(_)) => {}
                // It is away, or what it says is not understood; the files tell whether it comes back.
                _ => {
                    sleep(PAUSE).await;
                    if let Ok(stream) = self.open(Wants::List, PAUSE).await {
                        *list = Values::new(stream, Json);
                    }
                }
            }
        }
    }
}

/// The first list.
async fn first(list: &mut Values<Stream, Json>) -> Result<Files, Failure> {
    loop {
        match list.next::<Told>().await {
            Ok(Some(Told::Files(files))) if files.is_sound() => return Ok(files),
            Ok(Some(Told::Other)) => {}
            Ok(Some(Told::Bye { reason })) => return Err(goodbye(&reason)),
            Ok(Some(Told::Files(_)) | None) => {
                return Err(Failure::exchange(70, "internal: the sender does not keep to the protocol of exchanges"));
            }
            Err(error) => return Err(Failure::exchange(70, &format!("{}: the sender's list did not come: {error}", error.code()))),
        }
    }
}

/// The sender says why it goes.
fn goodbye(reason: &str) -> Failure {
    let reason = if reason.is_empty() { "The sender stopped sharing." } else { reason };
    Failure::exchange(70, &format!("gone: {reason} What came of a file is kept"))
}

/// Whether to ask again; else why not.
fn ended(label: &str, error: StreamError, message: Option<String>) -> Result<(), Failure> {
    let said = message.map_or(String::new(), |message| format!(": {message}"));
    let told = |status, code: &str, what: &str| Err(Failure::exchange(status, &format!("{code}: {label}: {what}{said}")));
    match error {
        StreamError::Reset(code::WITHDRAWN) => told(70, "cancelled", "the sender stopped sending; what came of it is kept"),
        StreamError::Reset(code::CHANGED) => told(70, "changed", "the sender cannot read it any more"),
        StreamError::Reset(code::UNKNOWN) => told(70, "gone", "the sender does not have it any more"),
        StreamError::Reset(code::ANOTHER) => told(70, "changed", "the sender has another file than it says"),
        StreamError::Reset(number) if !is_away(RefusalCode::from_number(number)) => {
            told(status(RefusalCode::from_number(number)), &RefusalCode::from_number(number).to_string(), "the sender gave it up")
        }
        _ => Ok(()),
    }
}

fn is_away(code: RefusalCode) -> bool {
    let RefusalCode::Known(code) = code else { return false };
    matches!(
        code,
        Refusal::NotFound | Refusal::Lost | Refusal::Gone | Refusal::Unresponsive | Refusal::Timeout | Refusal::Busy | Refusal::Limit
    )
}

/// The sender is not there.
fn unreached(error: &ConnectError) -> Failure {
    match error.code() {
        RefusalCode::Known(Refusal::NotFound) => Failure::exchange(
            68,
            "not_found: nobody sends under that code now: is the sender still there, and at this proxy? --url says at which",
        ),
        RefusalCode::Known(Refusal::Unsupported) => Failure::exchange(
            70,
            "unsupported: the sender does not seal what it sends: it is of an older version, and so is what receives from it",
        ),
        RefusalCode::Known(Refusal::KeyChanged) => Failure::exchange(
            78,
            "key_changed: who sends under that code has another key than the link says: nothing was sent; take the link anew from the sender",
        ),
        _ => Failure::connect("the sender", error),
    }
}
