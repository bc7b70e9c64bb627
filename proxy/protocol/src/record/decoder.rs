//! Takes the records of a stream apart, wherever its chunks end.

use std::mem;

use bytes::{Bytes, BytesMut};

use super::{BadRecord, Fields, Record, Stop};
use crate::room::BODY_MAX;

/// One direction of a stream of records: put chunks in, take whole records out. What is long in them comes out as slices of what came in.
#[derive(Debug)]
pub struct Decoder<R> {
    input: Bytes,
    /// A record that is not whole yet.
    held: BytesMut,
    /// So many bytes it has at least.
    needed: usize,
    body_max: usize,
    records: std::marker::PhantomData<R>,
}

impl<R> Default for Decoder<R> {
    fn default() -> Self {
        Self::with_body_max(BODY_MAX)
    }
}

impl<R> Decoder<R> {
    /// One that takes no longer body of a room's event, or answer, than this.
    pub fn with_body_max(body_max: usize) -> Self {
        Self { input: Bytes::new(), held: BytesMut::new(), needed: 0, body_max, records: std::marker::PhantomData }
    }

    /// Bytes of memory that a record holds which is not whole yet.
    pub fn held(&self) -> usize {
        self.held.capacity()
    }

    /// Whether the stream may end here: no record is under way.
    pub fn is_between_records(&self) -> bool {
        self.input.is_empty() && self.held.is_empty()
    }
}

impl<R: Record> Decoder<R> {
    /// Puts a chunk in, when [`next`](Self::next) has given all of the one before.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.input.is_empty(), "records were left");
        self.input = chunk;
    }

    /// The next record; `None` when more has to be put in.
    ///
    /// # Errors
    /// What came is no record. Nothing that comes later makes sense.
    #[expect(clippy::should_implement_trait, reason = "it goes on after a `None`")]
    pub fn next(&mut self) -> Result<Option<R>, BadRecord> {
        if self.held.is_empty() {
            if self.input.is_empty() {
                return Ok(None);
            }
            let mut fields = Fields::new(self.input.clone(), self.body_max);
            match R::read(&mut fields) {
                Ok(record) => {
                    let _ = self.input.split_to(fields.taken());
                    return Ok(Some(record));
                }
                Err(Stop::Bad(error)) => return Err(error),
                Err(Stop::Short(needed)) => {
                    self.needed = needed;
                    self.held = BytesMut::from(&mem::take(&mut self.input)[..]);
                    return Ok(None);
                }
            }
        }
        self.go_on()
    }

    /// The same where the front of a record is held.
    fn go_on(&mut self) -> Result<Option<R>, BadRecord> {
        loop {
            let missing = self.needed.saturating_sub(self.held.len()).min(self.input.len());
            self.held.extend_from_slice(&self.input.split_to(missing));
            if self.held.len() < self.needed {
                return Ok(None);
            }
            let whole = mem::take(&mut self.held).freeze();
            let mut fields = Fields::new(whole.clone(), self.body_max);
            match R::read(&mut fields) {
                // It has no more bytes than it needs.
                Ok(record) => return Ok(Some(record)),
                Err(Stop::Bad(error)) => return Err(error),
                Err(Stop::Short(needed)) => {
                    drop(fields);
                    self.needed = needed;
                    self.held = whole.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
                }
            }
        }
    }
}
