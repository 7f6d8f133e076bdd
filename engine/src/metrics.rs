//! Counters of a running flow: what each vertex took, gave, found late or bad.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use crate::runtime;
use crate::time::Timestamp;

/// The counters of one replica, noted once per batch.
#[derive(Debug)]
pub(crate) struct Counters {
    records_in: AtomicU64,
    records_out: AtomicU64,
    batches_in: AtomicU64,
    late: AtomicU64,
    untimed: AtomicU64,
    ahead: AtomicU64,
    bad: AtomicU64,
    repeats: AtomicU64,
    watermark: AtomicI64,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            records_in: AtomicU64::new(0),
            records_out: AtomicU64::new(0),
            batches_in: AtomicU64::new(0),
            late: AtomicU64::new(0),
            untimed: AtomicU64::new(0),
            ahead: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            repeats: AtomicU64::new(0),
            watermark: AtomicI64::new(NO_WATERMARK),
        }
    }
}

/// Inside this file only: no watermark yet.
const NO_WATERMARK: i64 = i64::MIN;

impl Counters {
    pub(crate) fn took(&self, records: u64) {
        self.records_in.fetch_add(records, Ordering::Relaxed);
        self.batches_in.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn gave(&self, records: u64) {
        self.records_out.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn late(&self, records: u64) {
        if records > 0 {
            self.late.fetch_add(records, Ordering::Relaxed);
        }
    }

    pub(crate) fn untimed(&self, records: u64) {
        if records > 0 {
            self.untimed.fetch_add(records, Ordering::Relaxed);
        }
    }

    /// Says whether these are the first.
    pub(crate) fn ahead(&self, records: u64) -> bool {
        records > 0 && self.ahead.fetch_add(records, Ordering::Relaxed) == 0
    }

    pub(crate) fn bad(&self, records: u64) {
        if records > 0 {
            self.bad.fetch_add(records, Ordering::Relaxed);
        }
    }

    pub(crate) fn repeats(&self, records: u64) {
        if records > 0 {
            self.repeats.fetch_add(records, Ordering::Relaxed);
        }
    }

    pub(crate) fn watermark(&self, time: Timestamp) {
        self.watermark.store(time.as_micros(), Ordering::Relaxed);
    }
}

/// What a vertex has counted so far, all replicas together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VertexMetrics {
    /// Its name.
    pub vertex: String,
    /// Records it took in. (A source: that it read.)
    pub records_in: u64,
    /// Records it gave out, on all outputs.
    pub records_out: u64,
    /// Batches it took in.
    pub batches_in: u64,
    /// Records that came too late for their window.
    pub late: u64,
    /// Records left out because they have no event time.
    pub untimed: u64,
    /// Records whose event time was too far ahead of the wall clock.
    pub ahead: u64,
    /// Records it could not decode or encode, or got no answer for.
    pub bad: u64,
    /// Records it dropped because they repeat one that it let through.
    pub repeats: u64,
    /// How far event time has come: the lowest watermark of its replicas; of a vertex that makes time, its own.
    pub watermark: Option<Timestamp>,
    /// How far the watermark was behind the wall clock when this was read. (Of a replay of old records it is their age.)
    pub watermark_lag: Option<Duration>,
}

/// The counters of all replicas of a flow, read at any time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    vertices: Vec<(Arc<str>, Vec<Arc<Counters>>)>,
}

impl Metrics {
    pub(crate) fn add(&mut self, vertex: &Arc<str>, counters: &Arc<Counters>) {
        match self.vertices.iter_mut().find(|(name, _)| name == vertex) {
            Some((_, replicas)) => replicas.push(counters.clone()),
            None => self.vertices.push((vertex.clone(), vec![counters.clone()])),
        }
    }

    /// How far time had come at a replica when that was noted last.
    pub(crate) fn watermark(&self, vertex: &str, replica: usize) -> Option<Timestamp> {
        let mut vertices = self.vertices.iter();
        let (_, replicas) = vertices.find(|(name, _)| **name == *vertex)?;
        let micros = replicas.get(replica)?.watermark.load(Ordering::Relaxed);
        (micros != NO_WATERMARK).then(|| Timestamp::from_micros(micros))
    }

    pub(crate) fn read(&self) -> Vec<VertexMetrics> {
        let now = runtime::wall();
        self.vertices
            .iter()
            .map(|(vertex, replicas)| {
                let sum = |counter: fn(&Counters) -> &AtomicU64| {
                    replicas
                        .iter()
                        .map(|replica| counter(replica).load(Ordering::Relaxed))
                        .sum()
                };
                let watermarks = replicas
                    .iter()
                    .map(|replica| replica.watermark.load(Ordering::Relaxed));
                let lowest = watermarks.min().filter(|&lowest| lowest != NO_WATERMARK);
                let watermark = lowest.map(Timestamp::from_micros);
                VertexMetrics {
                    vertex: vertex.to_string(),
                    records_in: sum(|c| &c.records_in),
                    records_out: sum(|c| &c.records_out),
                    batches_in: sum(|c| &c.batches_in),
                    late: sum(|c| &c.late),
                    untimed: sum(|c| &c.untimed),
                    ahead: sum(|c| &c.ahead),
                    bad: sum(|c| &c.bad),
                    repeats: sum(|c| &c.repeats),
                    watermark,
                    watermark_lag: watermark.map(|watermark| now.since(watermark)),
                }
            })
            .collect()
    }
}
