//! A live trace: every byte goes on as it came and when it came, and what it means is told beside that.

use std::{
    collections::HashMap,
    io, mem,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
    time::timeout,
};

use super::{
    budget::Budget,
    conversation::Conversation,
    line::{Facts, Kind, Side},
    printer::Printer,
    scribe::{Scribe, Shown},
    upstream::{Host, Upstream},
};
use crate::shell::{Failure, interrupt::Interrupt, standard::say, tcp::reset};

/// Bytes that are read at once, at most and at least: reads share one piece of memory as long as there is room, so that what waits is not much more than its bytes.
const READ: usize = 64 * 1024;
const READ_LEAST: usize = 16 * 1024;
/// What something that waits is counted as, beside its bytes.
const EVENT_BYTES: usize = 128;
/// Bytes that may wait to be told: whoever reads the lines more slowly than that loses some, and the peers no time.
const WAITING_MAX: usize = 32 << 20;

/// What is seen of a connection.
enum Seen {
    Opened {
        from: SocketAddr,
        to: String,
    },
    Bytes(Bytes),
    Ended(&'static str),
    Refused(io::Error),
    /// Bytes were not kept for telling, since too many waited.
    Lost,
    Closed,
}

struct Event {
    at: Instant,
    connection: u32,
    side: Side,
    seen: Seen,
}

/// Where a connection's bytes are told.
#[derive(Clone)]
struct Tap {
    events: Sender<Event>,
    waiting: Arc<AtomicUsize>,
    connection: u32,
    is_lost: bool,
}

impl Tap {
    fn tell(&self, side: Side, seen: Seen) {
        // Where nobody tells any more the trace is about to end.
        let _ = self.events.send(Event { at: Instant::now(), connection: self.connection, side, seen });
    }

    fn bytes(&mut self, side: Side, bytes: Bytes) {
        if self.is_lost {
            return;
        }
        if self.waiting.load(Ordering::Relaxed) + bytes.len() + EVENT_BYTES > WAITING_MAX {
            self.is_lost = true;
            return self.tell(side, Seen::Lost);
        }
        self.waiting.fetch_add(bytes.len() + EVENT_BYTES, Ordering::Relaxed);
        self.tell(side, Seen::Bytes(bytes));
    }
}

/// Listens until it is interrupted, or nobody reads the lines any more.
pub async fn run(listen: SocketAddr, upstream: Upstream, shown: Shown, printer: Printer) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen().map_err(|error| Failure::local("signals", &error))?;
    let cannot = |error| Failure::local(format_args!("cannot listen on {listen}"), &error);
    let listener = TcpListener::bind(listen).await.map_err(cannot)?;
    let here = listener.local_addr().map_err(cannot)?;
    let (events, received) = channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let teller = Teller { shown, printer, waiting: waiting.clone(), began: Instant::now() };
    let (gone, unread) = oneshot::channel();
    let telling = thread::spawn(move || {
        if let Err(error) = teller.run(&received) {
            // Where nobody waits the trace has ended.
            let _ = gone.send(error);
        }
    });
    say(&format!("tracing ws://{here}{} to {}: give peers that as --url or BSS_URL", upstream.path(), upstream.url()));
    let (upstream, mut connections, mut connection) = (Arc::new(upstream), JoinSet::new(), 0);
    tokio::pin!(unread);
    let ended = loop {
        tokio::select! {
            failure = interrupt.comes() => break failure,
            Ok(error) = &mut unread => break Failure::output(&error),
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, from)) => {
                    connection += 1;
                    let tap = Tap { events: events.clone(), waiting: waiting.clone(), connection, is_lost: false };
                    connections.spawn(relay(socket, from, upstream.clone(), tap));
                }
                Err(error) => {
                    say(&format!("a connection was not taken: {error}"));
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    };
    connections.shutdown().await;
    drop(events);
    // What was seen is told to its end, or until somebody who does not read it interrupts again.
    let told = tokio::task::spawn_blocking(move || telling.join());
    tokio::select! {
        _ = told => {}
        _ = interrupt.comes_again() => {}
    }
    Err(ended)
}

/// Where this process has no room for another connection, looking again at once would take all of a core.
const PAUSE: Duration = Duration::from_millis(100);
/// A connection to the proxy may take so long to be made.
const CONNECT_MAX: Duration = Duration::from_secs(10);

