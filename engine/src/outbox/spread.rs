//! One edge of a port: picks the receiving replica of each record, and fills the batches for it.

use super::Sealed;
use crate::batch::{AnyBatch, Batch, PartitionId, Record};
use crate::key::KeyHash;
use crate::runtime::Instant;

/// Bytes of records in a full batch. Half of it cost a wake-up of the receiver twice as often: `benches/bids` was
/// 7 to 17 % slower.
const BATCH_BYTES: usize = 32 * 1024;
/// Records in a full batch, at most.
const BATCH_RECORDS: usize = 1024;

/// The receiving replicas of an edge, and how it picks among them.
pub(super) struct Edge<T> {
    pub(super) spread: Spread,
    pub(super) lanes: Vec<Lane<T>>,
}

/// The batch begun for one receiving replica.
pub(super) struct Lane<T> {
    pub(super) records: Vec<Record<T>>,
    pub(super) arrival: Instant,
}

/// How an edge picks the receiving replica of a record.
#[derive(Clone, Debug)]
pub(crate) enum Spread {
    /// There is only one.
    Single,
    /// The owner of the key's shard: `owners[shard]`.
    ByKey { owners: Vec<u16> },
    /// One full batch each, in turn.
    InTurn { next: usize },
    /// Every one gets every record.
    ToAll,
}

/// What a port must know of an edge.
#[derive(Clone, Debug)]
pub(crate) struct EdgeShape {
    pub(crate) spread: Spread,
    pub(crate) lanes: usize,
}

impl<T: Send + 'static> Edge<T> {
    pub(super) fn new(shape: &EdgeShape) -> Self {
        let lane = || Lane {
            records: Vec::new(),
            arrival: Instant::from_nanos(0),
        };
        let lanes = std::iter::repeat_with(lane).take(shape.lanes).collect();
        Edge {
            spread: shape.spread.clone(),
            lanes,
        }
    }

    #[inline]
    pub(super) fn push(
        &mut self,
        index: usize,
        hash: KeyHash,
        record: Record<T>,
        arrival: Instant,
        copy: Option<fn(&T) -> T>,
        sealed: &mut Vec<Sealed>,
    ) {
        let lane = match &self.spread {
            Spread::Single => 0,
            Spread::ByKey { owners } => {
                usize::from(owners[hash.shard(owners.len() as u32).0 as usize])
            }
            Spread::InTurn { next } => *next,
            Spread::ToAll => return self.push_to_all(index, record, arrival, copy, sealed),
        };
        if self.lanes[lane].push(record, arrival) {
            self.seal(index, lane, sealed);
        }
    }

    #[cold]
    fn push_to_all(
        &mut self,
        index: usize,
        record: Record<T>,
        arrival: Instant,
        copy: Option<fn(&T) -> T>,
        sealed: &mut Vec<Sealed>,
    ) {
        let last = self.lanes.len() - 1;
        if let Some(copy) = copy {
            for lane in 0..last {
                let copied = Record {
                    time: record.time,
                    value: copy(&record.value),
                };
                if self.lanes[lane].push(copied, arrival) {
                    self.seal(index, lane, sealed);
                }
            }
        }
        if self.lanes[last].push(record, arrival) {
            self.seal(index, last, sealed);
        }
    }

    /// The lane of a key's replica, where records go by key.
    #[inline]
    pub(super) fn lane_of_key(&mut self, hash: KeyHash) -> Option<&mut Lane<T>> {
        let Spread::ByKey { owners } = &self.spread else {
            return None;
        };
        let owner = *owners.get(hash.shard(owners.len() as u32).0 as usize)?;
        self.lanes.get_mut(usize::from(owner))
    }

    /// The lane every record goes to, until its batch is full.
    #[inline]
    pub(super) fn lane_of_all(&self) -> Option<usize> {
        match &self.spread {
            Spread::Single => Some(0),
            Spread::InTurn { next } => Some(*next),
            Spread::ByKey { .. } | Spread::ToAll => None,
        }
    }

    #[inline(never)]
    pub(super) fn seal(&mut self, edge: usize, lane: usize, sealed: &mut Vec<Sealed>) {
        let lanes = self.lanes.len();
        let from = &mut self.lanes[lane];
        if from.records.is_empty() {
            return;
        }
        let records = std::mem::take(&mut from.records);
        let batch = Batch {
            records,
            arrival: from.arrival,
            partition: PartitionId::ONLY,
        };
        sealed.push(Sealed {
            edge,
            lane,
            batch: AnyBatch::new(batch),
        });
        if let Spread::InTurn { next } = &mut self.spread {
            *next = (*next + 1) % lanes;
        }
    }
}

impl<T> Lane<T> {
    /// Records in a full batch.
    pub(super) const CAPACITY: usize = full_batch::<T>();

    /// Whether it holds records, and one more does not make a full batch.
    #[inline]
    pub(super) fn is_filling(&self) -> bool {
        !self.records.is_empty() && self.records.len() + 1 < Self::CAPACITY
    }

    /// Takes a record; says whether that filled the batch.
    #[inline]
    fn push(&mut self, record: Record<T>, arrival: Instant) -> bool {
        if self.records.is_empty() {
            self.start(arrival);
        }
        self.records.push(record);
        self.records.len() >= Self::CAPACITY
    }

    #[cold]
    fn start(&mut self, arrival: Instant) {
        self.arrival = arrival;
        self.records.reserve(Self::CAPACITY);
    }
}

/// How many records make a full batch.
pub(crate) const fn full_batch<T>() -> usize {
    let fit = BATCH_BYTES / size_of::<Record<T>>();
    if fit < 1 {
        1
    } else if fit > BATCH_RECORDS {
        BATCH_RECORDS
    } else {
        fit
    }
}
