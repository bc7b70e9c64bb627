//! What a client may send is told as it was sent.

use super::*;

#[test]
fn a_message_is_told_as_it_was_sent() {
    assert_eq!(is_legal(&frame(FIN | BINARY, b"ab")), message(Kind::Binary, b"ab"));
    assert_eq!(is_legal(&frame(FIN | TEXT, "é".as_bytes())), message(Kind::Text, "é".as_bytes()));
    assert_eq!(is_legal(&frame(FIN | BINARY, b"")), message(Kind::Binary, b""));
    for length in [125, 126, 127, 300] {
        let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
        assert_eq!(is_legal(&frame(FIN | BINARY, &payload)), message(Kind::Binary, &payload));
    }
}

#[test]
fn threat_16_any_length_is_legal() {
    for length in [65_535, 65_536, 1_000_003] {
        let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let bytes = frame(FIN | BINARY, &payload);
        for size in [bytes.len(), 1, 4096, 65_537] {
            assert_eq!(decode(bytes.chunks(size)), (message(Kind::Binary, &payload), Ok(())), "{length} in inputs of {size}");
        }
    }
}

#[test]
fn threat_16_fragments_are_one_message_with_control_frames_between() {
    let bytes = frames(&[(BINARY, b"a"), (PING, b"p"), (CONTINUATION, b""), (PONG, b""), (FIN | CONTINUATION, b"b"), (FIN | TEXT, b"c")]);
    let payload = |bytes: &[u8]| Told::Payload(bytes.to_vec());
    let mut expected =
        vec![Told::Begin(Kind::Binary), payload(b"a"), Told::Ping(b"p".to_vec()), Told::Pong(vec![]), payload(b"b"), Told::End];
    expected.extend(message(Kind::Text, b"c"));
    assert_eq!(is_legal(&bytes), expected);
}

#[test]
fn payload_tells_where_in_the_input_it_lies() {
    struct Places(Vec<(usize, usize)>);
    impl Messages for Places {
        fn begin(&mut self, _: Kind) -> Result<(), Violation> {
            Ok(())
        }
        fn payload(&mut self, at: usize, bytes: &[u8]) {
            self.0.push((at, bytes.len()));
        }
        fn end(&mut self) -> Result<(), Violation> {
            Ok(())
        }
        fn control(&mut self, _: Control<'_>) {}
    }
    let mut bytes = frames(&[(FIN | BINARY, b"abc"), (PING, b""), (FIN | BINARY, b"defgh")]);
    let (mut decoder, mut places) = (Decoder::default(), Places(vec![]));
    let (first, second) = bytes.split_at_mut(23);
    decoder.decode(first, &mut places).unwrap();
    decoder.decode(second, &mut places).unwrap();
    assert_eq!(places.0, [(6, 3), (21, 2), (0, 3)]);
    assert_eq!((&bytes[6..9], &bytes[21..26]), (&b"abc"[..], &b"defgh"[..]), "unmasked in place");
}

#[test]
fn nothing_is_told_after_a_close() {
    for after in [frame(FIN | BINARY, b"a"), frame(CLOSE, b""), vec![0xff; 20]] {
        let bytes = [frame(CLOSE, b""), after].concat();
        assert_eq!(is_legal(&bytes), [Told::Close(None)]);
    }
}

#[test]
fn an_idle_decoder_takes_a_few_dozen_bytes() {
    assert!(size_of::<Decoder>() <= 40, "{}", size_of::<Decoder>());
}
