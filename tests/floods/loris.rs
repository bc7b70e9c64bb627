//! Row 15: connections that never become sessions, by the thousand, and heads without end.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use harness::blocking::{UPGRADE, tcp};

use crate::{
    attack::Attack,
    fate::Fate,
    process::Settings,
    siege::{MIB, Siege, lasting, long},
};

/// Connections at once.
const CROWD: usize = 2_000;
/// What one that never says anything whole may cost the proxy.
const EACH_MAX: u64 = 32 * 1024;
/// Heaps from which the proxy's threads take memory, each of which keeps some of what was freed.
const HEAPS: u64 = 3;

/// One that takes its time: what it has said, what it says next, and since when it is there.
struct Slow {
    socket: TcpStream,
    says: &'static [u8],
    said: usize,
    since: Instant,
}

/// What they say, a byte at a time and never to the end: nothing, half a head, half an upgrade.
const SAYS: [&[u8]; 3] = [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", UPGRADE.as_bytes()];

#[test]
fn threat_15_connections_that_never_become_sessions_are_closed_in_time() {
    more_descriptors();
    let patience = if long() { Duration::from_secs(10) } else { Duration::from_millis(500) };
    let limits = vec![("establish_timeout_ms", patience.as_millis() as u64)];
    let settings = Settings { limits, ..Settings::default() };
    let mut siege = Siege::with("slow loris × 2,000", &settings, CROWD as u64 * EACH_MAX + HEAPS * 8 * MIB, |_| ());
    siege.settle(patience * 3, |attack| loris(attack, &mut Duration::default()));
    let mut oldest = Duration::ZERO;
    let fate = siege.stand_for(patience * 3, |attack| loris(attack, &mut oldest));
    assert!(fate.ended > 0, "some are closed while it lasts: {fate}");
    let bound = patience + Duration::from_secs(2);
    assert!(oldest < bound, "one stayed for {oldest:?}, longer than {bound:?}");
}

/// Keeps the crowd at its size, says a byte on each a few times a second, and notes how long the oldest stayed. It goes on until a whole crowd has come and gone.
fn loris(attack: &Attack, oldest: &mut Duration) -> Fate {
    let mut fate = Fate::default();
    let mut crowd: Vec<Slow> = Vec::new();
    while attack.goes_on_until(fate.ended >= CROWD as u64) {
        while crowd.len() < CROWD && attack.goes_on_until(fate.ended >= CROWD as u64) {
            match tcp(attack.proxy, attack.address()) {
                Ok(socket) => {
                    socket.set_nonblocking(true).expect("a socket's mode can be set");
                    let says = SAYS[fate.connections as usize % SAYS.len()];
                    fate.connections += 1;
                    crowd.push(Slow { socket, says, said: 0, since: Instant::now() });
                }
                Err(error) => fate.refused(&error),
            }
        }
        crowd.retain_mut(|slow| {
            let age = slow.since.elapsed();
            let stays = slow.goes_on(&mut fate);
            if stays {
                // One that is closed by now may have been so for as long as nobody looked.
                *oldest = age.max(*oldest);
            }
            fate.ended += u64::from(!stays);
            stays
        });
        std::thread::park_timeout(Duration::from_millis(100));
    }
    fate
}

impl Slow {
    /// Says one more byte; false once the proxy has closed.
    fn goes_on(&mut self, fate: &mut Fate) -> bool {
        if let Some(byte) = self.says.get(self.said..self.said + 1) {
            match self.socket.write(byte) {
                Ok(said) => (self.said, fate.sent) = (self.said + said, fate.sent + said as u64),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        let mut answer = [0; 256];
        match self.socket.read(&mut answer) {
            Ok(0) => false,
            Ok(length) => {
                fate.answered(&answer[..length]);
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn threat_15_heads_without_end_are_refused_431() {
    let fate = Siege::of("giant heads").stand(|attack| {
        let mut fate = Fate::default();
        let lines = "X-Much: and more and more and more and more and more\r\n".repeat(1024);
        while attack.goes_on_until(fate.statuses.contains_key(&431)) {
            let Ok(mut socket) = tcp(attack.proxy, attack.address()) else {
                fate.unreachable += 1;
                continue;
            };
            socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
            fate.connections += 1;
            let head = "GET /mux HTTP/1.1\r\nHost: localhost\r\n";
            let mut sent = socket.write_all(head.as_bytes()).is_ok();
            // A few times what fits into a head: the proxy does not wait for more.
            for _ in 0..4 {
                sent = sent && socket.write_all(lines.as_bytes()).is_ok();
                fate.sent += u64::from(sent) * 1024;
            }
            let mut answer = [0; 256];
            let length = socket.read(&mut answer).unwrap_or_default();
            fate.answered(&answer[..length]);
            fate.ended += 1;
        }
        fate
    });
    let refused = fate.statuses.get(&431).copied().unwrap_or_default();
    // Where the reset overtakes the answer, it is not seen.
    assert!(refused > 0 && fate.statuses.keys().all(|status| *status == 431), "{fate}");
    assert!(lasting().as_millis() > 0 && fate.connections >= refused);
}

/// Lets this process have as many descriptors as the system grants it: a crowd needs more than the usual 1,024.
fn more_descriptors() {
    let id = std::process::id().to_string();
    let hard = Command::new("prlimit").args(["--pid", &id, "--nofile", "--noheadings", "--raw", "--output", "HARD"]).output();
    let hard = hard.expect("prlimit runs").stdout;
    let hard = String::from_utf8_lossy(&hard).trim().to_owned();
    let raised = Command::new("prlimit").args(["--pid", &id, &format!("--nofile={hard}:{hard}")]).status();
    assert!(raised.expect("prlimit runs").success(), "as many descriptors as {hard}");
}
