//! A stock peer under heavy use is charged nothing worth mentioning: the `yamux` crate against our mux, in memory.

use std::{future::poll_fn, task::Poll};

use browser_stream_mux::{Config, Connection, Event, Outbound, Role, StreamId};
use bytes::{Bytes, BytesMut};
use futures::{AsyncReadExt as _, AsyncWriteExt as _, future::join_all};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::oneshot,
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use super::super::*;
use crate::limits::Limits;

/// Streams that the peer opens, and as many again that are opened to it.
const STREAMS: usize = 30;
/// What goes each way on each of them: more than a window.
const BYTES: usize = 300_000;

#[tokio::test]
async fn a_stock_peer_is_charged_nothing_whatever_it_carries() {
    let (near, far) = duplex(1 << 20);
    let (counts, ()) = tokio::join!(echo(near), stock_peer(far));
    assert!(counts.bytes > (STREAMS * BYTES * 8 / 10) as u64 && counts.data_sent > 200, "{counts:?}");
    for kind in [counts.updates, counts.acks, counts.fins, counts.resets] {
        assert!(kind > 0, "each kind took part: {counts:?}");
    }
}

/// What `browser-lib/src/drain.ts` does at its worst: on a way where a ping takes 16 ms or more it has its least allowance under way, 256 KiB, or twice
/// that, and sends a ping behind every 64 KiB. With more, a ping stands for 128 KiB at least; where pings are quicker, it soon has more.
#[test]
fn our_own_library_at_its_least_allowance_is_charged_for_every_other_ping_and_never_slowed() {
    let limits = Limits::default();
    let rate = Rate::new(limits.misc_frames_per_second, limits.misc_frames_burst);
    for allowance in [256 * 1024, 512 * 1024] {
        let start = Instant::now();
        let (mut charge, mut counts) = (Charge::new(start), Counts::default());
        for round in 1..=60_000 {
            counts.bytes += allowance;
            counts.pings += allowance / (64 * 1024);
            let now = start + round * Duration::from_millis(16);
            assert_eq!(charge.read(&counts, 0, &rate, now), Verdict::Fine);
            assert!(charge.owed.charge(&rate, 0, 0, now) <= Duration::from_millis(4), "repaid before the next round");
        }
        let [.., pings, _] = charge.charged;
        assert_eq!(pings, counts.pings / 2);
    }
}

/// The proxy's side: sends back what comes, opens a stream for each of the peer's, and charges after each read.
async fn echo(mut socket: DuplexStream) -> Counts {
    let limits = Limits::default();
    let rate = Rate::new(limits.misc_frames_per_second, limits.misc_frames_burst);
    let mut mux = Connection::<()>::new(Role::Acceptor, Config::default(), Instant::now());
    let (mut charge, mut out, mut input) = (Charge::new(Instant::now()), Outbound::new(), BytesMut::new());
    loop {
        input.reserve(64 * 1024);
        if socket.read_buf(&mut input).await.expect("no error") == 0 {
            break;
        }
        let (now, mut bytes) = (Instant::now(), input.split().freeze());
        while let Some(event) = mux.receive(&mut bytes, now).expect("no violation") {
            answer(&mut mux, event);
        }
        while mux.ended().is_some() {}
        assert_eq!(charge.read(&mux.counts(), 0, &rate, now), Verdict::Fine);
        while mux.transmit(256 * 1024, &mut out) {
            for buffer in out.buffers.drain(..) {
                // Once the peer is gone, it reads no more.
                let _ = socket.write_all(&buffer).await;
            }
        }
    }
    // Its own pings, two at the start and one in ten seconds, carry no weight; the rest was free to the last frame.
    let [updates, acks, fins, resets, pings, others] = charge.charged;
    assert_eq!((updates, acks, fins, resets, others), (0, 0, 0, 0, 0));
    assert!(pings <= 10, "{pings}");
    mux.counts()
}

fn answer(mux: &mut Connection<()>, event: Event) {
    match event {
        Event::Opened(_) => {
            let id: StreamId = mux.open(()).expect("ids");
            mux.send(id, Bytes::from(vec![1; BYTES]));
            mux.finish(id);
        }
        Event::Data(id, bytes) => {
            mux.consumed(id, bytes.len() as u32);
            mux.send(id, bytes);
        }
        Event::Finished(id) => {
            mux.finish(id);
        }
        _ => {}
    }
}

/// Writes and reads on all streams at once; every tenth it drops in the middle, which resets it. Reads what is opened to it.
async fn stock_peer(socket: DuplexStream) {
    let mut connection = yamux::Connection::new(socket.compat(), yamux::Config::default(), yamux::Mode::Client);
    let mut lives = Vec::new();
    for number in 0..STREAMS {
        let stream = poll_fn(|cx| connection.poll_new_outbound(cx)).await.expect("a stream");
        lives.push(tokio::spawn(life(stream, number % 10 == 0)));
    }
    let (over, done) = oneshot::channel();
    let driving = tokio::spawn(drive(connection, done));
    for life in join_all(lives).await {
        life.expect("no panic");
    }
    let _ = over.send(());
    for read in join_all(driving.await.expect("no panic")).await {
        assert_eq!(read.expect("no panic"), BYTES);
    }
}

async fn life(mut stream: yamux::Stream, leaves: bool) {
    stream.write_all(&[7; 1000]).await.expect("written");
    if leaves {
        return;
    }
    let (mut reading, mut writing) = stream.split();
    let write = async {
        writing.write_all(&vec![7; BYTES]).await.expect("written");
        writing.close().await.expect("closed");
    };
    let mut read = Vec::new();
    let ((), length) = tokio::join!(write, reading.read_to_end(&mut read));
    assert_eq!(length.expect("read"), BYTES + 1000);
}

/// Drives the session until `done`, and then as long as streams that were opened to it are read; those tasks.
async fn drive(
    mut connection: yamux::Connection<Compat<DuplexStream>>,
    mut done: oneshot::Receiver<()>,
) -> Vec<tokio::task::JoinHandle<usize>> {
    let mut readers = Vec::new();
    poll_fn(|cx| {
        while let Poll::Ready(Some(stream)) = connection.poll_next_inbound(cx) {
            let mut stream = stream.expect("a stream");
            readers.push(tokio::spawn(async move {
                let mut read = Vec::new();
                stream.read_to_end(&mut read).await.expect("read");
                stream.close().await.expect("closed");
                read.len()
            }));
        }
        let all = readers.len() == STREAMS && readers.iter().all(tokio::task::JoinHandle::is_finished);
        let over = done.is_terminated() || std::pin::Pin::new(&mut done).poll(cx).is_ready();
        if over && all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    readers
}
