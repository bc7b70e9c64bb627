//! A member of a room of ours.

use std::net::{SocketAddr, TcpStream};

use anyhow::{Result, ensure};
use browser_stream_protocol::room::{Decoder, Emit, EventName, Record, Said, Told};
use bytes::{Bytes, BytesMut};

use super::{EVENT, Sends};
use crate::{
    endpoint::{INITIAL_WINDOW, Link},
    way::{Incoming, PATH, framed},
    wire::{Event, SYN},
};

/// The only stream of each connection.
const STREAM: u32 = 1;
/// Credit that it has out, as a library's window has grown to.
const WINDOW: u32 = 1024 * 1024;
/// It says what it has after so many, as the library does.
const GOT_EVERY: u64 = 64;

pub struct Member {
    link: Link,
    decoder: Decoder<Told>,
    owed: u32,
    got: u64,
    told: u64,
    record: BytesMut,
}

impl Member {
    pub fn join(address: SocketAddr) -> Result<Self> {
        let mut link = Link::dial(address, PATH)?;
        link.out.data(STREAM, SYN, &framed(r#"{"path":"/room/join/bench","room":{}}"#));
        link.out.grant(STREAM, 0, WINDOW - INITIAL_WINDOW);
        link.flush()?;
        let (mut reply, mut first) = (Incoming::default(), Vec::new());
        while reply.head().is_none() {
            link.receive(|out, event| {
                if let Event::Data(STREAM, bytes) = event {
                    first.extend_from_slice(reply.take(STREAM, bytes, 0, out));
                }
            })?;
        }
        let reply = reply.head().unwrap_or_default();
        ensure!(!reply.contains(r#""error""#), "refused: {reply}");
        let mut member = Self { link, decoder: Decoder::default(), owed: 0, got: 0, told: 0, record: BytesMut::new() };
        take(&mut member.decoder, &first, &mut member.got, &mut |_| {})?;
        Ok(member)
    }
}

impl Sends for Member {
    fn socket(&self) -> Result<TcpStream> {
        self.link.socket()
    }

    fn send(&mut self, at: u64) -> Result<()> {
        // An array of one binary.
        let mut body = vec![0x91, 0xc4, (EVENT - 3) as u8];
        body.extend_from_slice(&at.to_be_bytes());
        body.resize(EVENT, 7);
        self.record.clear();
        Said::Emit(Emit::new(EventName::try_from("m")?, body.into())).write(&mut self.record);
        self.link.out.data(STREAM, 0, &self.record);
        self.link.flush()
    }

    fn receive(&mut self, mut on: impl FnMut(u64)) -> Result<()> {
        let Self { link, decoder, owed, got, told, record } = self;
        let mut taken = Ok(());
        link.receive(|out, event| {
            let Event::Data(STREAM, bytes) = event else { return };
            if taken.is_ok() {
                taken = take(decoder, bytes, got, &mut on);
            }
            *owed += bytes.len() as u32;
            if *owed >= WINDOW / 4 {
                out.grant(STREAM, 0, std::mem::take(owed));
            }
            if *got >= *told + GOT_EVERY {
                *told = *got;
                record.clear();
                Said::Got(*got).write(record);
                out.data(STREAM, 0, record);
            }
        })?;
        taken
    }
}

fn take(decoder: &mut Decoder<Told>, bytes: &[u8], got: &mut u64, on: &mut impl FnMut(u64)) -> Result<()> {
    decoder.push(Bytes::copy_from_slice(bytes));
    while let Some(told) = decoder.next()? {
        *got += u64::from(told.is_counted());
        match told {
            Told::Event { body, .. } => {
                let at = body.get(3..11).and_then(|at| at.try_into().ok()).map(u64::from_be_bytes);
                at.into_iter().for_each(&mut *on);
            }
            Told::Lost(count) => *got += count,
            _ => {}
        }
    }
    Ok(())
}
