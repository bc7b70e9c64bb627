//! How two peers meet through what is measured, and what stands at the head of each stream then.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::{
    endpoint::{INITIAL_WINDOW, Link, Out},
    wire::{Event, FIN, RST, SYN},
};

/// How a client's streams come to the server.
#[derive(Clone)]
pub enum Way {
    /// Through our proxy: the server claims this name, each stream starts with an open and is answered with a reply.
    Name(String),
    /// Through a relay that joins every stream of a client to one of the server's session, and says nothing itself.
    Bare,
}

impl Way {
    /// A session that will be given streams; with a name, the claim ends with it.
    pub fn listen(&self, address: SocketAddr) -> Result<Link> {
        match self {
            Self::Bare => Link::dial(address, "/s"),
            Self::Name(name) => {
                let mut link = Link::dial(address, PATH)?;
                claim(&mut link, name)?;
                Ok(link)
            }
        }
    }

    /// A session that streams are opened on.
    pub fn connect(&self, address: SocketAddr) -> Result<Link> {
        Link::dial(address, if matches!(self, Self::Bare) { "/c" } else { PATH })
    }

    /// The first bytes of a client's stream.
    pub fn open(&self) -> Vec<u8> {
        match self {
            Self::Bare => Vec::new(),
            Self::Name(name) => framed(&format!(r#"{{"path":"/browser-server/connect/{name}"}}"#)),
        }
    }

    /// The first bytes of the server's answer.
    pub fn reply(&self) -> Vec<u8> {
        if matches!(self, Self::Bare) { Vec::new() } else { framed("{}") }
    }

    /// What keeps the account of a new stream.
    pub fn incoming(&self) -> Incoming {
        Incoming { headed: matches!(self, Self::Bare), ..Incoming::default() }
    }
}

/// Claims the name, and may be given as many clients as a case likes.
fn claim(link: &mut Link, name: &str) -> Result<()> {
    link.out.data(CONTROL, SYN, &framed(&format!(r#"{{"path":"/browser-server/listen/{name}"}}"#)));
    link.flush()?;
    let mut reply = Incoming::default();
    while reply.head().is_none() {
        link.receive(|out, event| {
            if let Event::Data(CONTROL, bytes) = event {
                reply.take(CONTROL, bytes, INITIAL_WINDOW / 2, out);
            }
        })?;
    }
    let reply = reply.head().unwrap_or_default();
    ensure!(!reply.contains(r#""error""#), "the claim was refused: {reply}");
    link.out.data(CONTROL, 0, &framed(r#"{"note":"clients_max","value":100000}"#));
    link.flush()
}

/// Holds what came in on one stream: the open or reply at its head, then credit to be given back.
#[derive(Default)]
pub struct Incoming {
    head: Vec<u8>,
    headed: bool,
    answered: bool,
    consumed: u32,
}

impl Incoming {
    /// Takes what arrived and returns what is behind the head; gives credit back by `step` bytes.
    pub fn take<'a>(&mut self, id: u32, bytes: &'a [u8], step: u32, out: &mut Out) -> &'a [u8] {
        self.consumed += bytes.len() as u32;
        if self.consumed >= step {
            out.grant(id, 0, self.consumed);
            self.consumed = 0;
        }
        if self.headed {
            return bytes;
        }
        let mut rest = bytes;
        for wanted in [|_: &[u8]| 2, |head: &[u8]| 2 + usize::from(u16::from_be_bytes([head[0], head[1]]))] {
            let missing = wanted(&self.head).saturating_sub(self.head.len());
            let (part, left) = rest.split_at(missing.min(rest.len()));
            self.head.extend_from_slice(part);
            rest = left;
            if part.len() < missing {
                return &[];
            }
        }
        self.headed = true;
        rest
    }

    /// The open or reply, once it is whole.
    pub fn head(&self) -> Option<&str> {
        let body = self.head.get(2..).filter(|_| self.headed)?;
        std::str::from_utf8(body).ok()
    }

    /// Whether its head is whole and is to be answered: true once.
    pub fn asks(&mut self) -> bool {
        self.headed && !std::mem::replace(&mut self.answered, self.headed)
    }
}

pub fn is_end(flags: u16) -> bool {
    flags & (FIN | RST) != 0
}

/// The open of a stream, a reply or a note, as it travels.
pub fn framed(json: &str) -> Vec<u8> {
    let mut bytes = (json.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    bytes
}

/// Where the proxy takes sessions.
pub const PATH: &str = "/mux";
/// The stream of the claim: the first that a peer opens.
pub const CONTROL: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_taken_off_wherever_it_is_cut_and_asks_once() {
        let bytes = [framed("{}"), b"rest".to_vec()].concat();
        for cut in 0..bytes.len() {
            let (mut incoming, mut out) = (Incoming::default(), Out::default());
            let mut rest = incoming.take(3, &bytes[..cut], 1024, &mut out).to_vec();
            rest.extend_from_slice(incoming.take(3, &bytes[cut..], 1024, &mut out));
            assert_eq!((rest.as_slice(), incoming.head()), (&b"rest"[..], Some("{}")));
            assert_eq!((incoming.asks(), incoming.asks()), (true, false));
        }
    }

    #[test]
    fn a_bare_stream_has_no_head() {
        let (mut incoming, mut out) = (Way::Bare.incoming(), Out::default());
        assert_eq!(incoming.take(3, b"rest", 1024, &mut out), b"rest");
        assert!(incoming.asks());
    }
}
