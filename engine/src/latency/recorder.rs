//! Where tasks note what they measured.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Distribution;
use crate::runtime::Instant;
use crate::time::Timestamp;

/// One series, or nothing if the ledger is off. Clones note into the same series.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder(Option<Arc<Mutex<Distribution>>>);

impl Recorder {
    pub(super) fn on() -> Self {
        Recorder(Some(Arc::default()))
    }

    pub(super) fn record(&self, duration: Duration, records: u64) {
        if let Some(mut series) = self.lock() {
            series.record(duration, records);
        }
    }

    /// What was noted so far.
    pub(super) fn snapshot(&self) -> Distribution {
        self.lock().map(|series| series.clone()).unwrap_or_default()
    }

    /// Held by the recording task or, while it copies, by a report.
    fn lock(&self) -> Option<MutexGuard<'_, Distribution>> {
        let series = self.0.as_ref()?;
        Some(series.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where one replica of a stage notes how long records waited for it and how long it worked on them.
#[derive(Clone, Debug, Default)]
pub struct StageLatency {
    pub(super) queue_wait: Recorder,
    pub(super) service: Recorder,
    pub(super) held: Recorder,
}

impl StageLatency {
    /// Notes a batch of `records`: it lay `queue_wait` in the queue (`None` for a source, which has none)
    /// and was worked on for `service`.
    ///
    /// Both count once for each record of the batch: a record waits as long as its batch, and leaves
    /// when the batch does. So the stages of a path add up to what its records experienced, and an
    /// idle stage's many small batches do not drown the few large ones under load.
    pub fn record(&self, queue_wait: Option<Duration>, service: Duration, records: u64) {
        if let Some(queue_wait) = queue_wait {
            self.queue_wait.record(queue_wait, records);
        }
        self.service.record(service, records);
    }

    /// Notes `records` that were worked on asynchronously: `service` from being taken in to their answer.
    pub fn answered(&self, service: Duration, records: u64) {
        self.service.record(service, records);
    }

    /// Notes the wait of `records` whose service is noted when they are [`answered`](StageLatency::answered).
    pub fn waited(&self, queue_wait: Duration, records: u64) {
        self.queue_wait.record(queue_wait, records);
    }

    /// Notes `records` that were held back by design for so long: by a window (or a join), from their arrival to the
    /// arrival of the watermark that completed it; by a delay or a throttle, until they could go on.
    pub fn held(&self, held: Duration, records: u64) {
        self.held.record(held, records);
    }
}

/// Where one replica of a sink notes how long records took to get there.
#[derive(Clone, Debug, Default)]
pub struct SinkLatency {
    pub(super) handed_over: Recorder,
    pub(super) event_time: Recorder,
}

impl SinkLatency {
    /// Notes that `records` that arrived at `arrival` (the oldest of them) were handed over at `now`.
    pub fn handed_over(&self, arrival: Instant, now: Instant, records: u64) {
        self.handed_over.record(now.since(arrival), records);
    }

    /// Notes how old these events were when they were handed over, at `wall` of the wall clock. Those
    /// from the future count as of now.
    ///
    /// Only where there is event time. Neighbours with one timestamp, as the results of a window are, cost one
    /// note (3 ns); a replay of old data shows the data's age.
    pub fn event_time(&self, wall: Timestamp, times: impl IntoIterator<Item = Timestamp>) {
        let Some(mut series) = self.event_time.lock() else {
            return;
        };
        let mut run: Option<(Timestamp, u64)> = None;
        for time in times {
            match &mut run {
                Some((of, records)) if *of == time => *records += 1,
                _ => {
                    if let Some((of, records)) = run.replace((time, 1)) {
                        series.record(wall.since(of), records);
                    }
                }
            }
        }
        if let Some((of, records)) = run {
            series.record(wall.since(of), records);
        }
    }
}

/// Where a sink's writer notes how long records took from their arrival to the outside's acknowledgement.
///
/// Clones note into the same series. The default notes nothing.
#[derive(Clone, Debug, Default)]
pub struct AckLatency(pub(super) Recorder);

impl AckLatency {
    /// Notes that `records` that arrived at `arrival` were acknowledged at `now`.
    pub fn record(&self, arrival: Instant, now: Instant, records: u64) {
        self.0.record(now.since(arrival), records);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_neighbours_are_one_sample() {
        let sink = SinkLatency {
            event_time: Recorder::on(),
            ..SinkLatency::default()
        };
        let wall = Timestamp::from_secs(100);
        sink.event_time(wall, [90, 90, 90, 40, 90, 200].map(Timestamp::from_secs));
        sink.event_time(wall, []);
        let noted = sink.event_time.snapshot();
        assert_eq!((noted.count(), noted.samples()), (6, 4));
        assert!(noted.max() >= Duration::from_secs(60));
        assert_eq!(noted.percentile(0.0), Some(Duration::ZERO));
    }
}
