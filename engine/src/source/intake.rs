//! Where a reader leaves what it has read.

use super::PartitionNews;
use crate::bad_record::BadRecord;
use crate::batch::{PartitionId, Record};
use crate::outbox::full_batch;
use crate::runtime::{self, Instant};
use crate::time::Timestamp;

/// What a reader takes in with one call: records of one partition, bad records, and news of its partitions.
#[derive(Debug)]
pub struct Intake<T> {
    pub(crate) records: Vec<Record<T>>,
    pub(crate) bad: Vec<BadRecord>,
    pub(crate) partitions: Vec<PartitionNews>,
    pub(crate) partition: PartitionId,
    pub(crate) arrival: Option<Instant>,
    pub(crate) taken_at: Timestamp,
}

impl<T> Intake<T> {
    /// About how many records one call should take in.
    pub const ROOM: usize = 512;

    /// An empty one, as tests of a reader need it.
    pub fn new() -> Self {
        Intake {
            records: Vec::new(),
            bad: Vec::new(),
            partitions: Vec::new(),
            partition: PartitionId::ONLY,
            arrival: None,
            taken_at: Timestamp::EPOCH,
        }
    }

    /// Starts a batch: all records come from `partition` and arrived at `arrival`.
    ///
    /// A reader with a single partition uses `PartitionId::ONLY` and need not announce it.
    pub fn begin(&mut self, partition: PartitionId, arrival: Instant) {
        (self.partition, self.arrival) = (partition, Some(arrival));
        self.taken_at = runtime::wall();
        if self.records.capacity() == 0 {
            // The batch before has left with its memory. Growing step by step would copy all records.
            self.records.reserve(full_batch::<T>().min(Self::ROOM));
        }
    }

    /// Takes in a record.
    #[inline]
    pub fn push(&mut self, value: T) {
        self.records.push(Record {
            time: self.taken_at,
            value,
        });
    }

    /// Tells of a record that could not be decoded.
    pub fn bad(&mut self, record: BadRecord) {
        self.bad.push(record);
    }

    /// Tells that this reader has `partition` from now on (or has it no more).
    pub fn partition(&mut self, news: PartitionNews) {
        self.partitions.push(news);
    }

    /// How many records and bad records there are.
    pub fn len(&self) -> usize {
        self.records.len() + self.bad.len()
    }

    /// Whether there is nothing, not even news of a partition.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.bad.is_empty() && self.partitions.is_empty()
    }

    /// Whether enough is in it for one batch.
    pub fn is_full(&self) -> bool {
        self.len() >= Self::ROOM
    }

    /// When the oldest record arrived, for a test of a reader.
    pub fn arrival(&self) -> Option<Instant> {
        self.arrival
    }

    /// Takes the records out, for a test of a reader.
    pub fn take_values(&mut self) -> Vec<T> {
        self.records.drain(..).map(|record| record.value).collect()
    }

    /// Takes the news of partitions out, for a test of a reader.
    pub fn take_news(&mut self) -> Vec<PartitionNews> {
        std::mem::take(&mut self.partitions)
    }

    /// Takes the bad records out, for a test of a reader.
    pub fn take_bad(&mut self) -> Vec<BadRecord> {
        std::mem::take(&mut self.bad)
    }
}

impl<T> Default for Intake<T> {
    fn default() -> Self {
        Intake::new()
    }
}
