//! The list of a content's pieces, by which each can be verified.

use std::io::{self, Read};

use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::{ContentId, MANIFEST_BYTES_MAX, PIECE_BYTES, PIECES_MAX};

/// What every manifest begins with.
const MAGIC: &[u8; 8] = b"bss-swm1";
pub(super) const HEAD_BYTES: usize = MAGIC.len() + 8;
pub(super) const HASH_BYTES: usize = 32;

/// Of what pieces a content is made: its size, and the SHA-256 of each 256 KiB. It follows from the bytes alone, and so does its [`id`](Self::id), which names the content.
///
/// ```
/// use browser_stream_protocol::swarm::Manifest;
///
/// let manifest = Manifest::of(&b"hello"[..])?;
/// assert_eq!((manifest.size(), manifest.pieces()), (5, 1));
/// assert!(manifest.verifies(0, b"hello") && !manifest.verifies(0, b"hullo"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest(Bytes);

/// Bytes that are no manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// They begin with something else.
    #[error("a manifest begins with bss-swm1 and a size")]
    Head,
    /// They do not have as many hashes as a content of that size has pieces.
    #[error("a manifest of {0} bytes does not belong to a content of {1}")]
    Length(usize, u64),
    /// A content of that size has too many pieces.
    #[error("a content of {0} bytes has more pieces than a content may")]
    TooLarge(u64),
}

/// How many pieces a content of this size has; `None` for more than it may.
fn pieces_of(size: u64) -> Option<usize> {
    usize::try_from(size.div_ceil(PIECE_BYTES as u64)).ok().filter(|&pieces| pieces <= PIECES_MAX)
}

impl Manifest {
    /// Reads a content to its end, a piece at a time.
    ///
    /// # Errors
    /// Those of the reader, and [`io::ErrorKind::FileTooLarge`] for more than 16 GiB.
    pub fn of(content: impl Read) -> io::Result<Self> {
        Self::watching(content, |_| {})
    }

    /// The same, and tells after each piece how many bytes were read.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn watching(mut content: impl Read, mut read: impl FnMut(u64)) -> io::Result<Self> {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let mut hashes = BytesMut::zeroed(HEAD_BYTES);
        let mut size = 0;
        loop {
            piece.clear();
            content.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
            if piece.is_empty() {
                break;
            }
            if hashes.len() >= MANIFEST_BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            size += piece.len() as u64;
            hashes.put_slice(&Sha256::digest(&piece));
            read(size);
        }
        let (head, _) = hashes.split_at_mut(HEAD_BYTES);
        let (magic, sized) = head.split_at_mut(MAGIC.len());
        magic.copy_from_slice(MAGIC);
        sized.copy_from_slice(&u64::to_be_bytes(size));
        Ok(Self(hashes.freeze()))
    }

    /// Takes what came as one. Whether it is the right one its [`id`](Self::id) says.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(bytes: Bytes) -> Result<Self, BadManifest> {
        let size = bytes.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk::<8>()).ok_or(BadManifest::Head)?;
        let size = u64::from_be_bytes(*size);
        let pieces = pieces_of(size).ok_or(BadManifest::TooLarge(size))?;
        if bytes.len() != HEAD_BYTES + pieces * HASH_BYTES {
            return Err(BadManifest::Length(bytes.len(), size));
        }
        Ok(Self(bytes))
    }

    /// Its bytes, as they travel.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// What the content is called.
    pub fn id(&self) -> ContentId {
        ContentId(Sha256::digest(&self.0).into())
    }

    /// Bytes of the content.
    pub fn size(&self) -> u64 {
        self.0.get(MAGIC.len()..).and_then(|rest| rest.first_chunk()).map_or(0, |size| u64::from_be_bytes(*size))
    }

    /// How many pieces it has.
    pub fn pieces(&self) -> usize {
        self.hashes().len()
    }

    /// Bytes of one piece; 0 for one that it has not.
    pub fn piece_bytes(&self, index: usize) -> usize {
        let left = self.size().saturating_sub(index as u64 * PIECE_BYTES as u64);
        usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES))
    }

    /// Whether these are the bytes of that piece.
    pub fn verifies(&self, index: usize, piece: &[u8]) -> bool {
        // The last piece's length follows from its hash.
        self.hashes().get(index).is_some_and(|hash| *hash == <[u8; HASH_BYTES]>::from(Sha256::digest(piece)))
    }

    fn hashes(&self) -> &[[u8; HASH_BYTES]] {
        self.0.get(HEAD_BYTES..).unwrap_or_default().as_chunks().0
    }
}
