//! The task of one resumable stream: moves bytes between its endpoint and its carriers, keeps its clock, and opens or takes carriers.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use browser_stream_mux::Code;
use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Sleep, sleep_until},
};

use super::{
    arrivals::Arrival,
    carrier::{Came, Carrier},
    opener::Opener,
    shell::{Shell, now},
};
use crate::{
    peer::Shared,
    resume::{Action, CarrierId, Close, State},
};

/// Drives one endpoint until nothing can happen to it any more.
pub(super) struct Driver {
    pub(super) shell: Arc<Shell>,
    pub(super) shared: Arc<Shared>,
    pub(super) carriers: Vec<Carrier>,
    /// Only a client has one.
    pub(super) opener: Option<Opener>,
    /// The carriers that come in at a server; none come in at a client.
    arrivals: mpsc::UnboundedReceiver<Box<Arrival>>,
    next: CarrierId,
    timer: Pin<Box<Sleep>>,
    /// When the timer fires, if it was set.
    alarm: Option<Instant>,
    /// There will be no session any more.
    is_last: bool,
    out: Vec<Bytes>,
}

/// So often does it look for more to do, and so much does it take off one carrier, before others have their turn.
const TURNS: usize = 32;

impl Driver {
    pub(super) fn new(
        shell: Arc<Shell>,
        shared: Arc<Shared>,
        opener: Option<Opener>,
        arrivals: mpsc::UnboundedReceiver<Box<Arrival>>,
    ) -> Self {
        let timer = Box::pin(sleep_until(now().into()));
        let (carriers, out) = (Vec::new(), Vec::new());
        Self { shell, shared, carriers, opener, arrivals, next: 0, timer, alarm: None, is_last: false, out }
    }

    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let (mut generation, mut is_stopped) = (0, false);
        loop {
            tokio::select! {
                biased;
                () = poll_fn(|cx| self.pump(cx)) => return,
                live = shared.newer(generation), if !self.is_last => match live {
                    Ok(live) => {
                        generation = live.generation;
                        self.session_up(generation);
                    }
                    Err(_) => self.is_last = true,
                },
                () = shared.stopped(), if !is_stopped => {
                    is_stopped = true;
                    self.shell.lock().endpoint.give_up(now());
                }
            }
        }
    }

    /// A number for a carrier that no other had.
    pub(super) fn number(&mut self) -> CarrierId {
        self.next += 1;
        self.next
    }

    /// Does all that can be done now; ready when nothing is left to do for ever.
    fn pump(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shell.driver.register(cx.waker());
        for _ in 0..TURNS {
            let mut moved = self.take_arrivals(cx);
            moved |= self.read(cx);
            moved |= self.act();
            moved |= self.write(cx);
            moved |= self.keep_time(cx);
            let is_over = self.is_over();
            if is_over || !moved {
                self.tell_opener();
                self.shell.tell();
                return if is_over { Poll::Ready(()) } else { Poll::Pending };
            }
        }
        self.shell.tell();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn take_arrivals(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(Some(arrival)) = self.arrivals.poll_recv(cx) else { return false };
        self.arrived(*arrival);
        true
    }

    /// What each carrier has brought, as far as others are not kept waiting for it.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        for index in (0..self.carriers.len()).rev() {
            let Some(carrier) = self.carriers.get_mut(index) else { continue };
            let id = carrier.id;
            let mut core = self.shell.lock();
            for _ in 0..TURNS {
                let Poll::Ready(came) = carrier.poll_read(cx) else { break };
                moved = true;
                match came {
                    Came::Bytes(bytes) => core.endpoint.received(id, bytes, now()),
                    Came::Done | Came::End => {
                        match came {
                            Came::Done => core.endpoint.done_with(id, now()),
                            _ => core.endpoint.closed(id, now()),
                        }
                        self.carriers.swap_remove(index);
                        break;
                    }
                    Came::Answer(answer) => {
                        drop(core);
                        self.answered(index, answer);
                        break;
                    }
                }
            }
        }
        moved
    }

    /// What the endpoint asks for.
    fn act(&mut self) -> bool {
        let mut moved = false;
        loop {
            let action = {
                let mut core = self.shell.lock();
                core.settle(now());
                core.endpoint.poll()
            };
            match action {
                None => return moved,
                Some(Action::Open { birth }) => self.open(birth),
                Some(Action::Close(id, how)) => self.close(id, how),
                Some(Action::Macs(request)) => {
                    let macs = request.answer();
                    self.shell.lock().endpoint.macs(request.carrier, &macs, now());
                }
            }
            moved = true;
        }
    }

    /// A client's stream moves to a new session at once: one that drains is to come to its end. Its server's carriers move with the client's.
    fn session_up(&mut self, generation: u64) {
        if self.opener.is_none() {
            return;
        }
        while let Some(index) = self.carriers.iter().position(|carrier| carrier.generation < generation) {
            let old = self.carriers.swap_remove(index);
            self.shell.lock().endpoint.closed(old.id, now());
            old.reset(Code::Cancelled);
        }
        self.shell.lock().endpoint.wake(now());
    }

    fn open(&mut self, birth: bool) {
        // It may have ended since it asked.
        let opened = if self.shell.lock().endpoint.state() == State::Freed { None } else { self.shared.open_now() };
        let (id, now) = (self.number(), now());
        let mut core = self.shell.lock();
        let (Some((mut stream, generation)), Some(opener)) = (opened, &self.opener) else { return core.endpoint.unopened(now) };
        if birth {
            opener.birth(id, &mut stream, &mut core.endpoint, now);
        } else {
            opener.join(id, &mut stream, &mut core.endpoint, now);
        }
        self.carriers.push(Carrier::asked(id, stream, generation));
    }

    fn close(&mut self, id: CarrierId, how: Close) {
        let Some(index) = self.carriers.iter().position(|carrier| carrier.id == id) else { return };
        let carrier = self.carriers.swap_remove(index);
        match how {
            Close::Finish => drop(self.shared.tasks.spawn(carrier.finish(self.shared.resumption.limits().handshake_proxy))),
            Close::Done => carrier.reset(Code::Gone),
            Close::Reset => carrier.reset(Code::Cancelled),
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = false;
        for carrier in &mut self.carriers {
            let mut core = self.shell.lock();
            carrier.set_priority(core.priority);
            if core.endpoint.wants_transmit(carrier.id) {
                core.endpoint.transmit(carrier.id, carrier.room(cx), now(), &mut self.out);
            }
            drop(core);
            if !self.out.is_empty() {
                // What a carrier does not take any more is said again on the next.
                moved |= carrier.stream.write_all_now(&mut self.out);
            }
        }
        moved
    }

    fn keep_time(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.shell.lock().endpoint.deadline();
        let Some(deadline) = deadline else { return false };
        // One that moved further away is looked at when it would have been due.
        if self.alarm.is_none_or(|alarm| deadline < alarm) {
            self.alarm = Some(deadline);
            self.timer.as_mut().reset(deadline.into());
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.alarm = None;
        let is_asking = {
            let mut core = self.shell.lock();
            core.endpoint.tick(now());
            core.endpoint.is_asking()
        };
        if is_asking {
            // A carrier that is dead is replaced on the same connection: that must not be dead as well.
            self.shared.ask();
        }
        true
    }

    fn is_over(&mut self) -> bool {
        if self.opener.as_ref().is_some_and(Opener::is_plain) {
            return true;
        }
        // One that was closed by the endpoint has yet to be closed by us, behind what it says last.
        if !self.carriers.is_empty() {
            return false;
        }
        if self.is_last {
            self.shell.lock().endpoint.give_up(now());
        }
        if self.opener.is_some() { self.shell.lock().endpoint.is_over() } else { self.is_buried() }
    }

    /// Whether the server remembers or forgot the stream, and no carrier is on its way to it.
    fn is_buried(&mut self) -> bool {
        let core = self.shell.lock();
        let (tombstone, is_over) = (core.endpoint.tombstone(now()), core.endpoint.is_over());
        let id = core.endpoint.identity().id;
        drop(core);
        if tombstone.is_none() && !is_over {
            return false;
        }
        let mut registry = self.shared.resumption.lock();
        // Carriers are sent under the same lock.
        if !self.arrivals.is_empty() {
            return false;
        }
        match tombstone {
            Some(tombstone) => registry.bury(tombstone),
            None => registry.forget(id),
        }
        true
    }
}