async fn relay(mut peer: TcpStream, from: SocketAddr, upstream: Arc<Upstream>, tap: Tap) {
    tap.tell(Side::Peer, Seen::Opened { from, to: upstream.url().to_owned() });
    // A socket that is gone by now says so when it is used.
    let _ = peer.set_nodelay(true);
    match timeout(CONNECT_MAX, upstream.connect()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(mut proxy) => {
            let host = Host::new(upstream.says());
            let carried = {
                let (from_peer, to_peer) = peer.split();
                let (from_proxy, to_proxy) = split(proxy.carry());
                let up = pass(from_peer, to_proxy, Side::Peer, tap.clone(), host);
                let down = pass(from_proxy, to_peer, Side::Proxy, tap.clone(), Host::new(None));
                tokio::try_join!(up, down)
            };
            if carried.is_err() {
                reset(&peer);
                reset(proxy.tcp());
            }
        }
        Err(error) => {
            tap.tell(Side::Proxy, Seen::Refused(error));
            reset(&peer);
        }
    }
    tap.tell(Side::Peer, Seen::Closed);
}

/// Passes on what one side says, until it says no more.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    side: Side,
    mut tap: Tap,
    mut host: Host<'_>,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        if buffer.capacity() < READ_LEAST {
            buffer.reserve(READ);
        }
        match from.read_buf(&mut buffer).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                tap.tell(side, Seen::Ended("reset"));
                return Err(error);
            }
        }
        let bytes = buffer.split().freeze();
        // Told first, so that no answer to it is told before it.
        tap.bytes(side, bytes.clone());
        to.write_all(&host.pass(bytes)).await?;
        to.flush().await?;
    }
    tap.tell(side, Seen::Ended("finished"));
    to.write_all(&host.rest()).await?;
    to.shutdown().await
}

/// Tells what was seen, on a thread of its own: who reads the lines slowly holds up nothing else.
struct Teller {
    shown: Shown,
    printer: Printer,
    waiting: Arc<AtomicUsize>,
    began: Instant,
}

impl Teller {
    fn run(mut self, events: &Receiver<Event>) -> io::Result<()> {
        let (budget, mut conversations) = (Budget::new(), HashMap::new());
        while let Ok(event) = events.recv() {
            self.event(event, &budget, &mut conversations);
            for event in events.try_iter() {
                self.event(event, &budget, &mut conversations);
            }
            self.printer.flush()?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event, budget: &Budget, conversations: &mut HashMap<u32, Conversation>) {
        let Event { at, connection, side, seen } = event;
        let printer = &mut self.printer;
        let mut out = |line| printer.print(&line);
        let at = at.saturating_duration_since(self.began);
        let mut scribe = Scribe { at, connection, side, shown: self.shown, budget, out: &mut out };
        match seen {
            Seen::Opened { from, to } => {
                conversations.insert(connection, Conversation::new(&from.to_string(), &to, true, &mut scribe));
            }
            Seen::Bytes(bytes) => {
                self.waiting.fetch_sub(bytes.len() + EVENT_BYTES, Ordering::Relaxed);
                if let Some(conversation) = conversations.get_mut(&connection) {
                    conversation.take(&bytes, &mut scribe);
                }
            }
            Seen::Ended(how) => {
                if let Some(conversation) = conversations.get_mut(&connection) {
                    conversation.end(how, &mut scribe);
                }
            }
            Seen::Refused(error) => {
                scribe.connection(Kind::Tcp, Facts::new().text("event", "refused").text("text", &error.to_string()));
            }
            Seen::Lost => {
                let why = "the lines are read too slowly: the connection goes on, and is not decoded any further";
                if let Some(conversation) = conversations.get_mut(&connection) {
                    conversation.give_up(Kind::Limit, Facts::new().text("text", why), &mut scribe);
                }
            }
            Seen::Closed => drop(mem::take(&mut conversations.remove(&connection))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_too_slowly_is_given_up_and_nobody_waits_for_it() {
        let (events, received) = channel();
        let mut tap = Tap { events, waiting: Arc::new(AtomicUsize::new(WAITING_MAX - 5 - EVENT_BYTES)), connection: 1, is_lost: false };
        for _ in 0..3 {
            tap.bytes(Side::Peer, Bytes::from_static(b"hello"));
        }
        let seen: Vec<Seen> = received.try_iter().map(|event| event.seen).collect();
        assert!(matches!(&seen[..], [Seen::Bytes(bytes), Seen::Lost] if &bytes[..] == b"hello"));
    }
}
