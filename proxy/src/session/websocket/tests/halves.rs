//! The two halves over a pipe in memory, which does not say beforehand whether there is something to read, as TLS does not.

use std::{collections::VecDeque, future::poll_fn, sync::Arc};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex};

use super::super::{Any, Receiver, Sender, Violation, WebSocket};
use crate::{
    buffer::Buffers,
    memory::Memory,
    session::transport::{Read, Reader, Transport, TransportError, Writer},
};

type Halves = (Receiver<ReadHalf<DuplexStream>>, Sender<WriteHalf<DuplexStream>>);

/// The two halves of a WebSocket, the peer's end of a pipe that holds `room` bytes, and what the halves hold.
pub(super) fn pair(room: usize, early: &[u8]) -> (Halves, DuplexStream, Arc<Memory>) {
    let (near, far) = duplex(room);
    let memory = Arc::new(Memory::new(usize::MAX));
    let buffers = Arc::new(Buffers::new(memory.clone()));
    (WebSocket::new(Any(near), Bytes::copy_from_slice(early), buffers).split(), far, memory)
}

/// A frame as a client sends it, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let head = if length < 126 { vec![first, 0x80 | length as u8] } else { vec![first, 0x80 | 126, (length >> 8) as u8, length as u8] };
    [head, vec![0; 4], payload.to_vec()].concat()
}

pub(super) async fn read(reader: &mut impl Reader) -> Result<(Read, Vec<Bytes>), TransportError> {
    let mut runs = VecDeque::new();
    let read = poll_fn(|cx| reader.poll_read(cx, &mut runs)).await?;
    Ok((read, runs.into()))
}

pub(super) async fn write(writer: &mut impl Writer, buffers: &mut Vec<Bytes>) -> Result<(), TransportError> {
    poll_fn(|cx| writer.poll_write(cx, buffers)).await
}

#[tokio::test]
async fn buffers_leave_as_one_message_through_a_narrow_pipe() {
    let ((_reader, mut writer), mut peer, _) = pair(8, b"");
    let mut buffers = vec![Bytes::from(vec![1; 12]), Bytes::from(vec![2; 300]), Bytes::from(vec![3; 12])];
    let expected = [vec![0x82, 126, 1, 68], buffers.concat()].concat();
    let mut said = vec![0; expected.len()];
    let (written, read) = tokio::join!(write(&mut writer, &mut buffers), peer.read_exact(&mut said));
    written.expect("written");
    read.expect("read");
    assert!(buffers.is_empty());
    assert_eq!((said, writer.taken()), (expected, 328));
}

#[tokio::test]
async fn a_second_message_waits_behind_the_first_without_being_taken() {
    let ((_reader, mut writer), mut peer, _) = pair(8, b"");
    let mut first = vec![Bytes::from(vec![1; 100])];
    assert!(futures::poll!(Box::pin(write(&mut writer, &mut first))).is_pending());
    assert!(first.is_empty());
    let mut second = vec![Bytes::from_static(b"second")];
    assert!(futures::poll!(Box::pin(write(&mut writer, &mut second))).is_pending());
    assert_eq!(second.len(), 1);
    let mut said = vec![0; 102 + 8];
    let (written, read) = tokio::join!(write(&mut writer, &mut second), peer.read_exact(&mut said));
    written.expect("written");
    read.expect("read");
    assert_eq!(said[102..], [&[0x82, 6], &b"second"[..]].concat());
}

#[tokio::test]
async fn what_came_with_the_handshake_is_read_first() {
    let ((mut reader, _writer), mut peer, _) = pair(64, &frame(0x82, b"early"));
    peer.write_all(&frame(0x82, b"late")).await.expect("sent");
    assert_eq!(read(&mut reader).await.expect("read"), (Read::Bytes, vec![Bytes::from_static(b"early")]));
    assert_eq!(read(&mut reader).await.expect("read"), (Read::Bytes, vec![Bytes::from_static(b"late")]));
}

#[tokio::test]
async fn short_payloads_of_one_read_are_one_run_and_hold_no_buffer() {
    let ((mut reader, _writer), mut peer, memory) = pair(1024, b"");
    peer.write_all(&[frame(0x82, b"abc"), frame(0x02, b"de"), frame(0x80, b"f")].concat()).await.expect("sent");
    let (_, runs) = read(&mut reader).await.expect("read");
    assert_eq!(runs, [Bytes::from_static(b"abcdef")]);
    assert_eq!(memory.used(), 0);
}

#[tokio::test]
async fn a_long_payload_counts_as_long_as_a_part_of_it_lives() {
    let ((mut reader, _writer), mut peer, memory) = pair(100_000, b"");
    let frames: Vec<u8> = (0..5).flat_map(|n| frame(0x82, &vec![n; 10_000])).collect();
    peer.write_all(&frames).await.expect("sent");
    let (_, mut runs) = read(&mut reader).await.expect("read");
    assert_eq!(runs.iter().map(Bytes::len).collect::<Vec<_>>(), [10_000; 5]);
    assert_eq!(memory.used(), frames.len(), "one read, one count");
    let kept = runs.remove(2).slice(..1);
    drop(runs);
    assert_eq!((&kept[..], memory.used()), (&[2][..], frames.len()));
    drop(kept);
    assert_eq!(memory.used(), 0);
}

