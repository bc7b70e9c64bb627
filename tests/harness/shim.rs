//! A TCP forwarder in front of a proxy that cuts, stalls, delays and slices what passes, as a test or a seed says.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use rand::{Rng, SeedableRng, rngs::StdRng};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// Which way bytes go: from who dialled to the proxy, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Up,
    Down,
}

/// A forwarder on a port of its own. Clones are the same. All rules may be changed at any time; the forwarder lives as long as its runtime.
#[derive(Clone)]
pub struct Shim {
    address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    rules: watch::Sender<Rules>,
    carried: [AtomicU64; 2],
    pieces: [AtomicU64; 2],
    connections: AtomicU64,
}

struct Rules {
    target: SocketAddr,
    delay: Duration,
    slice_max: usize,
    /// Connections with lower numbers pass nothing that way.
    stalled_below: [u64; 2],
    /// Connections with lower numbers are cut.
    cut_below: u64,
    /// Bytes until the next cut, that way.
    cut_in: [Option<u64>; 2],
    /// The same until the next stall.
    stall_in: [Option<u64>; 2],
    refuses: bool,
    random: StdRng,
}

/// Reads that are on their way at once: far more than any window, so that only the delay is felt.
const ON_THE_WAY_MAX: usize = 16 * 1024;
const READ_MAX: usize = 64 * 1024;

impl Shim {
    /// Forwards to this address, with everything as it comes until a rule is set. What is random comes from the seed.
    pub async fn start(target: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::over(listener, target, seed)
    }

    /// The same on this listener.
    pub fn over(listener: TcpListener, target: SocketAddr, seed: u64) -> Self {
        let rules = Rules {
            target,
            delay: Duration::ZERO,
            slice_max: READ_MAX,
            stalled_below: [0; 2],
            cut_below: 0,
            cut_in: [None; 2],
            stall_in: [None; 2],
            refuses: false,
            random: StdRng::seed_from_u64(seed),
        };
        let inner = Inner {
            rules: watch::Sender::new(rules),
            carried: Default::default(),
            pieces: Default::default(),
            connections: AtomicU64::new(0),
        };
        let shim = Self { address: listener.local_addr().expect("bound"), inner: Arc::new(inner) };
        tokio::spawn(accept(listener, Arc::clone(&shim.inner)));
        shim
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The WebSocket of the proxy behind it.
    pub fn mux(&self) -> String {
        format!("ws://{}/mux", self.address)
    }

    /// Cuts every connection that there is, with TCP resets.
    pub fn cut(&self) {
        self.inner.cut();
    }

    /// Cuts every connection when so many more bytes have passed that way, all connections together.
    pub fn cut_after(&self, way: Way, bytes: u64) {
        self.set(|rules, _| rules.cut_in[way as usize] = Some(bytes));
    }

    /// Passes nothing more that way on the connections that there are; they stay open, and later ones work.
    pub fn stall(&self, way: Way) {
        self.set(|rules, connections| rules.stalled_below[way as usize] = connections);
    }

    /// The same as soon as so many more bytes have passed that way, all connections together: at the end of the piece with the last of them.
    pub fn stall_after(&self, way: Way, bytes: u64) {
        self.set(|rules, _| rules.stall_in[way as usize] = Some(bytes));
    }

    /// Ends all stalls.
    pub fn resume(&self) {
        self.set(|rules, _| rules.stalled_below = [0; 2]);
    }

    /// Resets new connections at once, or takes them again.
    pub fn refuse(&self, refuses: bool) {
        self.set(|rules, _| rules.refuses = refuses);
    }

    /// Forwards new connections to this address.
    pub fn aim(&self, target: SocketAddr) {
        self.set(|rules, _| rules.target = target);
    }

    /// Passes each byte so much later, in either direction, from now on.
    pub fn delay(&self, delay: Duration) {
        self.set(|rules, _| rules.delay = delay);
    }

    /// Passes pieces of random lengths of at most so many bytes.
    pub fn slice(&self, most: usize) {
        self.set(|rules, _| rules.slice_max = most.clamp(1, READ_MAX));
    }

    /// The bytes that passed that way so far.
    pub fn carried(&self, way: Way) -> u64 {
        self.inner.carried[way as usize].load(Ordering::SeqCst)
    }

    /// In how many pieces they came: where they are few, one for each time that a peer had something to say.
    pub fn pieces(&self, way: Way) -> u64 {
        self.inner.pieces[way as usize].load(Ordering::SeqCst)
    }

    /// The connections that were made so far, those that were refused among them.
    pub fn connections(&self) -> u64 {
        self.inner.connections.load(Ordering::SeqCst)
    }

    fn set(&self, change: impl FnOnce(&mut Rules, u64)) {
        let connections = self.connections();
        self.inner.rules.send_modify(|rules| change(rules, connections));
    }
}

impl Inner {
    fn cut(&self) {
        let connections = self.connections.load(Ordering::SeqCst);
        self.rules.send_modify(|rules| rules.cut_below = connections);
    }

