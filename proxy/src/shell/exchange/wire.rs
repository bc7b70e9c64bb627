//! What the two sides of an exchange say.

use bytes::{Buf, Bytes, BytesMut};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The protocol's version.
pub const VERSION: u32 = 1;
/// Bytes of a piece, as this sender cuts them.
pub const PIECE: u32 = 256 * 1024;
const PIECE_MIN: u32 = 64 * 1024;
const PIECE_MAX: u32 = 1024 * 1024;
/// Bytes of a SHA-256.
pub const DIGEST: usize = 32;
/// From here on a frame's number is a note's.
const NOTE: u32 = 1 << 31;
const NOTE_MAX: u32 = 4096;
const HEAD: usize = 4;
/// Bytes of a file's type (RFC 6838 allows 127 on either side of the slash).
const TYPE_MAX: usize = 255;

/// Codes with which one side ends a stream.
pub mod code {
    /// The receiver wants the file no more.
    pub const UNWANTED: u32 = 4001;
    /// The sender sends the file no more.
    pub const WITHDRAWN: u32 = 4002;
    /// A piece is not what its digest says.
    pub const CORRUPT: u32 = 4003;
    /// The file was changed, moved or deleted.
    pub const CHANGED: u32 = 4004;
    /// What the receiver holds is of another file.
    pub const ANOTHER: u32 = 4005;
    /// There is no such file.
    pub const UNKNOWN: u32 = 4006;
    /// The receiver cannot write.
    pub const UNWRITABLE: u32 = 4007;
}

/// What a receiver says when it opens a stream.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Meta {
    pub exchange: u32,
    pub key: String,
    /// Who it is, the same in all its streams.
    pub me: String,
    /// What it may be called.
    #[serde(rename = "as", default)]
    pub called: String,
    #[serde(flatten)]
    pub wants: Wants,
}

/// What a stream is for.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Wants {
    /// What there is.
    List,
    /// The bytes of one file.
    Get(Get),
}

/// Which bytes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Get {
    pub file: String,
    /// Bytes that the receiver holds.
    #[serde(default)]
    pub from: u64,
    /// The digest of the last piece of them, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub have: Option<String>,
}

/// What comes over the stream of a list.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Told {
    Files(Files),
    Bye {
        #[serde(default)]
        reason: String,
    },
    /// Of a later version.
    #[serde(other)]
    Other,
}

/// All that there is.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Files {
    pub piece: u32,
    #[serde(default)]
    pub waits: bool,
    pub files: Vec<File>,
}

/// One file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct File {
    pub id: String,
    pub name: String,
    pub size: u64,
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<u64>,
}

impl Files {
    /// Whether it says what the protocol allows: what comes is somebody else's.
    pub fn is_sound(&self) -> bool {
        let is_piece = self.piece.is_power_of_two() && (PIECE_MIN..=PIECE_MAX).contains(&self.piece);
        is_piece && self.files.iter().all(|file| is_id(&file.id))
    }
}

impl File {
    /// Its type where it is one, as in `image/png`: what comes is somebody else's.
    pub fn known_type(&self) -> Option<&str> {
        let is_token =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte));
        let (kind, rest) = self.kind.split_once('/')?;
        (is_token(kind) && is_token(rest) && self.kind.len() <= TYPE_MAX).then_some(&self.kind)
    }
}

/// 16 hex digits.
pub fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The SHA-256 of these bytes.
pub fn digest(bytes: &[u8]) -> [u8; DIGEST] {
    Sha256::digest(bytes).into()
}

/// In hex.
pub fn hex(digest: &[u8]) -> String {
    HEXLOWER.encode(digest)
}

/// What a sender says of a file, and the end of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// The next piece, and what its digest is to be.
    Piece([u8; DIGEST], Bytes),
    /// The digest of the digests of all pieces.
    End([u8; DIGEST]),
    /// Nothing that we need to know.
    Note,
}

/// The frame of a piece, head and digest included.
pub fn piece(digest: [u8; DIGEST], bytes: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEAD + DIGEST + bytes.len());
    // A piece has 1 MiB at most.
    frame.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or_default().to_be_bytes());
    frame.extend_from_slice(&digest);
    frame.extend_from_slice(bytes);
    frame.freeze()
}

/// The frame of the end.
pub fn end(digest: [u8; DIGEST]) -> Bytes {
    piece(digest, &[])
}

/// Takes a sender's bytes as they come.
#[derive(Debug)]
pub struct Frames {
    piece: u32,
    come: BytesMut,
}

