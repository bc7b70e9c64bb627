//! `bss send`: files to whoever has the link or the code.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    io::{IsTerminal, stdout},
    path::PathBuf,
    rc::Rc,
};

use browser_stream_client::{
    Code as Refusal, Connection, RefusalCode, StreamError,
    seal::{Keys, PublicKey},
};
use clap::Args;
use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use tokio::time::interval;

use super::{
    bar::{Bar, PULSE},
    code::{Code, link},
    give::{Broken, Giving, Onlooker},
    offer::Offer,
    wire::{Get, Meta, VERSION, Wants, code, digest},
};
use crate::shell::{
    Failure, Proxy,
    failure::line,
    heard,
    peer::Voice,
    standard::{print, say},
    welcome,
};

/// What `bss send` is told.
#[derive(Debug, Args)]
pub struct Send {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// End when the first receiver has all of them
    #[arg(long)]
    once: bool,
    /// Where the page is that receives in a browser [default: /examples/file-exchange/ of the proxy]
    #[arg(long, value_name = "URL")]
    page: Option<String>,
}

/// Streams at once: each holds two pieces of a file.
const STREAMS_MAX: usize = 256;

/// Who has how much.
#[derive(Default)]
struct Receivers(HashMap<String, Receiver>);

/// One receiver, in all its streams.
#[derive(Default)]
struct Receiver {
    called: String,
    /// Bytes of each file that it holds.
    held: HashMap<String, u64>,
    /// Files that it has.
    whole: HashSet<String>,
}

/// What all streams have in common.
struct Desk {
    offer: Offer,
    key: String,
    receivers: RefCell<Receivers>,
    voice: Voice,
}

impl Send {
    pub async fn run(self, proxy: &Proxy) -> Result<(), Failure> {
        let offer = Offer::new(&self.files)?;
        let code = Code::random();
        let (name, key) = code.name_and_key();
        let keys = Keys::generate();
        let mut listener = proxy.server().listen(&name).sealed(&keys).await.map_err(|error| Failure::listen("send", &error))?;
        self.invite(proxy, &code, keys.public()).await?;
        let desk = Rc::new(Desk { offer, key, receivers: RefCell::default(), voice: proxy.voice });
        let mut streams: FuturesUnordered<LocalBoxFuture<'static, bool>> = FuturesUnordered::new();
        let (mut bar, mut pulses) = (Bar::new(proxy.voice), interval(PULSE));
        loop {
            tokio::select! {
                client = listener.next() => match client {
                    Some(Ok(client)) if streams.len() < STREAMS_MAX => streams.push(desk.clone().serve(client).boxed_local()),
                    Some(Ok(client)) => client.refuse(Refusal::Busy, "as many receive as may at once: try again later"),
                    Some(Err(error)) => return Err(Failure::listen("send", &error)),
                    None => std::future::pending().await,
                },
                Some(is_served) = streams.next() => if is_served && self.once {
                    bar.end("sent", desk.offer.size());
                    heard(&listener).await;
                    return Ok(());
                },
                _ = pulses.tick() => desk.show(&mut bar),
            }
        }
    }

    /// Prints the link and the code, and shows a terminal's neighbour what to point a phone at.
    async fn invite(&self, proxy: &Proxy, code: &Code, key: PublicKey) -> Result<(), Failure> {
        let link = link(proxy.url(), self.page.as_deref(), code, key);
        print(&format!("{link}\n{code}\n")).await?;
        let is_near = ["//127.", "//localhost", "//[::1]"].iter().any(|near| link.contains(near));
        if is_near && proxy.voice.connection {
            say("the link is for this machine: for others, say with --url at which address they reach the proxy");
        }
        match welcome::code(&link) {
            Some(drawn) if !is_near && stdout().is_terminal() => print(&drawn).await,
            _ => Ok(()),
        }
    }
}