    /// The length of the next piece, and when it is due.
    fn piece(&self) -> (usize, Duration) {
        let mut piece = (READ_MAX, Duration::ZERO);
        self.rules.send_if_modified(|rules| {
            let length = if rules.slice_max < READ_MAX { rules.random.random_range(1..=rules.slice_max) } else { READ_MAX };
            piece = (length, rules.delay);
            false
        });
        piece
    }

    /// So many bytes passed that way: there may be a stall behind them.
    fn passed(&self, way: Way, bytes: usize) {
        let connections = self.connections.load(Ordering::SeqCst);
        self.rules.send_if_modified(|rules| {
            let Some(left) = &mut rules.stall_in[way as usize] else { return false };
            *left = left.saturating_sub(bytes as u64);
            let is_stall = *left == 0;
            if is_stall {
                rules.stall_in[way as usize] = None;
                rules.stalled_below[way as usize] = connections;
            }
            is_stall
        });
    }

    /// How many of these bytes may pass that way, and whether there is a cut behind them.
    fn allow(&self, way: Way, bytes: usize) -> (usize, bool) {
        let mut allowed = (bytes, false);
        self.rules.send_if_modified(|rules| {
            let cut_in = &mut rules.cut_in[way as usize];
            if let Some(left) = cut_in {
                allowed = (bytes.min(*left as usize), bytes as u64 >= *left);
                *left -= allowed.0 as u64;
                if allowed.1 {
                    *cut_in = None;
                }
            }
            false
        });
        allowed
    }
}

async fn accept(listener: TcpListener, inner: Arc<Inner>) {
    // The test's end is the listener's.
    while let Ok((near, _)) = listener.accept().await {
        let number = inner.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(forward(near, number, Arc::clone(&inner)));
    }
}

/// One connection, until it has ended both ways, or is cut.
async fn forward(mut near: TcpStream, number: u64, inner: Arc<Inner>) {
    let target = {
        let rules = inner.rules.borrow();
        (!rules.refuses).then_some(rules.target)
    };
    let far = match target {
        Some(target) => TcpStream::connect(target).await.ok(),
        None => None,
    };
    let Some(mut far) = far else { return reset(&near) };
    for socket in [&near, &far] {
        // A socket that is gone by now says so when it is used.
        let _ = socket.set_nodelay(true);
    }
    let mut rules = inner.rules.subscribe();
    let is_broken = {
        let ((from_near, to_near), (from_far, to_far)) = (near.split(), far.split());
        let passing = async {
            tokio::try_join!(pass(from_near, to_far, &inner, Way::Up, number), pass(from_far, to_near, &inner, Way::Down, number))
        };
        tokio::select! {
            _ = rules.wait_for(|rules| rules.cut_below > number) => true,
            passed = passing => passed.is_err(),
        }
    };
    if is_broken {
        reset(&near);
        reset(&far);
    }
}

/// One direction, its end included.
async fn pass(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, inner: &Inner, way: Way, number: u64) -> io::Result<()> {
    let (arrived, mut due) = mpsc::channel::<(Instant, Bytes)>(ON_THE_WAY_MAX);
    let reading = async move {
        loop {
            let (length, delay) = inner.piece();
            let mut bytes = BytesMut::with_capacity(length);
            if (&mut from).take(length as u64).read_buf(&mut bytes).await? == 0
                || arrived.send((Instant::now() + delay, bytes.freeze())).await.is_err()
            {
                return io::Result::Ok(());
            }
        }
    };
    let mut rules = inner.rules.subscribe();
    let writing = async move {
        while let Some((at, bytes)) = due.recv().await {
            sleep_until(at).await;
            // The rules live as long as the shim.
            let _ = rules.wait_for(|rules| rules.stalled_below[way as usize] <= number).await;
            let (allowed, is_cut) = inner.allow(way, bytes.len());
            to.write_all(&bytes[..allowed]).await?;
            inner.carried[way as usize].fetch_add(allowed as u64, Ordering::SeqCst);
            inner.pieces[way as usize].fetch_add(1, Ordering::SeqCst);
            inner.passed(way, allowed);
            if is_cut {
                inner.cut();
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        to.shutdown().await
    };
    tokio::try_join!(reading, writing)?;
    Ok(())
}

/// Makes the socket's end a TCP reset.
fn reset(socket: &TcpStream) {
    // One that is gone already needs none.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

#[cfg(test)]
mod tests;
