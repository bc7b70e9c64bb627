//! The payload of a close frame: a code and a reason.

use super::Violation;

/// What a close frame's payload says; `None` if it has none (RFC 6455, section 5.5.1).
pub fn parse(payload: &[u8]) -> Result<Option<(u16, &str)>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::CloseTooShort) };
    };
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(Violation::CloseCode);
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    Ok(Some((code, reason)))
}

/// Whether a close frame may have this code: those that RFC 6455 (section 7.4) and IANA's registry define for the wire, and
/// 3000–4999, which libraries and applications define. 1004 means nothing; 1005, 1006 and 1015 tell the absence of a code.
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