impl Desk {
    /// One stream to its end: whether its receiver has everything by now.
    async fn serve(self: Rc<Self>, client: Connection) -> bool {
        let Some(meta) = client.sealed().and_then(|sealed| sealed.meta::<Meta>()).filter(|meta| meta.exchange == VERSION) else {
            client.refuse(Refusal::BadRequest, "this is a sender of files of version 1: bss recv, or the page of the link, speaks to it");
            return false;
        };
        // Compared by digests, so that the time tells nothing.
        if digest(meta.key.as_bytes()) != digest(self.key.as_bytes()) {
            client.refuse(Refusal::Forbidden, "that is not the code of this exchange");
            return false;
        }
        self.receivers.borrow_mut().known(&meta);
        match meta.wants.clone() {
            Wants::List => {
                Onlooker::new(client.accept()).look(self.offer.list()).await;
                false
            }
            Wants::Get(get) => self.give(Giving::new(client.accept()), &meta, get).await,
        }
    }

    async fn give(&self, giving: Giving, meta: &Meta, get: Get) -> bool {
        let id = get.file.clone();
        let Some(offered) = self.offer.file(&id) else {
            giving.refuse(code::UNKNOWN, "There is no such file any more.");
            return false;
        };
        let file = &offered.said.name;
        // It may say anything.
        let held = |held: u64| self.receivers.borrow_mut().holds(&meta.me, &id, held.min(offered.said.size));
        held(get.from);
        match giving.give(offered, get, held).await {
            Ok(()) => {
                let has_all = self.receivers.borrow_mut().has(&meta.me, &id, self.offer.files());
                if has_all && self.voice.connection {
                    say(&format!("{} has everything", line(&meta.called())));
                } else if self.voice.clients {
                    say(&format!("{} has {}", line(&meta.called()), line(file)));
                }
                has_all
            }
            Err(broken) => {
                if let Some(why) = why(&broken).filter(|_| self.voice.connection) {
                    say(&line(&format!("{}: {file}: {why}", meta.called())));
                }
                false
            }
        }
    }

    /// How far the one is that is farthest behind the end, and how many there are.
    fn show(&self, bar: &mut Bar) {
        let receivers = self.receivers.borrow();
        let size = self.offer.size();
        let busy: Vec<u64> =
            receivers.0.values().filter(|one| one.whole.len() < self.offer.files()).map(|one| one.held.values().sum()).collect();
        if let Some(least) = busy.iter().min() {
            let label = if busy.len() == 1 { "to 1 receiver".to_owned() } else { format!("to {} receivers, the slowest", busy.len()) };
            bar.look(&label, *least, size);
        }
    }
}

impl Meta {
    fn called(&self) -> String {
        if self.called.is_empty() { "a receiver".into() } else { self.called.chars().take(64).collect() }
    }
}

impl Receivers {
    fn known(&mut self, meta: &Meta) {
        // Whoever has the code may call itself anything: so many are remembered, and the rest are served all the same.
        if self.0.len() < STREAMS_MAX {
            self.0.entry(meta.me.clone()).or_default().called = meta.called();
        }
    }

    fn holds(&mut self, me: &str, file: &str, held: u64) {
        if let Some(receiver) = self.0.get_mut(me) {
            receiver.held.insert(file.to_owned(), held);
        }
    }

    /// This file is whole, perhaps once more; whether all are.
    fn has(&mut self, me: &str, file: &str, files: usize) -> bool {
        let Some(receiver) = self.0.get_mut(me) else { return false };
        receiver.whole.insert(file.to_owned());
        receiver.whole.len() >= files
    }
}

/// What became of a file that did not get there; nothing where the receiver is away and may be back.
fn why(broken: &Broken) -> Option<String> {
    match broken {
        Broken::File(error) => Some(format!("it cannot be sent any more: {error}")),
        Broken::Another => None,
        Broken::Stream(StreamError::Reset(number), message) => match (*number, message) {
            (code::UNWANTED, _) => Some("cancelled by the receiver".into()),
            (_, Some(message)) => Some(format!("the receiver stopped: {message}")),
            _ => match RefusalCode::from_number(*number) {
                RefusalCode::Known(Refusal::Cancelled) => Some("cancelled by the receiver".into()),
                code => Some(format!("the receiver stopped: {code}")),
            },
        },
        Broken::Stream(..) => None,
    }
}
