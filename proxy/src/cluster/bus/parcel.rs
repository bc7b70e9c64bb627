//! Parcels: a message as a bus carries it, in parts where it is long.

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parcel {
    /// The node that says it.
    pub node: Uuid,
    /// Which of the lives that the lane had at that node.
    pub epoch: u64,
    /// Rises by one from parcel to parcel, from 0.
    pub number: u64,
    pub is_first: bool,
    pub is_last: bool,
    pub body: Bytes,
}

/// Bytes before the body.
pub(super) const HEAD: usize = 34;
const VERSION: u8 = 1;
const FIRST: u8 = 1;
const LAST: u8 = 2;

impl Parcel {
    pub fn write(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEAD + self.body.len());
        out.put_u8(VERSION);
        out.put_u8(u8::from(self.is_first) * FIRST + u8::from(self.is_last) * LAST);
        out.put_slice(self.node.as_bytes());
        out.put_u64(self.epoch);
        out.put_u64(self.number);
        out.put_slice(&self.body);
        out.freeze()
    }

    /// `None` for what is no parcel, or one of another version.
    pub fn read(mut bytes: Bytes) -> Option<Self> {
        let body = (bytes.len() >= HEAD).then(|| bytes.split_off(HEAD))?;
        let (head, rest) = bytes.split_at_checked(2)?;
        let (node, rest) = rest.split_at_checked(16)?;
        let (epoch, number) = rest.split_at_checked(8)?;
        let [VERSION, flags @ 0..=3] = *head else { return None };
        Some(Self {
            node: Uuid::from_slice(node).ok()?,
            epoch: u64::from_be_bytes(epoch.try_into().ok()?),
            number: u64::from_be_bytes(number.try_into().ok()?),
            is_first: flags & FIRST != 0,
            is_last: flags & LAST != 0,
            body,
        })
    }
}
