//! Rows 9 and 11: frames that mean nothing, and opens that are none.

use harness::{ACK, DATA, FIN, PING, RST, SYN, WINDOW_UPDATE, frame, wire::message};

use crate::{
    fate::Fate,
    pour::{Flood, pour},
    siege::{Siege, long},
};

/// Frames in one batch.
const BATCH: u32 = 512;
/// `limit`, as a reset carries it.
pub const LIMIT: u32 = 8;
/// The burst and the rate per second of frames that a peer owes a reason for, and of opens (threats.md, "Defaults").
pub const FRAMES: (u64, u64) = (10_000, 1_000);
const OPENS: (u64, u64) = (10_000, 2_000);
/// What may be written between the last look into the kernel's buffers and the end.
pub const SINCE_THE_LOOK: u64 = 2 * 1024 * 1024;
/// What the proxy reads and drops behind its goodbye, so that the peer can read that.
const DROPPED_MAX: u64 = 4 * 1024 * 1024;

/// Pours frames, `BATCH` to a message, each made for the next odd id.
fn frames(first: &[u8], reads: bool, of: impl Fn(u32) -> Vec<u8>) -> Flood<impl FnMut(&mut Vec<u8>) -> u64> {
    let mut id = 1u32;
    let next = move |batch: &mut Vec<u8>| {
        let mut body = Vec::with_capacity(32 * 1024);
        for _ in 0..BATCH {
            id = id.wrapping_add(2);
            body.extend(of(id));
        }
        batch.extend(message(&body));
        u64::from(BATCH)
    };
    Flood { first: message(first), next, reads }
}

/// Pours the same frames again and again: made once, they cost the attacker nothing.
pub fn same(first: &[u8], reads: bool, one: &[u8]) -> Flood<impl FnMut(&mut Vec<u8>) -> u64> {
    let made = message(&one.repeat(BATCH as usize));
    let next = move |batch: &mut Vec<u8>| {
        batch.extend_from_slice(&made);
        u64::from(BATCH)
    };
    Flood { first: message(first), next, reads }
}

/// Nobody was served beyond ten times what is allowed: read no faster, or cut, and then with a code that says why.
pub fn held(fate: &Fate, rate: (u64, u64), unit: u64) {
    let allowed = 10 * fate.allowed(rate) + (fate.on_the_way + SINCE_THE_LOOK) / unit;
    assert!(fate.most <= allowed, "one connection had {} frames taken, more than {allowed}", fate.most);
    let codes: Vec<u16> = fate.closes.keys().copied().collect();
    assert!(codes.iter().all(|code| [1002, 1008].contains(code)), "closed with {codes:?}");
    assert!(fate.connections > 0 && fate.sent > 0, "the flood came in");
    // Ten bursts take longer than a short run.
    assert!(!long() || fate.closes.contains_key(&1008), "cut in the end: {fate}");
}

/// A stream that lives: the session's own.
fn session_stream() -> Vec<u8> {
    let open = harness::wire::framed(r#"{"path":"/session"}"#);
    frame(DATA, SYN, 1, open.len() as u32, &open)
}

#[test]
fn threat_09_a_flood_of_syns_is_refused_and_held() {
    let fate = Siege::of("SYN").stand(|attack| pour(attack, frames(b"", true, |id| frame(WINDOW_UPDATE, SYN, id, 0, b""))));
    assert!(fate.resets.keys().all(|code| *code == LIMIT) && !fate.resets.is_empty(), "refused `limit`: {:?}", fate.resets);
    held(&fate, OPENS, 12);
}

#[test]
fn threat_09_a_flood_of_syns_and_resets_is_held() {
    let both = |id| [frame(WINDOW_UPDATE, SYN, id, 0, b""), frame(WINDOW_UPDATE, RST, id, 0, b"")].concat();
    let fate = Siege::of("SYN and RST").stand(|attack| pour(attack, frames(b"", true, both)));
    held(&fate, OPENS, 24);
}

#[test]
fn threat_09_a_flood_of_pings_is_held() {
    let fate = Siege::of("PING").stand(|attack| pour(attack, same(b"", true, &frame(PING, SYN, 0, 7, b""))));
    assert!(fate.pongs > 0, "the first are answered");
    held(&fate, FRAMES, 12);
}

#[test]
fn threat_09_a_flood_of_pings_whose_answers_are_never_read_is_held() {
    let fate = Siege::of("PING, never read").stand(|attack| pour(attack, same(b"", false, &frame(PING, SYN, 0, 7, b""))));
    // It never reads the goodbye, so what is dropped behind that counts as taken.
    held(&Fate { on_the_way: fate.on_the_way + DROPPED_MAX, ..fate }, FRAMES, 12);
}

#[test]
fn threat_09_a_flood_of_zero_credit_is_held() {
    let zero = frame(WINDOW_UPDATE, 0, 1, 0, b"");
    let fate = Siege::of("credit of zero").stand(|attack| pour(attack, same(&session_stream(), true, &zero)));
    held(&fate, FRAMES, 12);
}

#[test]
fn threat_09_a_flood_of_empty_data_is_held() {
    let empty = frame(DATA, 0, 1, 0, b"");
    let fate = Siege::of("empty DATA").stand(|attack| pour(attack, same(&session_stream(), true, &empty)));
    held(&fate, FRAMES, 12);
}

#[test]
fn threat_09_a_flood_of_unsolicited_acks_is_held() {
    let fate = Siege::of("ACK of nothing").stand(|attack| pour(attack, frames(b"", true, |id| frame(WINDOW_UPDATE, ACK, id + 1, 0, b""))));
    held(&fate, FRAMES, 12);
}

#[test]
fn threat_11_a_flood_of_opens_that_are_none_is_refused_and_held() {
    let opens = [
        framed(b"not JSON"),
        framed(b"{}"),
        framed(br#"{"path":"/a","path":"/b"}"#),
        framed(format!("{{\"path\":\"/a\",\"meta\":{}1{}}}", "[".repeat(40), "]".repeat(40)).as_bytes()),
        // Longer than an open may be, and one that never ends.
        vec![0xff; 3],
        vec![0x00, 0x20, b'{'],
    ];
    let of = move |id: u32| {
        let open = &opens[(id / 2) as usize % opens.len()];
        let end = if open.len() > 3 { FIN } else { 0 };
        frame(DATA, SYN | end, id, open.len() as u32, open)
    };
    let fate = Siege::of("opens that are none").stand(|attack| pour(attack, frames(b"", true, of)));
    let bad_requests = fate.replies.get("bad_request").copied().unwrap_or_default();
    assert!(bad_requests > 0, "refused `bad_request`: {:?}", fate.replies);
    assert!(fate.resets.keys().all(|code| [1, LIMIT].contains(code)), "and beyond the limits `limit`: {:?}", fate.resets);
    held(&fate, OPENS, 12);
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}
