//! The standard HdrHistogram log, for the tools of others.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{
    IntervalLogWriterBuilder, IntervalLogWriterError, Tag,
};

use super::report::{LatencyReport, Series};

/// A log of latency histograms over time, in nanoseconds: what `.hlog` files hold.
///
/// Each [`write`](IntervalLog::write) adds, for every series, what was noted since the one before: write
/// once for a whole run, or every second to see how latency developed. The series' tags
/// are `vertex/measure` (`out/handed_over`, `machine/hiccup`), with `_` for what a tag may not contain.
///
/// ```
/// use millstream_engine::latency::{IntervalLog, LatencySettings, Ledger};
///
/// let ledger = Ledger::new(LatencySettings::default());
/// let mut log = IntervalLog::new(Vec::new()); // or a `BufWriter` over a file
/// log.write(&ledger.report())?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Format: HistogramLogWriter 1.3 of the Java HdrHistogram, compressed V2 histograms.
pub struct IntervalLog<W> {
    out: W,
    /// Where the last interval ended; `None` before the header.
    written: Option<Duration>,
    /// What is in the log, by tag.
    before: BTreeMap<String, Histogram<u64>>,
}

impl<W: Write> IntervalLog<W> {
    /// A log that goes to `out`. Nothing is written yet.
    pub fn new(out: W) -> Self {
        IntervalLog {
            out,
            written: None,
            before: BTreeMap::new(),
        }
    }

    /// Adds one interval: from the last report written (or the start) to this one, of the same ledger.
    ///
    /// # Errors
    /// `out` fails.
    pub fn write(&mut self, report: &LatencyReport) -> io::Result<()> {
        if self.written.is_none() {
            self.header(report)?;
        }
        let start = self.written.unwrap_or_default();
        let length = report.elapsed.saturating_sub(start);
        let mut serializer = V2DeflateSerializer::new();
        let mut log =
            IntervalLogWriterBuilder::new().begin_log_with(&mut self.out, &mut serializer)?;
        for series in &report.series {
            let Some(now) = series.merged.histogram() else {
                continue;
            };
            let tag = tag(series);
            let mut news = Cow::Borrowed(now);
            if let Some(before) = self.before.get(&tag) {
                news.to_mut().subtract(before).map_err(io::Error::other)?;
            }
            if !news.is_empty() {
                log.write_histogram(&news, start, length, Tag::new(&tag))
                    .map_err(|cause| match cause {
                        IntervalLogWriterError::IoError(cause) => cause,
                        other => io::Error::other(other.to_string()),
                    })?;
                self.before.insert(tag, now.clone());
            }
        }
        self.written = Some(report.elapsed);
        self.out.flush()
    }

    /// What it writes to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn header(&mut self, report: &LatencyReport) -> io::Result<()> {
        let micros = u64::try_from(report.started.as_micros()).unwrap_or(0);
        let started = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
        IntervalLogWriterBuilder::new()
            .add_comment("[Histogram log format version 1.3]")
            .add_comment("[Latency of a Millstream flow, in nanoseconds]")
            .with_start_time(started)
            // Without it Java's reader guesses whether the intervals' times count from the start.
            .with_base_time(started)
            .begin_log_with(&mut self.out, &mut V2DeflateSerializer::new())?;
        // Readers skip it; spreadsheets do not.
        writeln!(
            self.out,
            r#""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#
        )
    }
}

fn tag(series: &Series) -> String {
    let vertex = match &*series.vertex {
        "" => "machine",
        vertex => vertex,
    };
    let allowed = |c: char| {
        if c == ',' || c.is_whitespace() || c.is_control() {
            '_'
        } else {
            c
        }
    };
    let vertex: String = vertex.chars().map(allowed).collect();
    format!("{vertex}/{}", series.measure.name())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::super::{LatencySettings, Ledger, Measure};
    use super::*;
    use crate::runtime;

    /// The histograms of a log with their tags, as the crate's own reader sees them.
    fn read(log: &[u8]) -> Vec<(String, Duration, Duration, Histogram<u64>)> {
        IntervalLogIterator::new(log)
            .filter_map(|entry| match entry.unwrap() {
                LogEntry::Interval(interval) => {
                    let tag = interval.tag().unwrap().as_str().to_owned();
                    let encoded = base64::engine::general_purpose::STANDARD
                        .decode(interval.encoded_histogram())
                        .unwrap();
                    let histogram = Deserializer::new().deserialize(&mut &encoded[..]).unwrap();
                    Some((
                        tag,
                        interval.start_timestamp(),
                        interval.duration(),
                        histogram,
                    ))
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn it_is_read_back_and_its_intervals_add_up() {
        let (log, report) = runtime::simulate(1, async {
            let ledger = Ledger::new(LatencySettings::default());
            let mut log = IntervalLog::new(Vec::new());
            let out = ledger.sink("to, the\nworld", 0);
            let rare = ledger.stage("rare", 0);
            for second in 1..=3u64 {
                runtime::sleep(Duration::from_secs(1)).await;
                for n in 0..1_000 {
                    let arrival = runtime::Instant::from_nanos(0);
                    let took = Duration::from_nanos(n * n * n * second);
                    out.handed_over(arrival, arrival + took, 7);
                }
                if second == 2 {
                    rare.record(None, Duration::from_nanos(3), 1);
                    rare.record(None, Duration::MAX, 1);
                }
                log.write(&ledger.report()).unwrap();
            }
            (log.into_inner(), ledger.report())
        })
        .unwrap();

        let intervals = read(&log);
        let tags: Vec<_> = intervals.iter().map(|(tag, ..)| &**tag).collect();
        let out = "to__the_world/handed_over";
        assert_eq!(tags, [out, out, "rare/service", out]);
        let mut sum = Histogram::<u64>::new(3).unwrap();
        let mut end = Duration::ZERO;
        for (_, start, length, histogram) in intervals.iter().filter(|(tag, ..)| tag == out) {
            assert_eq!(histogram.len(), 7_000);
            assert!(start.abs_diff(end) <= Duration::from_millis(2));
            end = *start + *length;
            sum.add(histogram).unwrap();
        }
        let whole = report.of("to, the\nworld", Measure::HandedOver).unwrap();
        assert_eq!(Some(&sum), whole.histogram());
        let rare = report.of("rare", Measure::Service).unwrap();
        assert_eq!(Some(&intervals[2].3), rare.histogram());
        let text = String::from_utf8(log).unwrap();
        assert!(
            text.starts_with("#[Histogram log format version 1.3]\n"),
            "{text}"
        );
    }
}
