//! Peers that send as many frames as they can of kinds that mean nothing, beside one honest ping-pong.
//!
//! What they cost is bounded here; how fast they may go at all is a limit of its own.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use harness::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use tokio_tungstenite::tungstenite::Message;

use crate::{Real, lasting};

/// A flood's name, and its frame for the stream that it is given.
type Flood = (&'static str, fn(u32) -> Vec<u8>);

const FLOODS: [Flood; 7] = [
    ("SYN", |stream| frame(WINDOW_UPDATE, SYN, stream, 0, b"")),
    ("SYN and RST", |stream| [frame(WINDOW_UPDATE, SYN, stream, 0, b""), frame(WINDOW_UPDATE, RST, stream, 0, b"")].concat()),
    ("PING", |_| frame(PING, SYN, 0, 7, b"")),
    ("credit of zero", |_| frame(WINDOW_UPDATE, 0, 1, 0, b"")),
    ("empty DATA", |_| frame(DATA, 0, 1, 0, b"")),
    ("ACK of nothing", |stream| frame(WINDOW_UPDATE, ACK, stream, 0, b"")),
    ("opens of nothing", |stream| frame(DATA, SYN | FIN, stream, 4, b"\0\x02{}")),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_honest_stream_goes_on_beside_every_flood_and_the_proxy_stays_small() {
    let real = Real::new().await;
    let (mut owner, client) = (real.peer().await, real.peer().await);
    let _control = owner.claim("NAME").await.unwrap();
    let (near, (_, far)) = tokio::join!(client.connect("NAME"), owner.accept());
    let (mut near, mut far) = (near.unwrap(), far);
    tokio::spawn(async move {
        let mut ping = [0; 64];
        while far.read_exact(&mut ping).await.is_ok() && far.write_all(&ping).await.is_ok() {}
    });
    let idle = ping_pong(&mut near, lasting(Duration::from_millis(200), 10)).await;
    println!("{:<18} p99 {idle:?}", "no flood");
    for (name, of) in FLOODS {
        for reads in [true, false] {
            let flooding = tokio::spawn(flood(real.url.clone(), of, reads));
            let p99 = ping_pong(&mut near, lasting(Duration::from_millis(200), 25)).await;
            println!("{name:<18} p99 {p99:?}{}", if reads { "" } else { ", reading nothing" });
            assert!(real.held() < 2 * 1024 * 1024, "{name}: the proxy holds {} bytes", real.held());
            flooding.abort();
            until(|| real.proxy.sessions().len() == 2).await;
        }
    }
}

/// Ping-pongs for so long; the time that 99 of 100 stayed below.
async fn ping_pong(stream: &mut browser_stream_server::Stream, lasting: Duration) -> Duration {
    let (mut times, end) = (Vec::new(), Instant::now() + lasting);
    while Instant::now() < end {
        let begun = Instant::now();
        stream.write_all(&[7; 64]).await.unwrap();
        within(stream.read_exact(&mut [0; 64])).await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Sends the flood's frames until it is cut or aborted.
async fn flood(url: String, of: fn(u32) -> Vec<u8>, reads: bool) {
    let (mut sink, mut stream) = dial(&url).await.split();
    let sending = async {
        let mut next = 1u32;
        loop {
            let mut message = Vec::new();
            while message.len() < 32 * 1024 {
                message.extend(of(next));
                next = next.wrapping_add(2);
            }
            if sink.send(Message::Binary(message.into())).await.is_err() {
                return;
            }
        }
    };
    let reading = async {
        if reads {
            while let Some(Ok(_)) = stream.next().await {}
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! { () = sending => {}, () = reading => {} }
}
