//! How long a task may work before it lets others run.

use std::time::Duration;

use crate::runtime::{self, Instant};

/// After so much work without a wait a task yields. (async-std has no budget of its own: a send to a
/// channel with room never yields.)
const BUDGET: Duration = Duration::from_millis(1);

/// While a task is busy, nothing it holds waits longer than this: not for its batch to fill, not to be handed
/// over.
pub(crate) const MAX_AGE: Duration = Duration::from_millis(5);

/// The budget of one task.
pub(crate) struct Budget(Instant);

impl Budget {
    pub(crate) fn new() -> Self {
        Budget(runtime::now())
    }

    /// Yields if the budget is used up.
    pub(crate) async fn spend(&mut self) {
        if runtime::now() - self.0 > BUDGET {
            runtime::yield_now().await;
            self.refill();
        }
    }

    /// The task has waited.
    pub(crate) fn refill(&mut self) {
        self.0 = runtime::now();
    }
}
