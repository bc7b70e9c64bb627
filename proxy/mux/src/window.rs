//! What a peer may still send on one stream, and when it gets more.
//!
//! Two ways to give credit, never mixed on one stream: `grant` (a splice knows what the far reader allows) and `consume` (a local reader read).
//! The window of a local reader doubles when the sender had to stop although the reader had read everything: credit, not the reader, was what held it up.

use crate::{INITIAL_WINDOW, SESSION_GROWTH_MAX, Violation, WINDOW_MAX};

pub(crate) struct Window {
    /// What the peer may have outstanding: unread and unsent together.
    size: u32,
    /// What the peer may still send, grants that have not left included.
    credit: u32,
    /// The part of `credit` that the peer has not been told yet.
    untold: u32,
    /// Received and not yet consumed.
    unread: u32,
    /// Consumed and not yet given back.
    owed: u32,
    /// The last grant, with all that was told together with it.
    last_grant: u32,
}

/// What a session has given beyond the initial windows.
#[derive(Default)]
pub(crate) struct Growth {
    granted: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: INITIAL_WINDOW, credit: INITIAL_WINDOW, untold: 0, unread: 0, owed: 0, last_grant: 0 }
    }
}

impl Window {
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    pub(crate) fn credit(&self) -> u32 {
        self.credit
    }

    /// Takes a frame's bytes out of what the peer was told that it may send.
    pub(crate) fn receive(&mut self, bytes: u32) -> Result<(), Violation> {
        if bytes > self.credit - self.untold {
            return Err(Violation::Window);
        }
        self.credit -= bytes;
        // A splice never consumes, so its count only has to stay harmless.
        self.unread = self.unread.saturating_add(bytes);
        Ok(())
    }

    pub(crate) fn grant(&mut self, bytes: u32) {
        let bytes = bytes.min(u32::MAX - self.credit);
        self.last_grant = if self.untold == 0 { bytes } else { self.last_grant.saturating_add(bytes) };
        self.credit += bytes;
        self.untold += bytes;
    }

    /// The reader took `bytes`: gives credit back once a step is owed, and grows the window if credit was what stopped the sender.
    pub(crate) fn consume(&mut self, bytes: u32, growth: &mut Growth) {
        let bytes = bytes.min(self.unread);
        if bytes == 0 {
            return;
        }
        self.unread -= bytes;
        self.owed = self.owed.saturating_add(bytes);
        let stopped = self.credit == 0 || self.credit == self.last_grant;
        if self.unread == 0 && stopped && self.size < WINDOW_MAX && growth.take(self.size) {
            self.owed += self.size;
            self.size *= 2;
        }
        if self.owed >= self.step() {
            let owed = std::mem::take(&mut self.owed);
            self.grant(owed);
        }
    }

    /// Half a window while it grows: one grant is on its way then, which tells a sender that stopped. Of a grown one an eighth: what is owed when a
    /// sender stops, it gets a round trip late.
    fn step(&self) -> u32 {
        if self.size < WINDOW_MAX { self.size / 2 } else { self.size / 8 }
    }

    /// The credit to put into a WINDOW_UPDATE now.
    pub(crate) fn tell(&mut self) -> u32 {
        std::mem::take(&mut self.untold)
    }

    pub(crate) fn has_news(&self) -> bool {
        self.untold > 0
    }

    /// Gives back what the window had grown by.
    pub(crate) fn release(&mut self, growth: &mut Growth) {
        growth.granted = growth.granted.saturating_sub(self.size - INITIAL_WINDOW);
        self.size = INITIAL_WINDOW;
    }
}

impl Growth {
    fn take(&mut self, bytes: u32) -> bool {
        let fits = bytes <= SESSION_GROWTH_MAX - self.granted;
        if fits {
            self.granted += bytes;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u32 = 1024;

    fn consume(window: &mut Window, growth: &mut Growth, bytes: u32) -> u32 {
        window.consume(bytes, growth);
        window.tell()
    }

    #[test]
    fn threat_07_a_peer_is_held_to_what_it_was_told() {
        let mut window = Window::default();
        assert_eq!(window.receive(INITIAL_WINDOW), Ok(()));
        assert_eq!(window.receive(1), Err(Violation::Window));
        window.grant(10);
        assert_eq!(window.receive(1), Err(Violation::Window), "the grant has not left");
        assert_eq!(window.tell(), 10);
        assert_eq!(window.receive(10), Ok(()));
        assert_eq!(window.receive(1), Err(Violation::Window));
    }

    #[test]
    fn credit_comes_back_in_halves_of_the_window() {
        let (mut window, mut growth) = (Window::default(), Growth::default());
        window.receive(200 * KIB).unwrap();
        assert_eq!(consume(&mut window, &mut growth, 127 * KIB), 0);
        assert_eq!(consume(&mut window, &mut growth, KIB), 128 * KIB);
        assert_eq!(consume(&mut window, &mut growth, 72 * KIB), 0);
        assert_eq!(window.size(), INITIAL_WINDOW);
    }

    #[test]
    fn the_window_doubles_when_credit_stopped_the_sender() {
        let (mut window, mut growth) = (Window::default(), Growth::default());
        window.receive(256 * KIB).unwrap();
        assert_eq!(consume(&mut window, &mut growth, 256 * KIB), 512 * KIB);
        assert_eq!(window.size(), 512 * KIB);
    }

    #[test]
    fn the_window_doubles_when_the_last_grant_was_still_on_its_way() {
        let (mut window, mut growth) = (Window::default(), Growth::default());
        window.receive(256 * KIB).unwrap();
        assert_eq!(consume(&mut window, &mut growth, 200 * KIB), 200 * KIB);
        assert_eq!(consume(&mut window, &mut growth, 56 * KIB), 312 * KIB);
        assert_eq!((window.size(), window.credit()), (512 * KIB, 512 * KIB));
    }

    #[test]
    fn a_slow_reader_or_a_slow_sender_gets_no_larger_window() {
        let (mut window, mut growth) = (Window::default(), Growth::default());
        window.receive(256 * KIB).unwrap();
        for _ in 0..100 {
            let grant = consume(&mut window, &mut growth, 128 * KIB);
            window.receive(grant).unwrap();
        }
        assert_eq!(window.size(), INITIAL_WINDOW);
        let mut window = Window::default();
        for _ in 0..100 {
            window.receive(100 * KIB).unwrap();
            consume(&mut window, &mut growth, 100 * KIB);
        }
        assert_eq!(window.size(), INITIAL_WINDOW);
    }

    #[test]
    fn growth_stops_at_its_maxima_and_a_streams_end_gives_it_back() {
        let mut growth = Growth::default();
        let full = |growth: &mut Growth| {
            let mut window = Window::default();
            for _ in 0..8 {
                let bytes = window.credit();
                window.receive(bytes).unwrap();
                consume(&mut window, growth, bytes);
            }
            window
        };
        let mut sizes: Vec<_> = (0..6).map(|_| full(&mut growth)).collect();
        assert!(sizes[..4].iter().all(|window| window.size() == WINDOW_MAX));
        assert!(sizes[5].size() < WINDOW_MAX && growth.granted <= SESSION_GROWTH_MAX);
        for window in &mut sizes {
            window.release(&mut growth);
        }
        assert_eq!(growth.granted, 0);
    }

    #[test]
    fn more_is_never_consumed_than_was_received() {
        let (mut window, mut growth) = (Window::default(), Growth::default());
        window.receive(10).unwrap();
        window.consume(u32::MAX, &mut growth);
        assert_eq!(window.owed, 10);
    }
}
