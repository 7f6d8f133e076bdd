//! What the ledger says: series by vertex and measure.

use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Distribution;
use crate::time::Timestamp;

/// What a series measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Measure {
    /// A sink: from arrival in this process to being handed over to the outside, but for the time it was held by design
    /// in between (in a window, a delay, a throttle): that is in [`Held`](Measure::Held) alone.
    HandedOver,
    /// A sink: from arrival in this process to the outside's acknowledgement, again but for the time
    /// it was held by design.
    Acknowledged,
    /// A sink: from the event, by its own timestamp, to being handed over.
    EventTime,
    /// A stage: how long records lay in its queue.
    QueueWait,
    /// A stage: how long it worked on the batch they came with.
    Service,
    /// A stage: how long it held records back by design: until the watermark that completed their window, until a batch
    /// was full or its time over, until a delay or a throttle let them go on.
    Held,
    /// The machine: how much a thread that only sleeps overslept.
    Hiccup,
}

impl Measure {
    /// In words, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Measure::HandedOver => "arrival → handed over",
            Measure::Acknowledged => "arrival → acknowledged",
            Measure::EventTime => "event → handed over",
            Measure::QueueWait => "queue wait",
            Measure::Service => "service",
            Measure::Held => "held by design",
            Measure::Hiccup => "hiccups",
        }
    }

    /// For machines: the name in JSON and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Measure::HandedOver => "handed_over",
            Measure::Acknowledged => "acknowledged",
            Measure::EventTime => "event_time",
            Measure::QueueWait => "queue_wait",
            Measure::Service => "service",
            Measure::Held => "held",
            Measure::Hiccup => "hiccup",
        }
    }

    /// Whether it is a figure of a sink, thus of the way through the whole flow.
    pub const fn is_end_to_end(self) -> bool {
        matches!(
            self,
            Measure::HandedOver | Measure::Acknowledged | Measure::EventTime
        )
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One measure of one vertex. Serializes with its figures in nanoseconds.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Series {
    /// The vertex's name; empty for the machine.
    pub vertex: Arc<str>,
    /// What is measured.
    pub measure: Measure,
    /// All replicas together.
    #[serde(flatten)]
    pub merged: Distribution,
    /// Each replica that noted something, by its number.
    #[serde(skip)]
    pub replicas: Vec<(usize, Distribution)>,
}

impl Series {
    pub(super) fn new(
        vertex: Arc<str>,
        measure: Measure,
        replica: usize,
        noted: Distribution,
    ) -> Self {
        Series {
            vertex,
            measure,
            merged: noted.clone(),
            replicas: vec![(replica, noted)],
        }
    }

    pub(super) fn add(&mut self, replica: usize, noted: Distribution) {
        self.merged.merge(&noted);
        self.replicas.push((replica, noted));
    }
}

/// Latency as it stood at one moment, since the flow's start.
///
/// Series in which nothing was noted are left out. Prints itself as a table; serializes with its
/// figures in nanoseconds.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct LatencyReport {
    /// When the ledger began, on the wall clock.
    pub started: Timestamp,
    /// How long it had been measuring.
    #[serde(rename = "elapsed_s", serialize_with = "seconds")]
    pub elapsed: Duration,
    /// Sinks first, then stages, then the machine; each in the order of the flow.
    pub series: Vec<Series>,
}

impl LatencyReport {
    pub(super) fn new(started: Timestamp, elapsed: Duration, mut series: Vec<Series>) -> Self {
        series.sort_by_key(|series| match series.measure {
            Measure::Hiccup => 2,
            measure if measure.is_end_to_end() => 0,
            _ => 1,
        });
        LatencyReport {
            started,
            elapsed,
            series,
        }
    }

    /// This measure of this vertex, replicas merged; `None` if nothing was noted.
    pub fn of(&self, vertex: &str, measure: Measure) -> Option<&Distribution> {
        self.series
            .iter()
            .find(|series| *series.vertex == *vertex && series.measure == measure)
            .map(|series| &series.merged)
    }

    /// The machine's own hiccups; `None` if they were not measured.
    pub fn hiccups(&self) -> Option<&Distribution> {
        self.of("", Measure::Hiccup)
    }
}

fn seconds<S: Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(elapsed.as_secs_f64())
}
