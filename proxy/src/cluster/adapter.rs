//! What keeps the table that all nodes share.

use futures::{future::BoxFuture, stream::BoxStream};

use super::row::Row;

/// A table that all nodes share: each change of it has a number that rises, and a row is written only if it is still the one that the writer knows.
///
/// What [`Core`](super::Core) needs to be right is that of two writes which expect the same exactly one is taken. That a change is told late, or twice in a row, costs time alone.
pub trait Adapter: Send + Sync + 'static {
    /// Writes the row if the table has the one that is expected. Answers within a few seconds, whatever happens.
    fn write(&self, write: Write) -> BoxFuture<'static, Outcome>;

    /// Tells what there is and then what changes, in the order of the table, for as long as the stream is polled.
    fn changes(&self) -> BoxStream<'static, Change>;
}

/// What to write, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// What is to be there.
    pub row: Row,
    /// What has to be there for it.
    pub expected: Expected,
}

/// What the table has to have, so that a row may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// No such row.
    Absent,
    /// The row that was written with this number.
    At(u64),
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken, with this number; a deletion maybe with that of what it deleted.
    Done(u64),
    /// The table had something else, and has it still.
    Conflict,
    /// No answer: it was taken, was not, or will be yet.
    Unknown,
}

/// What the table tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// All that there is follows, as for one who has heard nothing yet.
    Begun,
    /// The table's newest number, asked for after [`Begun`](Self::Begun) and before what there is: where it is lower than one that was heard before, the table has
    /// forgotten something, or is another one.
    Newest(u64),
    /// The row is this since the change of that number.
    Row(Row, u64),
    /// That was all there is; what follows are changes.
    Current,
}
