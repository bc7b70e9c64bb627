//! How much a mirror hands on at once.

use browser_stream_mux::{Cell, Host, StreamId};
use browser_stream_protocol::channel::{PART_MAX, Records, delivered_head};
use bytes::{BufMut, BytesMut};
use parking_lot::Mutex;

use super::*;
use crate::{feature::channel::pair::pair, limits::Limits};

/// A reader's session, which takes everything: each as it is handed it.
#[derive(Default)]
struct Session(Mutex<Vec<Bytes>>);

impl Host for Session {
    fn send(&self, _: StreamId, bytes: Bytes) {
        self.share(0, &[bytes]);
    }

    fn share(&self, _: StreamId, chunks: &[Bytes]) {
        self.0.lock().push(chunks.concat().into());
    }

    fn finish(&self, _: StreamId) {}
    fn reset(&self, _: StreamId, _: u32) {}
    fn reset_behind(&self, _: StreamId, _: u32) {}
    fn consumed(&self, _: StreamId, _: u32) {}
    fn set_priority(&self, _: StreamId, _: u8) {}
}

/// What a record of TLS holds.
const PIECE: usize = 16 * 1024;

/// These messages, each of one record, of these publishers.
fn said(by: &[u32]) -> Bytes {
    let mut out = BytesMut::new();
    for publisher in [3, 4] {
        let who = format!(r#"{{"id":"{}"}}"#, Uuid::from_u128(publisher.into())).into();
        Delivered::Joined { publisher, first: 0, who }.write(&mut out);
    }
    for &publisher in by {
        delivered_head(publisher, PART_MAX, true, &mut out);
        out.put_bytes(publisher as u8, PART_MAX);
    }
    out.freeze()
}

/// Has a mirror hand that on, which comes in pieces that are all here when it begins: what a reader is handed.
async fn handed_on(mut said: Bytes) -> Vec<Bytes> {
    let channels = Channels::new(Arc::new(Limits::default()));
    let name = Name::try_from("news").expect("a name");
    let hub = channels.mirrored(&name, &ChannelInfo::default()).expect("there is room");
    let session = Arc::new(Session::default());
    let stream = Stream::new(1, Cell::new(), session.clone());
    let _reader = hub.subscribe(Uuid::nil(), || Some(stream)).expect("it is not over").expect("there is room");
    let (near, mut far) = pair(&channels.ground().memory);
    let all = said.len();
    while !said.is_empty() {
        far.write_now(said.split_to(PIECE.min(said.len())));
    }
    let mirror = tokio::spawn(async move { Mirror::new(channels, hub, near).run(&name).await });
    let comes = async {
        // Heads are as long here as there, and there is one more for each piece.
        while session.0.lock().iter().map(Bytes::len).sum::<usize>() < all {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(1), comes).await.expect("all of it is handed on");
    mirror.abort();
    std::mem::take(&mut *session.0.lock())
}

#[tokio::test(start_paused = true)]
async fn what_a_link_brings_in_small_pieces_is_handed_on_in_large_ones() {
    let pieces = |handed: &Bytes| (handed.len() + PIECE / 2) / PIECE;
    let handed: Vec<usize> = handed_on(said(&[3, 3, 3])).await.iter().map(pieces).collect();
    assert_eq!(handed, [0, 0, 8, 4], "two who come, 128 KiB, and the rest");
}

#[tokio::test(start_paused = true)]
async fn what_several_publishers_say_is_handed_on_in_the_order_in_which_it_came() {
    let mut heard = Vec::new();
    let mut decoder = Decoder::<Delivered>::default();
    decoder.push(handed_on(said(&[3, 4, 3])).await.concat().into());
    while let Some(delivered) = decoder.next().expect("a record") {
        if let Delivered::Bytes { publisher, last: true, .. } = delivered {
            heard.push(publisher);
        }
    }
    assert_eq!(heard, [0, 1, 0]);
}
