//! Any frames and any bytes, cut anywhere.

use proptest::prelude::*;

use super::*;

/// Legal frames, and what must be told of them.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub bytes: Vec<u8>,
    pub told: Vec<Told>,
}

impl Script {
    fn control(&mut self, is_ping: bool, payload: Vec<u8>) {
        self.bytes.extend(frame(if is_ping { PING } else { PONG }, &payload));
        self.told.push(if is_ping { Told::Ping(payload) } else { Told::Pong(payload) });
    }

    fn fragment(&mut self, first: u8, payload: &[u8]) {
        self.bytes.extend(frame(first, payload));
        match self.told.last_mut() {
            _ if payload.is_empty() => {}
            Some(Told::Payload(before)) => before.extend_from_slice(payload),
            _ => self.told.push(Told::Payload(payload.to_vec())),
        }
    }
}

/// A message: whether it is text, its fragments, and after each perhaps a control frame.
pub(super) type Message = (bool, Vec<(Vec<u8>, Option<(bool, Vec<u8>)>)>);

pub(super) fn script(messages: Vec<Message>) -> Script {
    let mut script = Script::default();
    for (is_text, fragments) in messages {
        let (kind, mut opcode) = if is_text { (Kind::Text, TEXT) } else { (Kind::Binary, BINARY) };
        script.told.push(Told::Begin(kind));
        let last = fragments.len() - 1;
        for (index, (payload, control)) in fragments.into_iter().enumerate() {
            script.fragment(opcode | if index == last { FIN } else { 0 }, &payload);
            opcode = CONTINUATION;
            if index == last {
                script.told.push(Told::End);
            }
            if let Some((is_ping, payload)) = control {
                script.control(is_ping, payload);
            }
        }
    }
    script
}

pub(super) fn messages() -> impl Strategy<Value = Vec<Message>> {
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..max);
    let control = prop::option::of((any::<bool>(), bytes(126)));
    let fragments = prop::collection::vec((bytes(300), control), 1..5);
    prop::collection::vec((any::<bool>(), fragments), 0..6)
}

proptest! {
    #[test]
    fn threat_16_what_was_sent_is_told_however_it_is_cut(
        messages in messages(),
        cuts in prop::collection::vec(1usize..200, 1..20),
    ) {
        let script = script(messages);
        let (mut decoder, mut log) = (Decoder::default(), Log::default());
        let mut rest = &script.bytes[..];
        for cut in cuts.into_iter().cycle() {
            let (input, after) = rest.split_at(cut.min(rest.len()));
            prop_assert_eq!(decoder.decode(&mut input.to_vec(), &mut log).map(drop), Ok(()));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(log.told, script.told);
    }

    #[test]
    fn threat_07_any_bytes_are_told_or_refused_however_they_are_cut(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = outcome(&bytes);
    }

    #[test]
    fn threat_07_a_frame_with_one_byte_changed_is_told_or_refused_however_it_is_cut(
        messages in messages(),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut bytes = script(messages).bytes;
        bytes.truncate(400);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = outcome(&bytes);
    }
}
