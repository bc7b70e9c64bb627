//! One connection between a peer and a proxy: the upgrade, then a WebSocket that carries a session.

use super::{
    budget::Kept,
    line::{Facts, Kind, Side},
    scribe::Scribe,
    streams::Streams,
    upgrade::{self, Head},
    websocket::WebSocket,
};

/// What is known of a connection.
#[derive(Debug)]
pub struct Conversation {
    halves: [Half; 2],
    streams: Streams,
    /// Where from and where to, until it is told: with the upgrade, where others are passed over.
    opened: Option<Facts>,
}

#[derive(Debug)]
enum Half {
    /// The head of its first HTTP message is coming.
    Head(Kept),
    WebSocket(WebSocket),
    /// Not decoded, or not any more.
    Other,
}

impl Conversation {
    /// One of which everything will be seen, between these two. With `tells_others` it is told in any case, without only where it is a WebSocket.
    pub fn new(from: &str, to: &str, tells_others: bool, scribe: &mut Scribe<'_>) -> Self {
        let head = || Half::Head(Kept::new(scribe.budget));
        let opened = Facts::new().text("event", "opened").text("from", from).text("to", to);
        let mut new = Self { halves: [head(), head()], streams: Streams::new(), opened: Some(opened) };
        if tells_others {
            new.tell_opened(scribe);
        }
        new
    }

    fn tell_opened(&mut self, scribe: &mut Scribe<'_>) {
        if let Some(opened) = self.opened.take() {
            scribe.connection(Kind::Tcp, opened);
        }
    }

    /// Bytes of the side that the scribe is at.
    pub fn take(&mut self, bytes: &[u8], scribe: &mut Scribe<'_>) {
        match &mut self.halves[scribe.side.index()] {
            Half::Head(kept) => {
                if !kept.keep(bytes) {
                    return self.not_decoded("no room for the head of its upgrade", scribe);
                }
                self.head(scribe);
            }
            Half::WebSocket(websocket) => websocket.take(bytes, &mut self.streams, scribe),
            Half::Other => {}
        }
    }

    /// So many bytes of that side are missing.
    pub fn skip(&mut self, bytes: u64, scribe: &mut Scribe<'_>) {
        let half = &mut self.halves[scribe.side.index()];
        let goes_on = match half {
            Half::WebSocket(websocket) => websocket.skip(bytes, &mut self.streams, scribe),
            Half::Head(_) => false,
            Half::Other => return,
        };
        if self.opened.is_some() {
            return self.halves = [Half::Other, Half::Other];
        }
        let facts = Facts::new().text("event", "missing").number("bytes", bytes);
        scribe.connection(Kind::Tcp, if goes_on { facts } else { facts.text("text", "what follows in this direction is not decoded") });
        if !goes_on {
            *half = Half::Other;
        }
    }

    /// That side says no more, so or otherwise.
    pub fn end(&mut self, event: &str, scribe: &mut Scribe<'_>) {
        if self.opened.is_none() {
            scribe.connection(Kind::Tcp, Facts::new().text("event", event));
        }
    }

    fn head(&mut self, scribe: &mut Scribe<'_>) {
        let side = scribe.side;
        let Half::Head(kept) = &self.halves[side.index()] else { return };
        let Some((length, whole)) = upgrade::end(kept.bytes()) else {
            if !upgrade::may_begin(kept.bytes(), side == Side::Peer) || kept.bytes().len() > upgrade::HEAD_MAX {
                self.not_decoded("it does not begin with an upgrade to a WebSocket", scribe);
            }
            return;
        };
        let rest = kept.bytes()[whole..].to_vec();
        let head = Head::read(&kept.bytes()[..length]);
        let asked = matches!(self.halves[Side::Peer.index()], Half::WebSocket(_));
        let opened = self.opened.take();
        match (&head, side) {
            (Some(head), Side::Peer) if head.asks() => {
                if let Some(opened) = opened {
                    scribe.connection(Kind::Tcp, opened);
                }
                head.tell_request(scribe);
            }
            (Some(head), Side::Proxy) if asked => {
                head.tell_answer(&rest, scribe);
                if !head.answers() {
                    self.halves = [Half::Other, Half::Other];
                    return;
                }
            }
            _ => {
                self.opened = opened;
                return self.not_decoded("it does not begin with an upgrade to a WebSocket", scribe);
            }
        }
        self.halves[side.index()] = Half::WebSocket(WebSocket::default());
        self.take(&rest, scribe);
    }

    /// Says why nothing of it is told.
    pub fn give_up(&mut self, kind: Kind, facts: Facts, scribe: &mut Scribe<'_>) {
        self.tell_opened(scribe);
        scribe.connection(kind, facts);
        self.halves = [Half::Other, Half::Other];
    }

    /// Nothing of it is told from now on.
    fn not_decoded(&mut self, why: &str, scribe: &mut Scribe<'_>) {
        if self.opened.is_none() {
            scribe.connection(Kind::Tcp, Facts::new().text("event", "not decoded").text("text", why));
        }
        self.halves = [Half::Other, Half::Other];
    }
}
