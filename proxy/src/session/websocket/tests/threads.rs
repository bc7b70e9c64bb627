//! Both halves at once, on two threads and over a narrow pipe: what the peer says and is told, however it is cut.

use std::collections::VecDeque;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, WriteHalf},
    runtime::Builder,
    sync::mpsc,
};

use super::{
    Told, frame,
    halves::{pair, read, write},
    random::{Message, messages, script},
    *,
};
use crate::session::transport::{Chatter, Read, Reader, Writer};

/// What the proxy says: each a message of these buffers.
type Said = Vec<Vec<Vec<u8>>>;

/// What came of it.
struct Outcome {
    /// The peer's payload, as the session got it.
    received: Vec<u8>,
    chatter: Chatter,
    /// The proxy's frames, as the peer got them.
    frames: Vec<(u8, Vec<u8>)>,
}

/// The peer says `bytes` in pieces of these lengths and closes with 1000; the proxy says `messages`, and closes when it has heard all.
fn converse(room: usize, bytes: Vec<u8>, cuts: Vec<usize>, messages: Said) -> Outcome {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    runtime.block_on(async {
        let ((reader, writer), peer, _) = pair(room, b"");
        let (mut hears, says) = tokio::io::split(peer);
        let (asks, asked) = mpsc::unbounded_channel();
        let reading = tokio::spawn(listen(reader, asks));
        let writing = tokio::spawn(speak(writer, messages, asked));
        let saying = tokio::spawn(say(says, bytes, cuts));
        let mut heard = Vec::new();
        hears.read_to_end(&mut heard).await.expect("an orderly end");
        let (received, chatter) = reading.await.expect("it goes to its end");
        writing.await.expect("it goes to its end");
        saying.await.expect("it goes to its end");
        Outcome { received, chatter, frames: taken_apart(&heard) }
    })
}

async fn listen(mut reader: impl Reader, asks: mpsc::UnboundedSender<()>) -> (Vec<u8>, Chatter) {
    let (mut received, mut chatter) = (Vec::new(), Chatter::default());
    loop {
        let (what, runs) = read(&mut reader).await.expect("legal to the last byte");
        received.extend(runs.concat());
        let more = reader.chatter();
        chatter.frames += more.frames;
        chatter.unanswered += more.unanswered;
        chatter.overhead += more.overhead;
        match what {
            Read::Bytes => {}
            Read::Answer => asks.send(()).expect("the writer waits for the end"),
            Read::Closed => return (received, chatter),
        }
    }
}

async fn speak(mut writer: impl Writer, messages: Said, mut asked: mpsc::UnboundedReceiver<()>) {
    for message in messages {
        let mut buffers = message.into_iter().map(Bytes::from).collect();
        write(&mut writer, &mut buffers).await.expect("the peer listens");
    }
    while asked.recv().await.is_some() {
        write(&mut writer, &mut Vec::new()).await.expect("the peer listens");
    }
    std::future::poll_fn(|cx| writer.poll_close(cx, 1001, "the peer's own code goes first")).await;
}

async fn say(mut socket: WriteHalf<DuplexStream>, bytes: Vec<u8>, cuts: Vec<usize>) {
    let mut rest = &bytes[..];
    for cut in cuts.into_iter().cycle() {
        let (piece, after) = rest.split_at(cut.min(rest.len()));
        socket.write_all(piece).await.expect("the proxy listens");
        rest = after;
        if rest.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// The frames of a server: opcode and payload.
fn taken_apart(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut rest = VecDeque::from(bytes.to_vec());
    let mut next = |count: usize| rest.drain(..count).collect::<Vec<u8>>();
    let mut left = bytes.len();
    while left > 0 {
        let head = next(2);
        assert_eq!((head[0] & 0xf0, head[1] & 0x80), (FIN, 0), "whole, and not masked");
        let (size, length) = match head[1] {
            126 => (4, next(2).iter().fold(0, |length, byte| length << 8 | usize::from(*byte))),
            127 => (10, next(8).iter().fold(0, |length, byte| length << 8 | usize::from(*byte))),
            short => (2, usize::from(short)),
        };
        frames.push((head[0] & 0x0f, next(length)));
        left -= size + length;
    }
    frames
}

fn said() -> impl Strategy<Value = Said> {
    let buffer = prop::collection::vec(any::<u8>(), 1..200);
    prop::collection::vec(prop::collection::vec(buffer, 1..4), 0..8)
}

/// Frames that bring nothing: those without payload, and the control frames.
fn chatter(messages: &[Message]) -> u64 {
    let fragments = messages.iter().flat_map(|(_, fragments)| fragments);
    fragments.map(|(payload, control)| u64::from(payload.is_empty()) + u64::from(control.is_some())).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_both_say_each_gets_it_whole_with_its_pongs_in_order_and_the_close_last(
        room in 1..300_usize,
        mut messages in messages(),
        cuts in prop::collection::vec(1..200_usize, 1..20),
        said in said(),
    ) {
        messages.iter_mut().for_each(|message| message.0 = false);
        let mut script = script(messages.clone());
        script.bytes.extend(frame(CLOSE, &1000_u16.to_be_bytes()));
        let said_in_all = script.bytes.len();
        let outcome = converse(room, script.bytes, cuts, said.clone());

        let (mut payload, mut pings) = (Vec::new(), Vec::new());
        for told in script.told {
            match told {
                Told::Payload(bytes) => payload.extend(bytes),
                Told::Ping(bytes) => pings.push(bytes),
                _ => {}
            }
        }
        prop_assert_eq!(outcome.chatter.overhead, (said_in_all - payload.len()) as u64);
        prop_assert_eq!(outcome.received, payload);
        // The close is one more.
        prop_assert_eq!(outcome.chatter.frames, chatter(&messages) + 1);

        let (last, frames) = outcome.frames.split_last().expect("a close");
        prop_assert_eq!(last, &(CLOSE & 0x0f, 1000_u16.to_be_bytes().to_vec()));
        let heard: Vec<_> = frames.iter().filter(|(opcode, _)| *opcode == BINARY).map(|(_, bytes)| bytes.clone()).collect();
        prop_assert_eq!(heard, said.iter().map(|message| message.concat()).collect::<Vec<_>>());
        let pongs: Vec<_> = frames.iter().filter(|(opcode, _)| *opcode == PONG & 0x0f).map(|(_, bytes)| bytes).collect();
        prop_assert_eq!(pongs.len() as u64 + outcome.chatter.unanswered, pings.len() as u64);
        prop_assert_eq!(pongs.len() + said.len(), frames.len(), "and nothing else");
        let mut asked = pings.iter();
        prop_assert!(pongs.iter().all(|pong| asked.any(|ping| ping == *pong)), "in the order of the pings");
        prop_assert_eq!(pongs.last().copied(), pings.last(), "the last ping is answered");
    }
}
