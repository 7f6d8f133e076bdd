//! What one operator tells.

use super::{PartitionTime, Wait};
use crate::runtime::Instant;
use crate::time::Timestamp;

/// What an operator tells of event time; see [`Operator::explain`](crate::operator::Operator::explain).
#[derive(Debug)]
pub struct Explanation {
    now: Instant,
    pub(crate) waits: Vec<Wait>,
    pub(crate) partitions: Vec<PartitionTime>,
}

impl Explanation {
    /// Told at this moment.
    pub(crate) fn new(now: Instant) -> Self {
        Explanation {
            now,
            waits: Vec::new(),
            partitions: Vec::new(),
        }
    }

    /// `what` (in words: "the window from … to …") waits until the watermark has come to `until`.
    pub fn waits_for(&mut self, until: Timestamp, what: impl Into<String>) {
        let what = what.into();
        self.waits.push(Wait { what, until });
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
}
