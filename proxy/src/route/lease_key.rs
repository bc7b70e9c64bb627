//! The key that leases are made with: random, or from a file that outlives the process.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use data_encoding::HEXLOWER;
use hmac::Hmac;
use sha2::Sha256;

use crate::private;

/// Makes and recognises leases. Proxies with the same key honour one another's; cheap to clone.
///
/// ```
/// use std::{path::Path, sync::Arc};
///
/// use browser_stream_server::{LeaseKey, Limits, StreamServerProxy};
///
/// # fn example() -> Result<(), browser_stream_server::LeaseKeyError> {
/// // With the same key servers have their names back after a restart of the program.
/// let key = LeaseKey::read_or_make(Path::new("/var/lib/yours/lease.key"))?;
/// let names = StreamServerProxy::with_lease_key("/browser-server", Arc::new(Limits::default()), key);
/// # drop(names);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct LeaseKey(Arc<[u8; BYTES]>);

const BYTES: usize = 32;

/// Why a file gives no key; the text says what to do.
///
/// See [`LeaseKey`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseKeyError {
    /// The file is there and cannot be read.
    #[error("cannot read the lease key {path:?}: {source}; check the path given by --lease-key, and whose file it is")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file was not there and cannot be made.
    #[error("cannot make the lease key {path:?}: {source}; check that its folder is there and may be written to")]
    Make {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{0:?} is no lease key: 64 lower-case hex digits were expected; restore it, or delete it to have a new one made")]
    Malformed(PathBuf),
}

impl LeaseKey {
    /// A key that ends with the process: leases that it made are worth nothing to the next one.
    pub fn random() -> Self {
        Self(Arc::new(rand::random()))
    }

    /// The key that all nodes of a cluster come to by what they have in common.
    #[cfg(feature = "cluster")]
    #[doc(hidden)]
    pub fn of_cluster(secret: &crate::cluster::Secret) -> Self {
        Self(Arc::new(secret.derive(b"leases 1")))
    }

    /// What nodes show each other that have the cluster's secret and this key: with another one a server's lease would be worth nothing at the next node.
    #[cfg(feature = "cluster")]
    #[doc(hidden)]
    #[must_use]
    pub fn shown_by(&self, secret: &crate::cluster::Secret) -> crate::cluster::Secret {
        secret.with(&[b"row with leases 1", self.0.as_slice()].concat())
    }

    /// The key in this file: 64 lower-case hex digits and a line end. If there is no such file, one is made that its owner alone may read.
    ///
    /// Of several processes that find none at the same moment, one makes it and the others read it.
    ///
    /// # Errors
    /// Where the file can be neither read nor made, or holds something else.
    pub fn read_or_make(path: &Path) -> Result<Self, LeaseKeyError> {
        let read = |path: &Path| match fs::read(path) {
            Ok(bytes) => {
                let key = std::str::from_utf8(&bytes).ok().and_then(Self::from_hex);
                key.map(Some).ok_or_else(|| LeaseKeyError::Malformed(path.to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LeaseKeyError::Read { path: path.to_owned(), source }),
        };
        if let Some(key) = read(path)? {
            return Ok(key);
        }
        let failed = |source| LeaseKeyError::Make { path: path.to_owned(), source };
        let key = Self::random();
        match private::make(path, format!("{}\n", HEXLOWER.encode(&*key.0)).as_bytes()) {
            Ok(()) => Ok(key),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                read(path)?.ok_or_else(|| failed(io::Error::other("it comes and goes")))
            }
            Err(source) => Err(failed(source)),
        }
    }

    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        Some(Self(Arc::new(bytes.try_into().ok()?)))
    }

    pub(super) fn hmac(&self) -> Hmac<Sha256> {
        // HMAC fills a key up with zeros to the block of its hash.
        let mut block = [0; 64];
        block[..BYTES].copy_from_slice(&*self.0);
        hmac::digest::KeyInit::new(&block.into())
    }
}

impl fmt::Debug for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    /// A folder of this test, gone at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let folder = std::env::temp_dir().join(format!("bss-lease-key-{}", uuid::Uuid::new_v4()));
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_key_is_made_once_and_read_by_whoever_comes_later() {
        let folder = Folder::new();
        let path = folder.0.join("key");
        let together = Barrier::new(8);
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        together.wait();
                        LeaseKey::read_or_make(&path).unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| key.0 == keys[0].0));
        assert_eq!(LeaseKey::read_or_make(&path).unwrap().0, keys[0].0);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing else is left there");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_that_is_no_key_is_told_and_left_alone() {
        let folder = Folder::new();
        let path = folder.0.join("key");
        for wrong in ["", "\n", &"0".repeat(63), &"0".repeat(65), &"G".repeat(64), &"A".repeat(64), &format!("{}\n\n", "0".repeat(64))] {
            fs::write(&path, wrong).unwrap();
            assert!(matches!(LeaseKey::read_or_make(&path), Err(LeaseKeyError::Malformed(_))), "{wrong:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), wrong);
        }
        for right in ["0".repeat(64), format!("{}\n", "f".repeat(64)), format!("{}\r\n", "f".repeat(64))] {
            fs::write(&path, &right).unwrap();
            assert!(LeaseKey::read_or_make(&path).is_ok(), "{right:?}");
        }
        assert!(matches!(LeaseKey::read_or_make(&folder.0), Err(LeaseKeyError::Read { .. })), "a folder is not a file");
        assert!(matches!(LeaseKey::read_or_make(&folder.0.join("none/key")), Err(LeaseKeyError::Make { .. })));
    }

    #[test]
    fn threat_33_a_key_does_not_show_in_a_log() {
        assert_eq!(format!("{:?}", LeaseKey::random()), "LeaseKey(…)");
    }
}
