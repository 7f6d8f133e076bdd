//! Inputs and outputs of an operator under test: text on this side, typed batches on its.

use crate::batch::{AnyBatch, Batch, PartitionId, Record};
use crate::error::Result;
use crate::key::KeyHash;
use crate::outbox::{AnyPort, PortMaker};
use crate::runtime::Instant;
use crate::time::Timestamp;

/// A record as a script has it.
pub(super) type Written = (String, Timestamp);

/// Deals records out to `parallelism` replicas and makes a batch for each; `None` for those who get nothing.
type Deal = dyn Fn(&[Written], &Dealing) -> Vec<Option<AnyBatch>>;

pub(super) struct Input {
    deal: Box<Deal>,
    is_keyed: bool,
}

/// To how many replicas, over how many shards, records are dealt, and the stamps of their batches.
pub(super) struct Dealing {
    pub(super) parallelism: usize,
    pub(super) shards: u32,
    pub(super) arrival: Instant,
    pub(super) partition: PartitionId,
}

impl Input {
    pub(super) fn new<T: Send + 'static>(
        read: impl Fn(&str) -> T + 'static,
        hash: Option<fn(&T) -> KeyHash>,
    ) -> Self {
        let deal = move |records: &[Written], dealing: &Dealing| {
            let mut batches: Vec<Batch<T>> = (0..dealing.parallelism)
                .map(|_| Batch::new(dealing.arrival))
                .collect();
            for (text, time) in records {
                let value = read(text);
                let owner = hash.map_or(0, |hash| {
                    hash(&value)
                        .shard(dealing.shards)
                        .owner(dealing.shards, dealing.parallelism)
                });
                if let Some(batch) = batches.get_mut(owner) {
                    batch.partition = dealing.partition;
                    batch.records.push(Record { time: *time, value });
                }
            }
            let full = |batch: Batch<T>| (!batch.records.is_empty()).then(|| AnyBatch::new(batch));
            batches.into_iter().map(full).collect()
        };
        Input {
            deal: Box::new(deal),
            is_keyed: hash.is_some(),
        }
    }

    pub(super) fn is_keyed(&self) -> bool {
        self.is_keyed
    }

    pub(super) fn deal(&self, records: &[Written], dealing: &Dealing) -> Vec<Option<AnyBatch>> {
        (self.deal)(records, dealing)
    }
}

pub(super) struct Output {
    port: PortMaker,
    show: Box<dyn Fn(&mut AnyBatch) -> Result<Vec<Written>>>,
}

impl Output {
    pub(super) fn new<U: Send + 'static>(show: impl Fn(&U) -> String + 'static) -> Self {
        let show = move |batch: &mut AnyBatch| {
            let records = batch.of::<U>()?.records.iter();
            Ok(records
                .map(|record| (show(&record.value), record.time))
                .collect())
        };
        Output {
            port: PortMaker::moving::<U>(),
            show: Box::new(show),
        }
    }

    pub(super) fn port(&self) -> Box<dyn AnyPort> {
        self.port.make_single()
    }

    pub(super) fn show(&self, batch: &mut AnyBatch) -> Result<Vec<Written>> {
        (self.show)(batch)
    }
}