/// What came is no frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sender does not keep to the protocol of exchanges")]
pub struct FrameError;

impl Frames {
    /// For pieces of at most so many bytes.
    pub fn new(piece: u32) -> Self {
        Self { piece, come: BytesMut::new() }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.come.extend_from_slice(bytes);
    }

    /// The next whole frame, if it is there.
    pub fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(head) = self.come.first_chunk::<HEAD>() else { return Ok(None) };
        let number = u32::from_be_bytes(*head);
        if let Some(note) = number.checked_sub(NOTE) {
            if note > NOTE_MAX {
                return Err(FrameError);
            }
            let length = HEAD + note as usize;
            if self.come.len() < length {
                return Ok(None);
            }
            self.come.advance(length);
            return Ok(Some(Frame::Note));
        }
        if number > self.piece {
            return Err(FrameError);
        }
        let length = HEAD + DIGEST + number as usize;
        if self.come.len() < length {
            self.come.reserve(length - self.come.len());
            return Ok(None);
        }
        let mut frame = self.come.split_to(length).freeze();
        frame.advance(HEAD);
        let digest: [u8; DIGEST] = frame.split_to(DIGEST)[..].try_into().map_err(|_| FrameError)?;
        Ok(Some(if number == 0 { Frame::End(digest) } else { Frame::Piece(digest, frame) }))
    }

    /// Whether a frame has begun.
    pub fn is_within(&self) -> bool {
        !self.come.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_the_same_however_the_bytes_are_cut() {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&(NOTE + 2).to_be_bytes());
        bytes.extend_from_slice(b"{}");
        bytes.extend_from_slice(&piece([1; 32], b"hello"));
        bytes.extend_from_slice(&end([2; 32]));
        for cut in [1, 7, 1000] {
            let (mut frames, mut got) = (Frames::new(PIECE), Vec::new());
            for part in bytes.chunks(cut) {
                frames.push(part);
                while let Some(frame) = frames.take().expect("frames") {
                    got.push(frame);
                }
            }
            assert_eq!(got, [Frame::Note, Frame::Piece([1; 32], Bytes::from_static(b"hello")), Frame::End([2; 32])], "{cut}");
            assert!(!frames.is_within());
        }
    }

    #[test]
    fn a_frame_that_would_take_more_than_a_piece_is_refused_by_its_head() {
        for number in [PIECE + 1, NOTE - 1, NOTE + NOTE_MAX + 1, u32::MAX] {
            let mut frames = Frames::new(PIECE);
            frames.push(&number.to_be_bytes());
            assert_eq!(frames.take(), Err(FrameError), "{number}");
        }
    }

    #[test]
    fn what_is_said_is_as_the_protocol_writes_it() {
        let get = Get { file: "9f2c4e8a01b7d365".into(), from: 262144, have: Some("ab".into()) };
        let meta = Meta { exchange: 1, key: "k".into(), me: "m".into(), called: "bss".into(), wants: Wants::Get(get.clone()) };
        let text = serde_json::to_string(&meta).expect("JSON");
        assert_eq!(text, r#"{"exchange":1,"key":"k","me":"m","as":"bss","do":"get","file":"9f2c4e8a01b7d365","from":262144,"have":"ab"}"#);
        let read: Meta = serde_json::from_str(&text.replace("\"as\":\"bss\",", "\"channel\":true,\"new\":1,"))
            .expect("what is not known is passed over");
        assert_eq!((read.wants, read.called.as_str()), (Wants::Get(get), ""));
        let told = r#"{"type":"files","piece":262144,"waits":false,"files":[{"id":"9f2c4e8a01b7d365","name":"été 日本.png","size":123456,"type":"image/png","modified":1764403200000}]}"#;
        let Ok(Told::Files(files)) = serde_json::from_str(told) else { panic!("files") };
        assert!(files.is_sound());
        assert_eq!(serde_json::to_string(&Told::Files(files)).expect("JSON"), told);
        assert!(matches!(serde_json::from_str(r#"{"type":"later","x":1}"#), Ok(Told::Other)));
        for (piece, id) in
            [(0, "9f2c4e8a01b7d365"), (100_000, "9f2c4e8a01b7d365"), (1 << 21, "9f2c4e8a01b7d365"), (1 << 18, "../../../etc/pwd")]
        {
            let file = File { id: id.into(), name: "n".into(), size: 1, kind: String::new(), modified: None };
            assert!(!Files { piece, waits: false, files: vec![file] }.is_sound(), "{piece} {id}");
        }
    }
}
