//! When which record is due.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use millstream_engine::runtime::{self, Instant};

/// The timetable of all replicas of a generator.
#[derive(Clone)]
pub(super) struct Schedule {
    /// When the first record was due: at the first reading by any replica, so that the time the flow
    /// takes to open is nobody's latency.
    start: Arc<OnceLock<Instant>>,
    /// The first record since this start.
    first: u64,
    /// Records per second.
    rate: f64,
    /// How many indices behind the next one a replica's tick ends.
    tick: u64,
}

impl Schedule {
    pub(super) fn new(rate: f64, first: u64, per_tick: usize, parallelism: usize) -> Self {
        Schedule {
            start: Arc::default(),
            first,
            rate,
            tick: (per_tick.saturating_sub(1) * parallelism) as u64,
        }
    }

    fn start(&self) -> Instant {
        *self.start.get_or_init(runtime::now)
    }

    /// When this record is due.
    pub(super) fn due(&self, index: u64) -> Instant {
        let since_first = index.saturating_sub(self.first) as f64;
        self.start() + Duration::from_nanos((since_first * 1e9 / self.rate) as u64)
    }

    /// The record that ends the tick which `index` begins, in a sequence of `end` records.
    pub(super) fn last_of_tick(&self, index: u64, end: u64) -> u64 {
        let last = end.saturating_sub(1);
        index.saturating_add(self.tick).min(last).max(index)
    }

    /// Everything below this index is due at `now`.
    pub(super) fn due_before(&self, now: Instant) -> u64 {
        let since_start = (now - self.start()).as_nanos() as f64;
        let due = (since_start * self.rate / 1e9) as u64;
        self.first.saturating_add(due).saturating_add(1)
    }
}
