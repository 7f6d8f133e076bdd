//! What is kept of a key: the latest of each side, and what the watermark has not passed.

use millstream_engine::state::State;
use serde::{Deserialize, Serialize};

use crate::process::{Clocks, Expiry, KeyState, Ttl, ValueState};
use crate::shape::by_time::ByTime;

/// One side of a key.
#[derive(Serialize, Deserialize)]
pub(super) struct Side<T> {
    pub(super) latest: ValueState<T>,
    pub(super) waiting: ByTime<T>,
}

/// Both sides of a key.
#[derive(Serialize, Deserialize)]
pub(super) struct Both<L, R> {
    pub(super) left: Side<L>,
    pub(super) right: Side<R>,
}

impl<L, R> Both<L, R> {
    pub(super) fn with_ttl(ttl: Ttl) -> Self {
        let (left, right) = (Side::with_ttl(ttl), Side::with_ttl(ttl));
        Both { left, right }
    }
}

impl<L, R> Default for Both<L, R> {
    fn default() -> Self {
        Both::with_ttl(Ttl::default())
    }
}

impl<T> Side<T> {
    fn with_ttl(ttl: Ttl) -> Self {
        Side {
            latest: ValueState::with_ttl(ttl),
            waiting: ByTime::default(),
        }
    }
}

impl<T: State> Side<T> {
    fn is_empty(&self) -> bool {
        self.latest.is_empty() && self.waiting.is_empty()
    }
}

impl<L: State, R: State> KeyState for Both<L, R> {
    fn is_empty(&self) -> bool {
        self.left.is_empty() && self.right.is_empty()
    }

    fn expire(&mut self, clocks: &Clocks) {
        self.left.latest.expire(clocks);
        self.right.latest.expire(clocks);
    }

    fn next_expiry(&self) -> Expiry {
        let right = self.right.latest.next_expiry();
        self.left.latest.next_expiry().or(right)
    }

    fn adopt(&mut self, fresh: &Self) {
        self.left.latest.adopt(&fresh.left.latest);
        self.right.latest.adopt(&fresh.right.latest);
    }
}
