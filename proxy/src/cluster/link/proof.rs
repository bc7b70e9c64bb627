//! How two nodes show one another that they have the cluster's secret, over a connection that nobody else is in the middle of.
//!
//! - Dialer: its id, the id that it means, `HMAC(key, "…dialer" ‖ exporter ‖ dialer ‖ meant)`: 64 bytes.
//! - Dialed, if that is right: its own id, `HMAC(key, "…dialed" ‖ exporter ‖ dialer ‖ own)`: 48 bytes.
//!
//! The exporter (RFC 8446 section 7.5) is that of the TLS connection: whoever stands in between has two connections, with two of them, and what was recorded is of a third. All
//! parts have their lengths once and for all, so there is nothing to parse, and the labels differ, so neither side's word can be sent back to it.

use std::{fmt, fs, io, path::Path, path::PathBuf, sync::Arc};

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use uuid::Uuid;

use super::LinkError;

/// What all nodes of a cluster have, and nobody else.
///
/// ```
/// use browser_stream_server::cluster::{Secret, SecretError};
///
/// assert!(Secret::new(b"3f1c0e8a5b7d9264e0a1c3f5b7d98642").is_ok());
/// assert!(matches!(Secret::new(b"hunter2"), Err(SecretError::Short)));
/// ```
#[derive(Clone)]
pub struct Secret([u8; KEY_BYTES]);

/// Why a file gives no secret; the text says what to do.
///
/// See [`Secret`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the cluster's secret {path:?}: {source}; check the path, and whose file it is")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It could be guessed.
    #[error(
        "the cluster's secret is shorter than {SECRET_BYTES_MIN} bytes: make one with `openssl rand -hex 32`, and give it to all nodes"
    )]
    Short,
}

/// The exporter of one TLS connection.
pub(super) type Binding = [u8; 32];

impl Secret {
    /// From text or bytes that nobody guesses: 32 of them at least; white space at its end does not count.
    ///
    /// # Errors
    /// It is shorter.
    pub fn new(secret: &[u8]) -> Result<Self, SecretError> {
        let secret = secret.trim_ascii_end();
        if secret.len() < SECRET_BYTES_MIN {
            return Err(SecretError::Short);
        }
        Ok(Self(keyed(secret).chain_update(b"browser-stream-server cluster 1").finalize().into_bytes().into()))
    }

    /// The one in this file.
    ///
    /// # Errors
    /// It cannot be read, or holds too little.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        Self::new(&fs::read(path).map_err(|source| SecretError::Read { path: path.to_owned(), source })?)
    }

    /// A key for this use alone: what one shows is worth nothing to another.
    pub(crate) fn derive(&self, purpose: &[u8]) -> [u8; KEY_BYTES] {
        keyed(&self.0).chain_update(purpose).finalize().into_bytes().into()
    }

    /// What makes codes that all nodes of the cluster come to, for this use alone.
    pub(crate) fn hmac(&self, purpose: &[u8]) -> Hmac<Sha256> {
        keyed(&self.derive(purpose))
    }

    /// The same secret for those alone who have this in common as well.
    pub(crate) fn with(&self, common: &[u8]) -> Self {
        Self(self.derive(common))
    }

    /// What stands in the row of a node, so that others see by the table that it has the secret. Whoever may write there may copy it, and has nothing of that but to be
    /// called a node: a link wants more.
    pub(crate) fn proof_of_row(&self, process: Uuid, address: &str) -> Arc<str> {
        let proof = keyed(&self.derive(b"row 1")).chain_update(process).chain_update(address).finalize().into_bytes();
        HEXLOWER.encode(&proof).into()
    }

    fn mac(&self, side: [u8; LABEL_BYTES], binding: &Binding, dialer: Uuid, dialed: Uuid) -> Hmac<Sha256> {
        keyed(&self.derive(b"link 1")).chain_update(side).chain_update(binding).chain_update(dialer).chain_update(dialed)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Shows the node at the other end who this is, and sees that it is the one that is meant.
pub(super) async fn dial<S>(stream: &mut S, secret: &Secret, binding: &Binding, me: Uuid, meant: Uuid) -> Result<(), LinkError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let proof = secret.mac(DIALER, binding, me, meant).finalize().into_bytes();
    let mut said = Vec::with_capacity(2 * ID_BYTES + PROOF_BYTES);
    [me.as_bytes(), meant.as_bytes(), &proof[..]].into_iter().for_each(|part| said.extend_from_slice(part));
    stream.write_all(&said).await?;
    stream.flush().await?;
    let (dialed, shown) = (id(stream).await.map_err(hung_up)?, proof_of(stream).await.map_err(hung_up)?);
    secret.mac(DIALED, binding, me, dialed).verify_slice(&shown).map_err(|_| LinkError::Secret)?;
    if dialed == meant { Ok(()) } else { Err(LinkError::Other { meant, found: dialed }) }
}

/// Sees who dials, and shows it who this is. Says nothing to one that does not have the secret.
pub(super) async fn answer<S>(stream: &mut S, secret: &Secret, binding: &Binding, me: Uuid) -> Result<Uuid, LinkError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (dialer, meant, shown) = (id(stream).await?, id(stream).await?, proof_of(stream).await?);
    secret.mac(DIALER, binding, dialer, meant).verify_slice(&shown).map_err(|_| LinkError::Secret)?;
    let proof = secret.mac(DIALED, binding, dialer, me).finalize().into_bytes();
    stream.write_all(&[me.as_bytes(), &proof[..]].concat()).await?;
    stream.flush().await?;
    match (dialer, meant) {
        _ if meant != me => Err(LinkError::Other { meant, found: me }),
        _ if dialer == me => Err(LinkError::Itself),
        _ => Ok(dialer),
    }
}

async fn id(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Uuid> {
    let mut id = [0; ID_BYTES];
    stream.read_exact(&mut id).await?;
    Ok(Uuid::from_bytes(id))
}

async fn proof_of(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; PROOF_BYTES]> {
    let mut proof = [0; PROOF_BYTES];
    stream.read_exact(&mut proof).await?;
    Ok(proof)
}

/// Who is not shown the secret hangs up, and says nothing.
fn hung_up(error: io::Error) -> LinkError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => LinkError::HungUp,
        _ => LinkError::Io(error),
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    match block.get_mut(..key.len()) {
        // As HMAC does itself: filled up with zeros.
        Some(start) => start.copy_from_slice(key),
        None => block[..KEY_BYTES].copy_from_slice(&<Sha256 as sha2::Digest>::digest(key)),
    }
    hmac::digest::KeyInit::new(&block.into())
}

const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 16;
const PROOF_BYTES: usize = 32;
const SECRET_BYTES_MIN: usize = 32;
const LABEL_BYTES: usize = 24;
const DIALER: [u8; LABEL_BYTES] = *b"bss cluster link: dialer";
const DIALED: [u8; LABEL_BYTES] = *b"bss cluster link: dialed";
