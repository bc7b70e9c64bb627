//! What a connection knows about one stream.

use std::collections::VecDeque;

use crate::{
    Flags, INITIAL_WINDOW, StreamId,
    connection::{Turn, View},
    queue::Queue,
    window::Window,
};

pub(super) struct Entry<T> {
    pub(super) value: T,
    pub(super) queue: Queue,
    pub(super) window: Window,
    /// What the peer lets us send.
    pub(super) credit: u32,
    pub(super) serial: u32,
    /// The code of a reset that waits behind the queue.
    pub(super) reset_behind: Option<u32>,
    /// Our SYN has not left.
    pub(super) syn_due: bool,
    /// The peer's SYN is not acknowledged yet.
    pub(super) ack_due: bool,
    /// The peer has not acknowledged our SYN yet.
    pub(super) ack_awaited: bool,
    /// Stands in the queue of window updates.
    pub(super) has_news: bool,
    pub(super) in_round: bool,
    /// We finished; the FIN may still be behind the queue.
    pub(super) finished: bool,
    pub(super) fin_sent: bool,
    pub(super) peer_finished: bool,
    /// The stream has ended and waits to be collected.
    pub(super) over: bool,
}

impl<T> Entry<T> {
    pub(super) fn opened_here(value: T) -> Self {
        Self { syn_due: true, ack_awaited: true, ..Self::new(value) }
    }

    pub(super) fn opened_by_peer(value: T) -> Self {
        Self { ack_due: true, ..Self::new(value) }
    }

    fn new(value: T) -> Self {
        Self {
            value,
            queue: Queue::default(),
            window: Window::default(),
            credit: INITIAL_WINDOW,
            serial: 0,
            reset_behind: None,
            syn_due: false,
            ack_due: false,
            ack_awaited: false,
            has_news: false,
            in_round: false,
            finished: false,
            fin_sent: false,
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
        !self.over && !self.finished && self.reset_behind.is_none()
    }

    /// Whether data may still come that somebody wants.
    pub(super) fn expects_data(&self) -> bool {
        !self.over && !self.peer_finished && self.reset_behind.is_none()
    }

    /// What the peer may have sent and we have not seen.
    pub(super) fn under_way(&self) -> u64 {
        if self.peer_finished { 0 } else { self.window.credit().into() }
    }

    /// Puts the stream into the round if it has something that may leave.
    pub(super) fn enter(&mut self, id: StreamId, round: &mut VecDeque<Turn>) {
        if !self.in_round && self.can_send() {
            self.in_round = true;
            round.push_back(Turn { id, serial: self.serial });
        }
    }

    /// SYN, if it has to ride on the frame that leaves now.
    pub(super) fn take_syn(&mut self) -> Flags {
        if std::mem::take(&mut self.syn_due) { Flags::SYN } else { Flags::NONE }
    }

    /// Whether a turn in the round would put something out.
    fn can_send(&self) -> bool {
        if self.over {
            false
        } else if self.queue.is_empty() {
            self.syn_due || (self.finished && !self.fin_sent) || self.reset_behind.is_some()
        } else {
            self.credit > 0
        }
    }
}
