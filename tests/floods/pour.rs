//! The plainest flood: one connection, as many messages as it takes, and another one as soon as it is cut.

use std::{
    io::{self, Write},
    net::{SocketAddr, SocketAddrV4, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
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

/// How often a blocked write looks how much is on the way: the table of all connections has to be read for it.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Pours until the attack is over. After each cut it comes again at once: being cut costs an attacker nothing.
pub fn pour<F: FnMut(&mut Vec<u8>) -> u64>(attack: &Attack, mut flood: Flood<F>) -> Fate {
    let mut fate = Fate::default();
    while attack.goes_on_until(fate.connections > 0) {
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
        let Written { sent, before, mut on_the_way, cut } = write(attack, &socket, flood, &told);
        look(&socket, &mut on_the_way);
        written.store(true, Ordering::Relaxed);
        reading.thread().unpark();
        fate = reading.join().expect("the reader counts");
        fate.ended |= u64::from(cut);
        (fate.connections, fate.sent, fate.most, fate.on_the_way) = (1, sent, before, on_the_way);
    });
    Ok(fate)
}

/// What went out on one connection.
#[derive(Default)]
struct Written {
    /// Units in all, and those before the proxy said goodbye: it drops what comes behind.
    sent: u64,
    before: u64,
    /// What the proxy had not read of that when somebody looked last: once it is cut nobody can tell.
    on_the_way: u64,
    cut: bool,
}

/// Writes until the attack is over or the connection is; a goodbye does not stop it.
fn write<F: FnMut(&mut Vec<u8>) -> u64>(attack: &Attack, mut socket: &TcpStream, flood: &mut Flood<F>, told: &AtomicBool) -> Written {
    let (mut written, mut batch, mut looked) = (Written::default(), flood.first.clone(), Instant::now());
    loop {
        let mut rest = &batch[..];
        while !rest.is_empty() {
            match socket.write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if is_timeout(&error) => {
                    if looked.elapsed() > LOOK_AGAIN {
                        look(socket, &mut written.on_the_way);
                        looked = Instant::now();
                    }
                }
                Err(_) => return Written { cut: true, ..written },
            }
            if !attack.goes_on_until(written.sent > 0) {
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

/// Takes down what is on the way, as long as the connection is there.
fn look(socket: &TcpStream, on_the_way: &mut u64) {
    *on_the_way = self::on_the_way(socket).unwrap_or(*on_the_way);
}

/// Bytes that were written to this socket and that its peer, a process of this machine, has not read: they lie in the kernel's buffers of both. None where the
/// connection is gone, or the system tells no such thing.
fn on_the_way(socket: &TcpStream) -> Option<u64> {
    let (SocketAddr::V4(here), SocketAddr::V4(there)) = (socket.local_addr().ok()?, socket.peer_addr().ok()?) else { return None };
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let text = |address: SocketAddrV4| format!("{:08X}:{:04X}", u32::from_le_bytes(address.ip().octets()), address.port());
    // `sl local_address rem_address st tx_queue:rx_queue …`
    let queues = |local: SocketAddrV4, remote: SocketAddrV4| {
        let established = [&text(local)[..], &text(remote), "01"];
        let row = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|row| row.get(1..4) == Some(&established))?;
        let (sending, received) = row.get(4)?.split_once(':')?;
        Some([sending, received].map(|hex| u64::from_str_radix(hex, 16).unwrap_or_default()))
    };
    Some(queues(here, there)?[0] + queues(there, here)?[1])
}
