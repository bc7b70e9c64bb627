//! The frames that a server sends: never masked, each the last of its message.

use bytes::Bytes;

use super::{CONTROL_BYTES_MAX, Opcode, close::may_be_sent};

/// The most bytes of a head that is not masked.
pub const HEAD_BYTES_MAX: usize = 10;

/// The head of an unmasked, final frame of `length` bytes of payload: its bytes, and how many of them count.
///
/// A control frame has at most 125 bytes of payload; use [`pong`] and [`close`], which see to that.
pub fn head(opcode: Opcode, length: usize) -> ([u8; HEAD_BYTES_MAX], usize) {
    let mut bytes = [0; HEAD_BYTES_MAX];
    bytes[0] = FINAL | opcode as u8;
    let count = if length <= CONTROL_BYTES_MAX {
        bytes[1] = length as u8;
        2
    } else if let Ok(length) = u16::try_from(length) {
        bytes[1] = 126;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        4
    } else {
        bytes[1] = 127;
        bytes[2..].copy_from_slice(&(length as u64).to_be_bytes());
        HEAD_BYTES_MAX
    };
    (bytes, count)
}

/// The whole pong frame that answers a ping of this payload, which is cut at 125 bytes.
pub fn pong(payload: &[u8]) -> Bytes {
    control(Opcode::Pong, &[&payload[..payload.len().min(CONTROL_BYTES_MAX)]])
}

/// The whole close frame with this code and reason.
///
/// The reason is cut at 123 bytes, between characters. A code that must not be sent (RFC 6455, section 7.4) leaves a frame
/// without payload: it tells the peer that there is no code, as 1005 means to whoever reads it.
pub fn close(code: u16, reason: &str) -> Bytes {
    if !may_be_sent(code) {
        return control(Opcode::Close, &[]);
    }
    let code = code.to_be_bytes();
    let end = reason.floor_char_boundary(CONTROL_BYTES_MAX - code.len());
    control(Opcode::Close, &[&code, &reason.as_bytes()[..end]])
}

fn control(opcode: Opcode, payload: &[&[u8]]) -> Bytes {
    let (head, count) = head(opcode, payload.iter().map(|part| part.len()).sum());
    let mut frame = head[..count].to_vec();
    for part in payload {
        frame.extend_from_slice(part);
    }
    frame.into()
}

/// The bit of a message's last frame.
const FINAL: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_stands_in_the_fewest_bytes() {
        let of = |length| {
            let (bytes, count) = head(Opcode::Binary, length);
            bytes[..count].to_vec()
        };
        assert_eq!(of(0), [0x82, 0]);
        assert_eq!(of(125), [0x82, 125]);
        assert_eq!(of(126), [0x82, 126, 0, 126]);
        assert_eq!(of(65535), [0x82, 126, 255, 255]);
        assert_eq!(of(65536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        let (bytes, count) = head(Opcode::Text, 5);
        assert_eq!(bytes[..count], [0x81, 5]);
    }

    #[test]
    fn a_pong_carries_the_pings_bytes() {
        assert_eq!(pong(b"")[..], [0x8a, 0]);
        assert_eq!(pong(b"ab")[..], [0x8a, 2, b'a', b'b']);
        assert_eq!(pong(&[7; 125]).len(), 127);
        assert_eq!(pong(&[7; 126]), pong(&[7; 125]));
    }

    #[test]
    fn a_reason_is_cut_between_characters_to_what_a_control_frame_holds() {
        assert_eq!(close(1000, "")[..], [0x88, 2, 3, 232]);
        assert_eq!(close(1002, "no")[..], [0x88, 4, 3, 234, b'n', b'o']);
        assert_eq!(close(1008, &"a".repeat(123))[1], 125);
        assert_eq!(close(1008, &"a".repeat(124)), close(1008, &"a".repeat(123)));
        let cut = close(1008, &"é".repeat(62));
        assert_eq!(cut[1], 124, "122 bytes are 61 characters, the 62nd does not fit");
        assert!(std::str::from_utf8(&cut[4..]).is_ok());
    }

    #[test]
    fn a_code_that_must_not_be_sent_is_not() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
            assert_eq!(close(code, "reason")[..], [0x88, 0], "{code}");
        }
        for code in [1000, 1002, 1003, 1007, 1008, 1012, 1013, 3000, 4999] {
            assert_eq!(close(code, "")[2..], code.to_be_bytes(), "{code}");
        }
    }
}
