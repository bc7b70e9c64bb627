//! What the records of rooms alone have: names of events, and members.

use bytes::BytesMut;

use super::{EVENT_NAME_MAX, EventName, NAMED_MAX};
use crate::{
    integer,
    record::{BadRecord, Fields, Stop},
};

impl Fields {
    pub(super) fn name(&mut self) -> Result<EventName, Stop> {
        Ok(EventName::new(self.bytes(EVENT_NAME_MAX)?)?)
    }

    /// How many, and so many members' numbers: those that an event names.
    pub(super) fn named(&mut self) -> Result<Vec<u32>, Stop> {
        self.numbers(1, NAMED_MAX)
    }

    pub(super) fn numbers(&mut self, least: usize, most: usize) -> Result<Vec<u32>, Stop> {
        let count = self.integer()?;
        let fits = usize::try_from(count).ok().filter(|count| (least..=most).contains(count));
        let count = fits.ok_or(BadRecord::Members(count))?;
        self.need(count)?;
        (0..count).map(|_| self.small()).collect()
    }
}

/// Appends how many, and the numbers.
pub(super) fn put_numbers(numbers: &[u32], out: &mut BytesMut) {
    integer::put(numbers.len() as u64, out);
    numbers.iter().for_each(|&number| integer::put(u64::from(number), out));
}
