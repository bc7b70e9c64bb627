//! The WebSocket as it comes over TCP.

use tokio::io::AsyncWriteExt;

use crate::served::{close_code, masked, rest, served, until};

#[tokio::test]
async fn threat_16_a_text_message_closes_1003() {
    let served = served(|_| {}).await;
    assert_eq!(served.close_code(&masked(0x81, b"hello")).await, 1003);
    assert_eq!(served.close_code(&[masked(0x01, b"he"), masked(0x80, b"llo")].concat()).await, 1003);
    assert_eq!((served.refusals("text"), served.refusals("transport")), (2, 0));
}

#[tokio::test]
async fn threat_16_what_is_no_websocket_closes_1002() {
    let served = served(|_| {}).await;
    for (what, bytes) in [
        ("unmasked", vec![0x82, 1, 0]),
        ("reserved bit", masked(0xc2, &[0])),
        ("opcode", masked(0x83, &[0])),
        ("long ping", {
            let mut frame = vec![0x89, 0x80 | 126, 0, 126];
            frame.extend_from_slice(&[0; 130]);
            frame
        }),
        ("fragmented ping", masked(0x09, b"ping")),
        ("continuation of nothing", masked(0x80, &[0])),
    ] {
        assert_eq!(served.close_code(&bytes).await, 1002, "{what}");
    }
    assert_eq!(served.refusals("transport"), 6);
}

#[tokio::test]
async fn threat_16_a_close_reason_that_is_not_utf8_closes_1007() {
    let served = served(|_| {}).await;
    assert_eq!(served.close_code(&masked(0x88, b"\x03\xe8fine")).await, 1000);
    assert_eq!(served.refusals("transport"), 0);
    assert_eq!(served.close_code(&masked(0x88, b"\x03\xe8\xff")).await, 1007);
    assert_eq!(served.refusals("transport"), 1);
}

#[tokio::test]
async fn threat_16_a_message_of_any_length_is_taken_as_it_arrives_and_a_cut_behind_it_is_told() {
    let served = served(|_| {}).await;
    // A message of 4 EiB, it says: it begins with a ping of the mux, which is answered before the rest has come.
    let (mut socket, _) = served.handshake("").await;
    let mut frame = masked(0x82, &[]);
    frame.splice(1..2, [0x80 | 127].into_iter().chain((1_u64 << 62).to_be_bytes()));
    frame.extend_from_slice(&[0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
    socket.write_all(&frame).await.expect("sent");
    let pong = until(&mut socket, |bytes| bytes.len() >= 14).await;
    assert_eq!(pong, [0x82, 12, 0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7]);
    // What follows is no frame, and a mebibyte of it is unread when the proxy closes.
    socket.write_all(&vec![0xff; 1024 * 1024]).await.expect("sent");
    assert_eq!(close_code(&rest(&mut socket).await), 1002);
}

#[tokio::test]
async fn a_ping_is_answered_and_a_close_too() {
    let served = served(|_| {}).await;
    let (mut socket, _) = served.handshake("").await;
    socket.write_all(&masked(0x89, b"are you there")).await.expect("sent");
    let pong = until(&mut socket, |bytes| bytes.len() >= 15).await;
    assert_eq!(pong, [&[0x8a, 13][..], b"are you there"].concat());
    socket.write_all(&masked(0x88, &1000_u16.to_be_bytes())).await.expect("sent");
    assert_eq!(close_code(&rest(&mut socket).await), 1000);
}
