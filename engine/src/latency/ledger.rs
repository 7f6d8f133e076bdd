//! The ledger: hands out recorders, and merges what they noted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::hiccups::HiccupMeter;
use super::recorder::{AckLatency, Recorder, SinkLatency, StageLatency};
use super::report::{LatencyReport, Measure, Series};
use crate::runtime::{self, Instant};
use crate::time::Timestamp;

/// What the ledger measures. The default is everything.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LatencySettings {
    /// Whether it measures at all.
    pub enabled: bool,
    /// Whether a thread measures the machine's own hiccups. There is none in a simulation.
    pub hiccups: bool,
}

impl Default for LatencySettings {
    fn default() -> Self {
        LatencySettings {
            enabled: true,
            hiccups: true,
        }
    }
}

impl LatencySettings {
    /// Nothing is measured.
    pub fn off() -> Self {
        LatencySettings {
            enabled: false,
            hiccups: false,
        }
    }

    /// With or without the thread that measures the machine's hiccups.
    pub fn with_hiccups(mut self, hiccups: bool) -> Self {
        self.hiccups = hiccups;
        self
    }
}

/// All latency series of a running flow. Clones share them.
///
/// ```
/// use millstream_engine::latency::{LatencySettings, Ledger, Measure};
/// use millstream_engine::runtime::now;
///
/// let ledger = Ledger::new(LatencySettings::default());
/// let sink = ledger.sink("out", 0); // one per task
/// let arrival = now();
/// // ... the batch makes its way ...
/// sink.handed_over(arrival, now(), 256);
///
/// let report = ledger.report(); // at any time, as often as you like
/// assert_eq!(report.of("out", Measure::HandedOver).unwrap().count(), 256);
/// println!("{report}");
/// ```
#[derive(Clone, Debug)]
pub struct Ledger(Option<Arc<Book>>);

#[derive(Debug)]
struct Book {
    started: (Instant, Timestamp),
    entries: Mutex<Vec<Entry>>,
    running: Mutex<Running>,
}

#[derive(Debug)]
enum Running {
    /// Until [`Ledger::finish`]; the meter runs as long as it is held.
    Yes { _hiccups: Option<HiccupMeter> },
    /// Since then the ledger's time stands still.
    Until(Instant),
}

#[derive(Debug)]
struct Entry {
    vertex: Arc<str>,
    measure: Measure,
    replica: usize,
    noted: Recorder,
}

impl Ledger {
    /// A ledger whose time starts now.
    pub fn new(settings: LatencySettings) -> Self {
        if !settings.enabled {
            return Ledger::off();
        }
        let book = Book {
            started: (runtime::now(), runtime::wall()),
            entries: Mutex::default(),
            running: Mutex::new(Running::Yes { _hiccups: None }),
        };
        if settings.hiccups {
            let noted = book.recorder("", Measure::Hiccup, 0);
            *lock(&book.running) = Running::Yes {
                _hiccups: HiccupMeter::start(noted),
            };
        }
        Ledger(Some(Arc::new(book)))
    }

    /// A ledger that measures nothing.
    pub fn off() -> Self {
        Ledger(None)
    }

    /// Where replica `replica` of this vertex notes waiting and work.
    pub fn stage(&self, vertex: &str, replica: usize) -> StageLatency {
        StageLatency {
            queue_wait: self.recorder(vertex, Measure::QueueWait, replica),
            service: self.recorder(vertex, Measure::Service, replica),
            held: self.recorder(vertex, Measure::Held, replica),
        }
    }

    /// Where replica `replica` of this sink notes how long records took to get there.
    pub fn sink(&self, vertex: &str, replica: usize) -> SinkLatency {
        SinkLatency {
            handed_over: self.recorder(vertex, Measure::HandedOver, replica),
            event_time: self.recorder(vertex, Measure::EventTime, replica),
        }
    }

    /// Where all writers of this sink note acknowledgements: for `SinkSetup`, before there are replicas.
    pub fn acknowledged(&self, vertex: &str) -> AckLatency {
        AckLatency(self.recorder(vertex, Measure::Acknowledged, 0))
    }

    /// What was noted so far, replicas merged. Each series is held up for some tens of microseconds while
    /// it is copied.
    pub fn report(&self) -> LatencyReport {
        let Some(book) = &self.0 else {
            return LatencyReport::default();
        };
        let (start, started) = book.started;
        let end = match *lock(&book.running) {
            Running::Yes { .. } => runtime::now(),
            Running::Until(end) => end,
        };
        let mut series: Vec<Series> = Vec::new();
        for entry in lock(&book.entries).iter() {
            let noted = entry.noted.snapshot();
            let known = series
                .iter_mut()
                .find(|known| known.vertex == entry.vertex && known.measure == entry.measure);
            match known {
                _ if noted.is_empty() => {}
                Some(known) => known.add(entry.replica, noted),
                None => series.push(Series::new(
                    entry.vertex.clone(),
                    entry.measure,
                    entry.replica,
                    noted,
                )),
            }
        }
        LatencyReport::new(started, end.since(start), series)
    }

