//! Records on their way, in batches.

use std::any::Any;

use crate::error::{Error, Result};
use crate::runtime::Instant;
use crate::time::Timestamp;

/// One record: a value and when it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<T> {
    /// Event time. Before `event_time` named one: when the record was taken in.
    pub time: Timestamp,
    /// The user's value.
    pub value: T,
}

/// Records that travel together, in order.
///
/// 1. There is one arrival stamp for all of them: that of the oldest. A batch that is cut or merged
///    keeps the minimum, so latency is never understated.
/// 2. All records come from one partition of the source (in the source's own task) or from one
///    input channel (everywhere else).
#[derive(Clone, Debug)]
pub struct Batch<T> {
    /// The records, in order.
    pub records: Vec<Record<T>>,
    /// When the oldest of them reached this process.
    pub arrival: Instant,
    /// Where they come from.
    pub partition: PartitionId,
}

impl<T> Batch<T> {
    /// An empty batch with this arrival stamp.
    pub fn new(arrival: Instant) -> Self {
        Batch {
            records: Vec::new(),
            arrival,
            partition: PartitionId::ONLY,
        }
    }
}

/// A partition of a source (numbered by its reader), or an input channel of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u32);

impl PartitionId {
    /// Where there is but one; and where there is none, as with what an operator puts out for a watermark or a timer.
    pub const ONLY: PartitionId = PartitionId(0);
}

/// A [`Batch`] whose type only its two ends know: what edges carry.
///
/// Tasks and edges are compiled once, not once per record type; the price is one downcast per batch.
pub struct AnyBatch(Box<dyn Erased>);

trait Erased: Any + Send {
    fn len(&self) -> usize;
    fn arrival(&self) -> Instant;
    fn partition(&self) -> PartitionId;
    fn set_partition(&mut self, partition: PartitionId);
    fn as_any(&mut self) -> &mut dyn Any;
    fn type_name(&self) -> &'static str;
}

impl<T: Send + 'static> Erased for Batch<T> {
    fn len(&self) -> usize {
        self.records.len()
    }
    fn arrival(&self) -> Instant {
        self.arrival
    }
    fn partition(&self) -> PartitionId {
        self.partition
    }
    fn set_partition(&mut self, partition: PartitionId) {
        self.partition = partition;
    }
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }
}

impl AnyBatch {
    /// Forgets the type.
    pub fn new<T: Send + 'static>(batch: Batch<T>) -> Self {
        AnyBatch(Box::new(batch))
    }

    /// The batch with its type again.
    ///
    /// # Errors
    /// It holds other records: the graph was wired wrongly, which the typed `Stream` prevents.
    pub fn of<T: Send + 'static>(&mut self) -> Result<&mut Batch<T>> {
        let held = self.0.type_name();
        self.0.as_any().downcast_mut().ok_or_else(|| {
            let asked = std::any::type_name::<T>();
            Error::internal(format!(
                "an edge carries `{held}` where `{asked}` is expected"
            ))
        })
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none. (On an edge it always holds some.)
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When its oldest record reached this process.
    pub fn arrival(&self) -> Instant {
        self.0.arrival()
    }

    /// Where its records come from.
    pub fn partition(&self) -> PartitionId {
        self.0.partition()
    }

    /// Names where its records come from.
    pub fn set_partition(&mut self, partition: PartitionId) {
        self.0.set_partition(partition);
    }
}

impl std::fmt::Debug for AnyBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} records of {}", self.len(), self.0.type_name())
    }
}
