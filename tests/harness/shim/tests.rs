use super::*;
use crate::{pattern, within};

/// Somebody who sends back what comes, behind a shim, and a connection through it.
async fn echo() -> (Shim, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let shim = Shim::start(listener.local_addr().expect("bound"), 7).await;
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = socket.split();
                tokio::io::copy(&mut reader, &mut writer).await
            });
        }
    });
    let socket = TcpStream::connect(shim.address()).await.expect("the shim listens");
    (shim, socket)
}

#[tokio::test]
async fn everything_passes_in_slices_and_is_counted() {
    let (shim, mut socket) = echo().await;
    shim.slice(10);
    let sent = pattern(1, 10_000);
    socket.write_all(&sent).await.expect("sent");
    socket.shutdown().await.expect("finished");
    let mut received = Vec::new();
    within(socket.read_to_end(&mut received)).await.expect("a clean end");
    assert!(received == sent);
    assert_eq!((shim.carried(Way::Up), shim.carried(Way::Down), shim.connections()), (10_000, 10_000, 1));
    assert!(shim.pieces(Way::Up) >= 1000 && shim.pieces(Way::Down) >= 1000);
}

#[tokio::test]
async fn a_cut_comes_behind_exactly_so_many_bytes_and_is_a_reset() {
    let (shim, mut socket) = echo().await;
    shim.cut_after(Way::Down, 1000);
    socket.write_all(&pattern(2, 5000)).await.expect("sent");
    let error = within(socket.read_to_end(&mut Vec::new())).await.expect_err("no clean end");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(shim.carried(Way::Down), 1000);
}

#[tokio::test]
async fn a_stalled_connection_stays_open_and_a_later_one_works() {
    let (shim, mut stalled) = echo().await;
    stalled.write_all(b"a").await.expect("sent");
    assert_eq!(within(stalled.read_u8()).await.expect("echoed"), b'a');
    shim.stall(Way::Down);
    stalled.write_all(b"b").await.expect("sent");
    let mut later = TcpStream::connect(shim.address()).await.expect("the shim listens");
    later.write_all(b"c").await.expect("sent");
    assert_eq!(within(later.read_u8()).await.expect("echoed"), b'c');
    assert_eq!(shim.carried(Way::Down), 2, "a and c");
    shim.resume();
    assert_eq!(within(stalled.read_u8()).await.expect("echoed"), b'b');
}

#[tokio::test]
async fn a_stall_comes_behind_so_many_bytes() {
    let (shim, mut socket) = echo().await;
    shim.slice(10);
    shim.stall_after(Way::Down, 1000);
    socket.write_all(&pattern(3, 5000)).await.expect("sent");
    let mut received = vec![0; 1000];
    within(socket.read_exact(&mut received)).await.expect("echoed");
    within(async {
        while shim.carried(Way::Up) < 5000 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!((1000..1010).contains(&shim.carried(Way::Down)));
    shim.resume();
    received.resize(5000, 0);
    within(socket.read_exact(&mut received[1000..])).await.expect("echoed");
    assert!(received == pattern(3, 5000));
}

#[tokio::test]
async fn a_byte_is_late_each_way() {
    let (shim, mut socket) = echo().await;
    shim.delay(Duration::from_millis(30));
    // What was being read when the rule came is not late yet.
    for late in [false, true] {
        let start = Instant::now();
        socket.write_all(b"a").await.expect("sent");
        within(socket.read_u8()).await.expect("echoed");
        assert!(!late || start.elapsed() >= Duration::from_millis(60));
    }
}

#[tokio::test]
async fn a_connection_that_is_refused_counts() {
    let (shim, _first) = echo().await;
    shim.refuse(true);
    let refused = async { TcpStream::connect(shim.address()).await?.read_u8().await };
    assert!(within(refused).await.is_err());
    assert_eq!(shim.connections(), 2);
}