    /// The flow has ended: stops measuring the machine and lets the ledger's time stand still. Dropping the last
    /// clone of the ledger does as much.
    pub fn finish(&self) {
        if let Some(book) = &self.0 {
            let mut running = lock(&book.running);
            if let Running::Yes { .. } = *running {
                *running = Running::Until(runtime::now());
            }
        }
    }

    fn recorder(&self, vertex: &str, measure: Measure, replica: usize) -> Recorder {
        match &self.0 {
            Some(book) => book.recorder(vertex, measure, replica),
            None => Recorder::default(),
        }
    }
}

impl Book {
    /// The recorder of this series, the same one whenever it is asked for.
    fn recorder(&self, vertex: &str, measure: Measure, replica: usize) -> Recorder {
        let mut entries = lock(&self.entries);
        let known = entries.iter().find(|known| {
            *known.vertex == *vertex && known.measure == measure && known.replica == replica
        });
        if let Some(known) = known {
            return known.noted.clone();
        }
        let noted = Recorder::on();
        entries.push(Entry {
            vertex: vertex.into(),
            measure,
            replica,
            noted: noted.clone(),
        });
        noted
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Distribution;
    use super::*;

    fn note_everywhere(ledger: &Ledger) {
        let ms = Duration::from_millis;
        let at = |n| Instant::from_nanos(0) + ms(n);
        for replica in 0..2 {
            let stage = ledger.stage("delays", replica);
            stage.record(Some(ms(1)), ms(2), 10);
            stage.held(at(3) - at(0), 10);
            let sink = ledger.sink("out", replica);
            sink.handed_over(at(0), at(4 + replica as u64), 10);
            sink.event_time(Timestamp::from_millis(20), [Timestamp::from_millis(15)]);
        }
        ledger.acknowledged("out").record(at(0), at(6), 20);
    }

    #[test]
    fn replicas_are_merged_and_still_there() {
        let ledger = Ledger::new(LatencySettings::default().with_hiccups(false));
        note_everywhere(&ledger);
        let report = ledger.report();
        let counts: Vec<_> = report
            .series
            .iter()
            .map(|series| (&*series.vertex, series.measure, series.merged.count()))
            .collect();
        assert_eq!(
            counts,
            [
                ("out", Measure::HandedOver, 20),
                ("out", Measure::EventTime, 2),
                ("out", Measure::Acknowledged, 20),
                ("delays", Measure::QueueWait, 20),
                ("delays", Measure::Service, 20),
                ("delays", Measure::Held, 20),
            ]
        );
        let handed_over = &report.series[0].replicas;
        assert_eq!(handed_over.len(), 2);
        assert_eq!(handed_over[1].1.count(), 10);
        assert!(handed_over[0].1.max() < handed_over[1].1.max());
    }

    #[test]
    fn off_measures_nothing() {
        for ledger in [Ledger::off(), Ledger::new(LatencySettings::off())] {
            note_everywhere(&ledger);
            ledger.finish();
            let report = ledger.report();
            assert!(report.series.is_empty());
            assert_eq!(report.elapsed, Duration::ZERO);
        }
    }

    #[test]
    fn the_same_name_is_the_same_series() {
        let ledger = Ledger::new(LatencySettings::default().with_hiccups(false));
        note_everywhere(&ledger);
        note_everywhere(&ledger.clone());
        let report = ledger.report();
        let service = report.of("delays", Measure::Service);
        assert_eq!(service.map(Distribution::count), Some(40));
        assert!(report.of("delays", Measure::HandedOver).is_none());
    }

    #[test]
    fn time_is_virtual_in_a_simulation_and_stands_still_at_the_end() {
        let hour = Duration::from_secs(3_600);
        let report = runtime::simulate(7, async move {
            let ledger = Ledger::new(LatencySettings::default());
            let arrival = runtime::now();
            runtime::sleep(hour).await;
            let sink = ledger.sink("out", 0);
            sink.handed_over(arrival, runtime::now(), 1);
            ledger.finish();
            runtime::sleep(hour).await;
            ledger.finish();
            ledger.report()
        })
        .unwrap();
        assert!(report.elapsed >= hour && report.elapsed < 2 * hour);
        let handed_over = report.of("out", Measure::HandedOver).unwrap();
        assert!(handed_over.max() >= hour);
        assert!(report.hiccups().is_none(), "no thread in a simulation");
    }
}
