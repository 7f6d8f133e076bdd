//! Sources, sinks and operators for tests of whole flows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bad_record::BadRecord;
use crate::batch::{AnyBatch, Batch, PartitionId};
use crate::error::{Error, ErrorKind, Result};
use crate::key::{KeyHash, Keyed};
use crate::operator::{Operator, Step};
use crate::outbox::Outbox;
use crate::runtime::{self, Instant};
use crate::sink::{Sink, SinkSetup, SinkWriter};
use crate::source::{Intake, Position, Read, Replay, Source, SourceReader, SourceSetup};
use crate::state::{StateReader, StateWriter};

/// Numbers 0..count, shared among its readers, slow if asked; positions can be restored by any number.
pub(super) struct Numbers {
    pub(super) count: u64,
    pub(super) pause: Duration,
    pub(super) committed: Arc<AtomicU64>,
    pub(super) bad_at: Option<u64>,
}

pub(super) struct NumbersReader {
    next: u64,
    step: u64,
    /// When the next are due: a read that was given up is not begun anew.
    due: Option<Instant>,
    config: Numbers,
}

impl Clone for Numbers {
    fn clone(&self) -> Self {
        Numbers {
            committed: self.committed.clone(),
            ..*self
        }
    }
}

pub(super) fn numbers(count: u64) -> Numbers {
    Numbers {
        count,
        pause: Duration::ZERO,
        committed: Arc::default(),
        bad_at: None,
    }
}

impl Source for Numbers {
    type Out = u64;
    type Reader = NumbersReader;
    fn max_parallelism(&self) -> usize {
        8
    }
    fn is_bounded(&self) -> bool {
        true
    }
    fn replay(&self) -> Replay {
        Replay::FromPosition
    }
    fn commits(&self) -> bool {
        true
    }
    async fn open(self, setup: SourceSetup) -> Result<Vec<NumbersReader>> {
        // A split is a residue class modulo 8; each reader takes some of them, one after the other.
        let saved: BTreeMap<u64, u64> = setup
            .positions
            .unwrap_or_default()
            .into_iter()
            .map(|p| {
                (
                    p.split.parse().unwrap(),
                    String::from_utf8(p.state).unwrap().parse().unwrap(),
                )
            })
            .collect();
        assert!(saved.len() <= 1, "one reader in these tests");
        let next = saved.get(&0).copied().unwrap_or(0);
        Ok(vec![NumbersReader {
            next,
            step: 7,
            due: None,
            config: self,
        }])
    }
}

impl SourceReader for NumbersReader {
    type Out = u64;
    async fn read(&mut self, intake: &mut Intake<u64>) -> Result<Read> {
        let (now, pause) = (runtime::now(), self.config.pause);
        let due = *self.due.get_or_insert(now + pause);
        if due > now {
            runtime::sleep(due - now).await;
        }
        self.due = None;
        if self.next >= self.config.count {
            return Ok(Read::End);
        }
        intake.begin(PartitionId::ONLY, runtime::now());
        let end = (self.next + self.step).min(self.config.count);
        for n in self.next..end {
            if self.config.bad_at == Some(n) {
                let (position, payload) = (format!("number {n}"), n.to_string());
                intake.bad(BadRecord::new(
                    "numbers",
                    position,
                    payload.as_bytes(),
                    "unlucky",
                ));
            } else {
                intake.push(n);
            }
        }
        self.next = end;
        Ok(Read::More)
    }
    fn positions(&self) -> Vec<Position> {
        vec![Position {
            split: "0".into(),
            state: self.next.to_string().into_bytes(),
        }]
    }
    fn committed(&mut self, positions: &[Position]) -> Result<()> {
        let next: u64 = String::from_utf8(positions[0].state.clone())
            .unwrap()
            .parse()
            .unwrap();
        self.config.committed.fetch_max(next, Ordering::Relaxed);
        Ok(())
    }
}

/// Collects; can be told to be slow, or to say after some records that nobody listens.
pub(super) struct Collect<T> {
    pub(super) into: Arc<Mutex<Vec<T>>>,
    pub(super) pause: Duration,
    pub(super) closes_after: Option<usize>,
}

impl<T> Clone for Collect<T> {
    fn clone(&self) -> Self {
        Collect {
            into: self.into.clone(),
            ..*self
        }
    }
}

pub(super) fn collect<T>() -> Collect<T> {
    Collect {
        into: Arc::default(),
        pause: Duration::ZERO,
        closes_after: None,
    }
}

impl<T: Send + 'static> Sink for Collect<T> {
    type In = T;
    type Writer = Collect<T>;
    fn max_parallelism(&self) -> usize {
        usize::MAX
    }
    async fn open(self, setup: SinkSetup) -> Result<Vec<Collect<T>>> {
        Ok(vec![self; setup.parallelism])
    }
}

impl<T: Send + 'static> SinkWriter for Collect<T> {
    type In = T;
    async fn write(&mut self, batch: &mut Batch<T>, _bad: &mut Vec<BadRecord>) -> Result<()> {
        if !self.pause.is_zero() {
            runtime::sleep(self.pause).await;
        }
        let mut into = self.into.lock().unwrap();
        assert!(!batch.records.is_empty(), "an empty batch is never sent");
        into.extend(batch.records.drain(..).map(|record| record.value));
        if self.closes_after.is_some_and(|after| into.len() >= after) {
            return Err(Error::new(ErrorKind::Closed, "the reader has gone"));
        }
        Ok(())
    }
    async fn hand_over(&mut self) -> Result<()> {
        Ok(())
    }
    async fn flush(&mut self, _bad: &mut Vec<BadRecord>) -> Result<()> {
        Ok(())
    }
}

/// Keys numbers by their remainder.
pub(super) struct KeyByRemainder(pub(super) u64);

impl Operator for KeyByRemainder {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let port = out.port::<Keyed<u64, u64>>(0)?;
        for record in batch.of::<u64>()?.records.drain(..) {
            let keyed = Keyed::new(record.value % self.0, record.value);
            port.push_keyed(keyed.hash, keyed, record.time);
        }
        Ok(())
    }
}

/// Sums by key; says the sums at the end, a few at a time.
#[derive(Default)]
pub(super) struct Sum {
    pub(super) sums: BTreeMap<u64, u64>,
    pub(super) fails_at: Option<u64>,
    pub(super) panics_at: Option<u64>,
}

impl Operator for Sum {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, _out: &mut Outbox) -> Result<()> {
        for record in batch.of::<Keyed<u64, u64>>()?.records.drain(..) {
            let Keyed { key, value, .. } = record.value;
            if self.fails_at == Some(value) {
                return Err(Error::user("cannot add that"));
            }
            assert!(self.panics_at != Some(value), "panics on purpose");
            *self.sums.entry(key).or_default() += value;
        }
        Ok(())
    }
    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        let port = out.port::<(u64, u64)>(0)?;
        for _ in 0..3 {
            let Some(sum) = self.sums.pop_first() else {
                return Ok(Step::Done);
            };
            port.push(sum, crate::time::Timestamp::EPOCH);
        }
        Ok(Step::More)
    }
    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.sums
            .iter()
            .try_for_each(|(key, sum)| state.put(KeyHash::of(key), &(key, sum)))
    }
    fn restore(&mut self, state: &StateReader) -> Result<()> {
        for entry in state.values::<(u64, u64)>() {
            let (key, sum) = entry?;
            self.sums.insert(key, sum);
        }
        Ok(())
    }
}