#[tokio::test]
async fn the_last_pings_of_a_read_are_answered_between_two_messages() {
    let ((mut reader, mut writer), mut peer, _) = pair(4096, b"");
    let pings: Vec<u8> = (0..20).flat_map(|n| frame(0x89, &[n])).collect();
    peer.write_all(&pings).await.expect("sent");
    assert_eq!(read(&mut reader).await.expect("read").0, Read::Answer);
    write(&mut writer, &mut vec![Bytes::from_static(b"x")]).await.expect("written");
    let mut said = vec![0; 16 * 3 + 3];
    peer.read_exact(&mut said).await.expect("read");
    let pongs: Vec<u8> = (4..20).flat_map(|n| [0x8a, 1, n]).collect();
    assert_eq!(said, [&pongs[..], &[0x82, 1, b'x']].concat());
}

#[tokio::test]
async fn a_close_is_answered_with_its_code() {
    let ((mut reader, mut writer), mut peer, _) = pair(64, b"");
    peer.write_all(&frame(0x88, &[0x0f, 0xa0])).await.expect("sent");
    assert_eq!(read(&mut reader).await.expect("read"), (Read::Closed, vec![]));
    poll_fn(|cx| writer.poll_close(cx, 1000, "")).await;
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.expect("read");
    assert_eq!(said, [0x88, 2, 0x0f, 0xa0]);
}

#[tokio::test]
async fn no_answer_follows_a_close_that_waits_for_room() {
    let ((mut reader, mut writer), mut peer, _) = pair(8, b"");
    let mut closing = async || poll_fn(|cx| writer.poll_close(cx, 1008, "limit")).await;
    assert!(futures::poll!(Box::pin(closing())).is_pending());
    peer.write_all(&frame(0x89, b"")).await.expect("sent");
    assert_eq!(read(&mut reader).await.expect("read").0, Read::Answer);
    let mut said = Vec::new();
    let ((), heard) = tokio::join!(closing(), peer.read_to_end(&mut said));
    heard.expect("read");
    assert_eq!(said, [&[0x88, 7, 0x03, 0xf0], &b"limit"[..]].concat());
}

#[tokio::test]
async fn after_an_error_the_rest_is_taken_and_the_peer_learns_why() {
    let ((mut reader, mut writer), mut peer, _) = pair(64, b"");
    peer.write_all(&frame(0x81, b"")).await.expect("sent");
    assert!(matches!(read(&mut reader).await, Err(TransportError::Violation(Violation::Text))));
    let talkative = async {
        peer.write_all(&vec![9; 10_000]).await.expect("taken");
        let mut said = Vec::new();
        peer.read_to_end(&mut said).await.expect("read");
        peer.shutdown().await.expect("closed");
        said
    };
    let rest = async { while read(&mut reader).await.expect("read").0 != Read::Closed {} };
    let (said, (), ()) = tokio::join!(talkative, poll_fn(|cx| writer.poll_close(cx, 1003, "text")), rest);
    assert_eq!(said, [&[0x88, 6, 0x03, 0xeb], &b"text"[..]].concat());
}

#[tokio::test]
async fn a_peer_that_is_gone_is_an_end_for_the_reader_and_an_error_for_the_writer() {
    let ((mut reader, mut writer), peer, _) = pair(64, b"");
    drop(peer);
    assert_eq!(read(&mut reader).await.expect("read").0, Read::Closed);
    assert!(matches!(write(&mut writer, &mut vec![Bytes::from_static(b"x")]).await, Err(TransportError::Io(_))));
    poll_fn(|cx| writer.poll_close(cx, 1000, "")).await;
}

/// Takes what waits in the pipe until so many bytes of payload have come.
async fn take(reader: &mut impl Reader, bytes: usize) -> Vec<u8> {
    let mut taken = Vec::new();
    while taken.len() < bytes {
        let (_, runs) = read(reader).await.expect("read");
        taken.extend(runs.concat());
    }
    taken
}

#[tokio::test]
async fn more_than_one_read_takes_comes_whole_and_in_order() {
    let ((mut reader, _writer), mut peer, _) = pair(300_000, b"");
    let payload: Vec<u8> = (0..20_000u32).flat_map(|n| (n * 40_503).to_be_bytes()).collect();
    for _ in 0..3 {
        let frames: Vec<u8> = payload.chunks(10_000).flat_map(|chunk| frame(0x82, chunk)).collect();
        peer.write_all(&frames.repeat(3)).await.expect("sent");
        assert!(take(&mut reader, 3 * payload.len()).await == payload.repeat(3));
    }
}

#[tokio::test]
async fn crumbs_that_wait_come_whole_and_in_order() {
    let ((mut reader, _writer), mut peer, _) = pair(400_000, b"");
    let payload: Vec<u8> = (0..28_000u32).map(|n| ((n * 40_503) >> 8) as u8).collect();
    let frames: Vec<u8> = payload.chunks(1).flat_map(|chunk| frame(0x82, chunk)).collect();
    // Enough for one read, after which the reader takes them for crumbs.
    let first = 65_536 / 7 + 1;
    peer.write_all(&frames[..7 * first]).await.expect("sent");
    let mut taken = take(&mut reader, 65_536 / 7).await;
    assert!(reader.is_crumbs());
    peer.write_all(&frames[7 * first..]).await.expect("sent");
    peer.write_all(&frames).await.expect("sent");
    taken.extend(take(&mut reader, 2 * payload.len() - taken.len()).await);
    assert!(taken == payload.repeat(2));
}
