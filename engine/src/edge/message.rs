//! All that travels on an edge.

use crate::batch::AnyBatch;
use crate::runtime::Instant;
use crate::time::Watermark;

/// What travels on one channel. In the order of sending, it is
///
/// ```text
/// ( Batch | Watermark | Idle | Barrier )*  ( End | Barrier{Stop} )
/// ```
///
/// 1. Watermarks rise.
/// 2. A batch is never empty.
/// 3. Barriers carry rising epochs, the same on every channel of the flow.
/// 4. The end is said. A channel that closes without one means that its sender failed.
#[derive(Debug)]
pub(crate) enum Message {
    /// Records, and when they were sent.
    Batch(AnyBatch, Instant),
    /// Nothing earlier follows.
    Watermark(Watermark),
    /// Nothing comes for now; time need not wait. Ends with the next watermark.
    Idle,
    /// The cut between two epochs.
    Barrier(Barrier),
    /// Nothing follows at all.
    End,
}

/// The cut between two epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Barrier {
    /// The epoch it closes.
    pub(crate) epoch: u64,
    /// What for.
    pub(crate) purpose: Purpose,
}

/// What an epoch is closed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The sinks flush, then the sources commit their positions.
    Commit,
    /// All state is saved besides, and the flow stops where it is.
    Stop,
}
