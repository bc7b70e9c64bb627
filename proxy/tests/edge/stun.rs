//! STUN from outside: datagrams against a proxy that answers them.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::UdpSocket, time::timeout};

use crate::served::served;

/// A binding request as RFC 8489, section 5 draws it: type, length, cookie, transaction.
const REQUEST: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

async fn asked(socket: &UdpSocket, request: &[u8]) -> Vec<u8> {
    socket.send(request).await.expect("sent");
    let mut answer = vec![0; 256];
    let length = timeout(Duration::from_secs(5), socket.recv(&mut answer)).await.expect("an answer in time").expect("read");
    answer.truncate(length);
    answer
}

#[tokio::test]
async fn who_asks_by_stun_is_told_its_address_and_nobody_is_after_the_end() {
    let served = served(|config| config.stun = Some(SocketAddr::from(([127, 0, 0, 1], 0)))).await;
    let socket = served.proxy.listen_stun().await.expect("a port").expect("configured");
    let address = socket.local_addr().expect("an address");
    let answering = tokio::spawn({
        let proxy = served.proxy.clone();
        async move { proxy.serve_stun(socket).await }
    });
    let page = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    page.connect(address).await.expect("an address");
    page.send(b"no STUN").await.expect("sent");
    let answer = asked(&page, &REQUEST).await;
    // Success, one attribute of 8 bytes: XOR-MAPPED-ADDRESS of an IPv4 address, port and address under the cookie.
    let port = page.local_addr().expect("an address").port() ^ 0x2112;
    let mut expected = vec![1, 1, 0, 12];
    expected.extend(&REQUEST[4..]);
    expected.extend([0, 0x20, 0, 8, 0, 1, (port >> 8) as u8, port as u8, 127 ^ 0x21, 0x12, 0xa4, 1 ^ 0x42]);
    assert_eq!(answer, expected);
    served.proxy.shutdown(Duration::ZERO).await;
    answering.await.expect("it ends with the proxy");
}

#[tokio::test]
async fn without_the_setting_there_is_no_stun_and_an_address_in_use_is_said() {
    assert!(served(|_| {}).await.proxy.listen_stun().await.expect("nothing to do").is_none());
    let taken = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address");
    let error = served(|config| config.stun = Some(address)).await.proxy.listen_stun().await.expect_err("it is taken");
    assert!(error.to_string().contains("--stun"), "{error}");
}
