//! How long everything in a cluster takes, and why that is safe.

use std::time::Duration;

/// A moment, as the time since one that the process chose: of a clock that never jumps. Those of two nodes mean nothing to one another.
pub type Time = Duration;

/// How long what takes. All nodes of a cluster have the same.
///
/// See [`Core`](super::Core).
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// A node counts itself in for so long after it *sent* a renewal that the table took.
    pub own: Duration,
    /// Others write a node off so long after they *saw* its last renewal. Sent comes before seen; so as long as no clock goes faster than another by more than
    /// `lease / own`, a node has stopped before anybody writes it off.
    pub lease: Duration,
    /// A renewal is sent so long after the last: three fail before `own` is over.
    pub renew: Duration,
    /// What was not taken, or may not have been, is tried again after so long.
    pub retry: Duration,
    /// A claim that the table does not answer in that time is refused.
    pub claim: Duration,
    /// A name with a lease is kept for its owner so long after its node was written off: as long as after any other loss.
    pub grace: Duration,
    /// What the dead left is looked for so often, while there are any.
    pub sweep: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            own: seconds(12),
            lease: seconds(15),
            renew: seconds(4),
            retry: Duration::from_millis(500),
            claim: seconds(8),
            grace: seconds(120),
            sweep: seconds(30),
        }
    }
}
