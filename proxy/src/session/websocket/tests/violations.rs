//! What a client must not send, beside what it may.

use super::*;

#[test]
fn threat_16_a_frame_without_a_mask_breaks_the_protocol() {
    breaks(&[FIN | BINARY, 2, b'a', b'b'], Violation::Unmasked);
    breaks(&[PING, 0], Violation::Unmasked);
    let mut unmasked_by_zeros = vec![FIN | BINARY, 0x82, 0, 0, 0, 0];
    unmasked_by_zeros.extend(b"ab");
    assert_eq!(is_legal(&unmasked_by_zeros), message(Kind::Binary, b"ab"));
}

#[test]
fn threat_16_a_reserved_bit_breaks_the_protocol() {
    for bit in [0x40, 0x20, 0x10] {
        for first in [FIN | BINARY, TEXT, PING, CLOSE] {
            breaks(&frame(first | bit, b""), Violation::Reserved);
        }
    }
}

#[test]
fn threat_16_only_six_opcodes_exist() {
    for opcode in 0..16 {
        match opcode {
            0 => breaks(&frame(FIN | opcode, b""), Violation::NothingToContinue),
            1 | 2 | 8..=10 => assert!(!is_legal(&frame(FIN | opcode, b"")).is_empty()),
            _ => breaks(&frame(FIN | opcode, b""), Violation::Opcode),
        }
    }
}

#[test]
fn threat_16_a_control_frame_is_short_and_whole() {
    assert_eq!(is_legal(&frame(PING, &[7; 125])), [Told::Ping(vec![7; 125])]);
    for first in [PING, PONG, CLOSE] {
        breaks(&frame(first, &[7; 126]), Violation::ControlTooLong);
        breaks(&frame(first & !FIN, b""), Violation::ControlFragmented);
    }
    let long = [PING, 0xff, 0, 0, 0, 0, 0, 1, 0, 0];
    breaks(&long, Violation::ControlTooLong);
}

#[test]
fn threat_16_fragments_come_in_their_order() {
    breaks(&frame(CONTINUATION, b"a"), Violation::NothingToContinue);
    for first in [BINARY, FIN | BINARY, TEXT, FIN | TEXT] {
        let (told, result) = outcome(&frames(&[(BINARY, b"a"), (first, b"b")]));
        assert_eq!(told, [Told::Begin(Kind::Binary), Told::Payload(b"a".to_vec())]);
        assert_eq!(result, Err(Violation::Interleaved));
    }
    let ended = frames(&[(BINARY, b"a"), (FIN | CONTINUATION, b"b"), (FIN | CONTINUATION, b"c")]);
    assert_eq!(outcome(&ended), (message(Kind::Binary, b"ab"), Err(Violation::NothingToContinue)));
}

#[test]
fn threat_16_a_length_is_at_most_63_bits_in_the_fewest_bytes() {
    let head = |second: u8, length: &[u8]| [&[FIN | BINARY, 0x80 | second][..], length, &KEY].concat();
    assert_eq!(is_legal(&head(127, &i64::MAX.to_be_bytes())), [Told::Begin(Kind::Binary)]);
    breaks(&head(127, &(1u64 << 63).to_be_bytes()), Violation::LengthTooLong);
    breaks(&head(127, &u64::MAX.to_be_bytes()), Violation::LengthTooLong);
    assert_eq!(is_legal(&head(127, &65_536u64.to_be_bytes())), [Told::Begin(Kind::Binary)]);
    breaks(&head(127, &65_535u64.to_be_bytes()), Violation::LengthNotMinimal);
    assert_eq!(is_legal(&head(126, &126u16.to_be_bytes())), [Told::Begin(Kind::Binary)]);
    breaks(&head(126, &125u16.to_be_bytes()), Violation::LengthNotMinimal);
}

#[test]
fn threat_16_a_close_says_nothing_or_a_code_that_may_be_sent() {
    let close = |payload: &[u8]| frame(CLOSE, payload);
    assert_eq!(is_legal(&close(b"")), [Told::Close(None)]);
    breaks(&close(&[3]), Violation::CloseTooShort);
    for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
        assert_eq!(is_legal(&close(&u16::to_be_bytes(code))), [Told::Close(Some((code, String::new())))]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, u16::MAX] {
        breaks(&close(&code.to_be_bytes()), Violation::CloseCode);
    }
}

#[test]
fn threat_16_a_close_reason_is_utf8() {
    let close = |reason: &[u8]| frame(CLOSE, &[&1000u16.to_be_bytes(), reason].concat());
    assert_eq!(is_legal(&close("tschüß".as_bytes())), [Told::Close(Some((1000, "tschüß".to_owned())))]);
    assert_eq!(is_legal(&close(&[b'a'; 123])), [Told::Close(Some((1000, "a".repeat(123))))]);
    for wrong in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"a\xf4\x90\x80\x80"] {
        breaks(&close(wrong), Violation::NotUtf8);
    }
}

#[test]
fn threat_16_after_a_violation_every_call_fails_with_it_and_nothing_more_is_told() {
    let (mut decoder, mut log) = (Decoder::default(), Log::default());
    assert_eq!(decoder.decode(&mut [0xff, 0xff], &mut log), Err(Violation::Reserved));
    for mut input in [frame(FIN | BINARY, b"a"), frame(PING, b""), vec![]] {
        assert_eq!(decoder.decode(&mut input, &mut log), Err(Violation::Reserved));
    }
    assert!(log.told.is_empty());
}

#[test]
fn threat_16_a_text_message_is_refused_by_who_takes_binary_ones_only() {
    let bytes = frames(&[(FIN | BINARY, b"a"), (TEXT, b"b"), (PING, b"")]);
    let (mut decoder, mut log) = (Decoder::default(), Log { refuses: Some(Kind::Text), ..Log::default() });
    assert_eq!(decoder.decode(&mut bytes.clone(), &mut log), Err(Violation::Text));
    assert_eq!(log.told, message(Kind::Binary, b"a"));
    assert_eq!(decoder.decode(&mut frame(FIN | BINARY, b"a"), &mut log), Err(Violation::Text));
}

#[test]
fn a_message_that_is_refused_at_its_end_ends_the_decoding() {
    let (mut decoder, mut log) = (Decoder::default(), Log { refuses_ends: true, ..Log::default() });
    let mut bytes = frames(&[(FIN | TEXT, b"\xff"), (FIN | BINARY, b"a")]);
    assert_eq!(decoder.decode(&mut bytes, &mut log), Err(Violation::NotUtf8));
    assert_eq!(log.told, [Told::Begin(Kind::Text), Told::Payload(b"\xff".to_vec())]);
}

#[test]
fn threat_16_each_violation_has_its_close_code() {
    for violation in [
        Violation::Unmasked,
        Violation::Reserved,
        Violation::Opcode,
        Violation::ControlTooLong,
        Violation::ControlFragmented,
        Violation::NothingToContinue,
        Violation::Interleaved,
        Violation::LengthTooLong,
        Violation::LengthNotMinimal,
        Violation::CloseTooShort,
        Violation::CloseCode,
    ] {
        assert_eq!(violation.close_code(), 1002, "{violation}");
    }
    assert_eq!(Violation::Text.close_code(), 1003);
    assert_eq!(Violation::NotUtf8.close_code(), 1007);
}
