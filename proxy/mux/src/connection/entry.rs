//! What a connection knows about one stream.

use crate::{
    Flags, INITIAL_WINDOW, PRIORITY, StreamId,
    connection::{
        Moved, View,
        round::{Round, Share, Turn},
    },
    ids::Identified,
    queue::Backlog,
    window::Window,
};

pub(super) struct Entry<T> {
    pub(super) value: T,
    pub(super) queue: Backlog,
    pub(super) window: Window,
    /// What the peer lets us send.
    pub(super) credit: u32,
    pub(super) moved: Moved,
    pub(super) serial: u32,
    pub(super) share: Share,
    pub(super) id: StreamId,
    /// The code of a reset that waits behind the queue.
    pub(super) reset_code: u32,
    pub(super) resets_behind: bool,
    /// How many KiB are its turn.
    pub(super) priority: u8,
    pub(super) handshake: Handshake,
    /// Stands in the queue of window updates.
    pub(super) has_news: bool,
    pub(super) in_round: bool,
    pub(super) fin: Fin,
    pub(super) peer_finished: bool,
    /// The stream has ended and waits to be collected.
    pub(super) over: bool,
}

/// How far the opening of a stream has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    /// Our SYN has not left.
    SynDue,
    /// The peer has not acknowledged our SYN yet.
    AckAwaited,
    /// The peer's SYN is not acknowledged yet.
    AckDue,
    Done,
}

/// How far the end of our direction has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fin {
    /// We may say more.
    Unsaid,
    /// We finished; the FIN is behind the queue.
    Due,
    Sent,
}

impl<T> Identified for Box<Entry<T>> {
    fn id(&self) -> StreamId {
        self.id
    }
}

impl<T> Entry<T> {
    pub(super) fn opened_here(value: T) -> Self {
        Self { handshake: Handshake::SynDue, ..Self::new(value) }
    }

    pub(super) fn opened_by_peer(value: T) -> Self {
        Self { handshake: Handshake::AckDue, ..Self::new(value) }
    }

    fn new(value: T) -> Self {
        Self {
            value,
            queue: Backlog::default(),
            window: Window::default(),
            credit: INITIAL_WINDOW,
            moved: Moved::default(),
            serial: 0,
            share: Share::default(),
            id: 0,
            reset_code: 0,
            resets_behind: false,
            priority: PRIORITY,
            handshake: Handshake::Done,
            has_news: false,
            in_round: false,
            fin: Fin::Unsaid,
            peer_finished: false,
            over: false,
        }
    }

    pub(super) fn view(&self) -> View {
        View {
            queued: self.queue.len(),
            send_credit: self.credit,
            receive_credit: self.window.credit(),
            receive_window: self.window.size(),
            finished: !self.takes_more(),
            peer_finished: self.peer_finished,
        }
    }

    /// Whether something may be queued.
    pub(super) fn takes_more(&self) -> bool {
        !self.over && self.fin == Fin::Unsaid && !self.resets_behind
    }

    /// Whether data may still come that somebody wants.
    pub(super) fn expects_data(&self) -> bool {
        !self.over && !self.peer_finished && !self.resets_behind
    }

    /// What the peer may have sent and we have not seen.
    pub(super) fn under_way(&self) -> u64 {
        if self.peer_finished { 0 } else { self.window.credit().into() }
    }

    /// Puts the stream into the round if it has something that may leave.
    #[inline]
    pub(super) fn enter(&mut self, id: StreamId, round: &mut Round) {
        if !self.in_round && self.can_send() {
            self.in_round = true;
            round.enter(Turn { id, serial: self.serial }, &self.share);
        }
    }

    /// SYN, if it has to ride on the frame that leaves now.
    pub(super) fn take_syn(&mut self) -> Flags {
        if self.handshake != Handshake::SynDue {
            return Flags::NONE;
        }
        self.handshake = Handshake::AckAwaited;
        Flags::SYN
    }

    /// ACK, if the peer's SYN is not acknowledged yet.
    pub(super) fn take_ack(&mut self) -> Flags {
        if self.handshake != Handshake::AckDue {
            return Flags::NONE;
        }
        self.handshake = Handshake::Done;
        Flags::ACK
    }

    /// The peer acknowledges our SYN; whether it had to.
    pub(super) fn acknowledged(&mut self) -> bool {
        let awaited = matches!(self.handshake, Handshake::SynDue | Handshake::AckAwaited);
        if self.handshake == Handshake::AckAwaited {
            self.handshake = Handshake::Done;
        }
        awaited
    }

    /// Whether a turn in the round would put something out.
    pub(super) fn can_send(&self) -> bool {
        if self.over {
            false
        } else if self.queue.is_empty() {
            self.handshake == Handshake::SynDue || self.fin == Fin::Due || self.resets_behind
        } else {
            self.credit > 0
        }
    }
}
