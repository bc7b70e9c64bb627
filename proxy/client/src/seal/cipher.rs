//! The key of one direction, and what it does to one record.

use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce, Tag, aead::AeadInPlace};

use super::Tampered;

/// Bytes of a record that prove the others.
pub(super) const TAG: usize = 16;
/// So many records does one key serve: 32 GiB, far below what AES-GCM allows.
const RECORDS_PER_KEY: u64 = 1 << 20;

/// One direction behind the handshake: its records are numbered from 0, and each has its number as nonce.
pub(super) struct Direction {
    cipher: Aes256Gcm,
    number: u64,
    records_per_key: u64,
}

impl Direction {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self::with(key, RECORDS_PER_KEY)
    }

    /// With another number of records per key than the protocol's: vectors are short.
    pub(super) fn with(key: &[u8; 32], records_per_key: u64) -> Self {
        Self { cipher: Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(key)), number: 0, records_per_key }
    }

    /// Encrypts the next record where it lies.
    pub(super) fn seal(&mut self, bytes: &mut [u8]) -> [u8; TAG] {
        let nonce = self.next();
        let Ok(tag) = self.cipher.encrypt_in_place_detached(Nonce::from_slice(&nonce), &[], bytes) else {
            unreachable!("a record is shorter than what AES-GCM takes") // It fails beyond 2^36 bytes alone; a record has 2^15.
        };
        tag.into()
    }

    /// Decrypts the next record where it lies.
    pub(super) fn open(&mut self, bytes: &mut [u8], tag: &[u8; TAG]) -> Result<(), Tampered> {
        let nonce = self.next();
        self.cipher.decrypt_in_place_detached(Nonce::from_slice(&nonce), &[], bytes, Tag::from_slice(tag)).map_err(|_| Tampered)
    }

    /// The nonce of the next record, under the key that is its.
    fn next(&mut self) -> [u8; 12] {
        let number = self.number;
        if number > 0 && number.is_multiple_of(self.records_per_key) {
            self.rekey();
        }
        // 2^64 records take longer than there is time.
        self.number += 1;
        nonce(number)
    }

    /// Noise's REKEY: what the old key makes of 32 zero bytes under the last nonce.
    fn rekey(&mut self) {
        let mut key = [0; 32];
        let done = self.cipher.encrypt_in_place_detached(Nonce::from_slice(&nonce(u64::MAX)), &[], &mut key);
        if done.is_err() {
            unreachable!("32 bytes are what AES-GCM takes"); // As above.
        }
        self.cipher = Aes256Gcm::new(&key.into());
    }
}

/// As Noise has it for AES-GCM: four zero bytes, then the number, high byte first.
fn nonce(number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce
}
