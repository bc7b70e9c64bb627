//! The plainest flood: one connection, as many messages as it takes, and another one as soon as it is cut.

use std::{
    io::{self, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use harness::blocking::{Blocking, is_timeout};

use crate::{attack::Attack, cores, fate::Fate};

/// What is poured.
pub struct Flood<F> {
    /// Sent first on each connection.
    pub first: Vec<u8>,
    /// Makes the next batch of bytes, WebSocket framing included, and says how many units are in it.
    pub next: F,
    /// Takes what the proxy answers.
    pub reads: bool,
}

/// How often a blocked read or write looks whether the attack is over.
const LOOK: Duration = Duration::from_millis(20);

/// Pours until the attack is over. After each cut it comes again at once: being cut costs an attacker nothing.
pub fn pour<F: FnMut(&mut Vec<u8>) -> u64>(attack: &Attack, mut flood: Flood<F>) -> Fate {
    let mut fate = Fate::default();
    while attack.goes_on() {
        match Blocking::dial(attack.proxy, attack.address()) {
            Ok(peer) => fate.add(connection(attack, peer, &mut flood).expect("a socket's timeouts can be set")),
            Err(error) => fate.refused(&error),
        }
    }
    fate
}

fn connection<F: FnMut(&mut Vec<u8>) -> u64>(attack: &Attack, mut peer: Blocking, flood: &mut Flood<F>) -> io::Result<Fate> {
    peer.socket.set_read_timeout(Some(LOOK))?;
    peer.socket.set_write_timeout(Some(LOOK))?;
    let socket = peer.socket.try_clone()?;
    let (written, told) = (AtomicBool::new(false), AtomicBool::new(false));
    let (reads, mut fate) = (flood.reads, Fate::default());
    thread::scope(|scope| {
        let reading = scope.spawn(|| {
            cores::behind_everybody();
            let mut fate = Fate::default();
            // One that does not read looks at the end why it was cut, as far as the system still tells.
            while !reads && !written.load(Ordering::Relaxed) {
                thread::park_timeout(LOOK);
            }
            loop {
                match peer.receive(|came| fate.came(&came)) {
                    Ok(()) => told.store(fate.told(), Ordering::Relaxed),
                    Err(error) if is_timeout(&error) => {
                        if written.load(Ordering::Relaxed) {
                            return fate;
                        }
                    }
                    Err(_) => {
                        fate.ended = 1;
                        return fate;
                    }
                }
            }
        });
        let Written { sent, before, cut } = write(attack, &socket, flood, &told);
        written.store(true, Ordering::Relaxed);
        reading.thread().unpark();
        fate = reading.join().expect("the reader counts");
        fate.ended |= u64::from(cut);
        (fate.connections, fate.sent, fate.most) = (1, sent, before);
    });
    Ok(fate)
}

/// What went out on one connection.
#[derive(Default)]
struct Written {
    /// Units in all, and those before the proxy said goodbye: it drops what comes behind.
    sent: u64,
    before: u64,
    cut: bool,
}

/// Writes until the attack is over or the connection is; a goodbye does not stop it.
fn write<F: FnMut(&mut Vec<u8>) -> u64>(attack: &Attack, mut socket: &TcpStream, flood: &mut Flood<F>, told: &AtomicBool) -> Written {
    let (mut written, mut batch) = (Written::default(), flood.first.clone());
    loop {
        let mut rest = &batch[..];
        while !rest.is_empty() {
            match socket.write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if is_timeout(&error) => {}
                Err(_) => return Written { cut: true, ..written },
            }
            if !attack.goes_on() {
                return written;
            }
        }
        batch.clear();
        let units = (flood.next)(&mut batch);
        written.sent += units;
        if !told.load(Ordering::Relaxed) {
            written.before += units;
        }
    }
}
