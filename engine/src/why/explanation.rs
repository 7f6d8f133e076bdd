//! What one operator tells.

use std::time::Duration;

use super::{PartitionTime, Until, Wait};
use crate::runtime::Instant;
use crate::time::Timestamp;

/// What an operator tells of event time; see [`Operator::explain`](crate::operator::Operator::explain), and the
/// [module](super) for its vocabulary.
#[derive(Debug)]
pub struct Explanation {
    now: Instant,
    pub(crate) waits: Vec<Wait>,
    pub(crate) partitions: Vec<PartitionTime>,
}

impl Explanation {
    /// Told at this moment. (The engine makes them; so do tests of an operator.)
    pub fn new(now: Instant) -> Self {
        Explanation {
            now,
            waits: Vec::new(),
            partitions: Vec::new(),
        }
    }

    /// Something waits. What is the next to speak, or holds the watermark back, is told first.
    pub fn waits(&mut self, wait: Wait) {
        self.waits.push(wait);
    }

    /// `what` waits until the watermark has come to `until`.
    pub fn waits_for(&mut self, until: Timestamp, what: impl Into<String>) {
        self.waits(Wait::new(what, Until::Watermark(until)));
    }

    /// `what` waits until this input has ended. (The engine knows whose it is.)
    pub fn waits_for_end_of(&mut self, input: usize, what: impl Into<String>) {
        let from = Vec::new();
        self.waits(Wait::new(what, Until::InputEnd { input, from }));
    }

    /// How long ago that was.
    pub fn age_of(&self, since: Instant) -> Duration {
        self.now - since
    }

    /// The operator makes time, among others of a partition of this name that stands for `watermark`; `last` is the
    /// time of its latest record, and when its last one arrived.
    pub fn partition(
        &mut self,
        name: &str,
        watermark: Option<Timestamp>,
        last: (Option<Timestamp>, Option<Instant>),
        is_idle: bool,
    ) {
        let (last_record, arrival) = last;
        self.partitions.push(PartitionTime {
            name: name.to_owned(),
            watermark,
            last_record,
            age: arrival.map(|arrival| self.now - arrival),
            is_idle,
        });
    }

    /// What was told to wait, for a test of an operator.
    pub fn told(&self) -> &[Wait] {
        &self.waits
    }
}
