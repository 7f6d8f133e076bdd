//! The report as a table for a terminal.

use std::fmt;
use std::time::Duration;

use super::Distribution;
use super::report::{LatencyReport, Measure, Series};
use super::text::{brief, grouped};

/// The columns; from [`TAIL`] on the machine may be to blame.
const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];
/// Nearer to the middle a sleeper is late by its timer's slack alone, which the engine does not meet.
const TAIL: f64 = 99.0;

impl fmt::Display for LatencyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.series.is_empty() {
            return writeln!(f, "No latency was measured.");
        }
        let mut heading = format!("Latency, {:<17}{:>13} ", brief(self.elapsed), "records");
        for percentile in PERCENTILES {
            heading += &format!("{:>9} ", format!("p{percentile}"));
        }
        writeln!(f, "{heading}{:>9}", "max")?;

        let mut notes = Notes::default();
        let mut above = String::new();
        for series in &self.series {
            let group = group(series);
            if group != above {
                writeln!(f, "{group}")?;
                above = group;
            }
            let hiccups = self.hiccups().filter(|_| series.measure.is_end_to_end());
            writeln!(f, "{}", notes.row(series, hiccups).trim_end())?;
        }
        if notes.untold {
            writeln!(f, "-  too few measurements (one per batch) to tell")?;
        }
        if notes.machine {
            writeln!(
                f,
                "*  the machine's own hiccups reach half of this or more: not the flow's alone"
            )?;
        }
        Ok(())
    }
}

/// Which marks were used and need their explanation.
#[derive(Default)]
struct Notes {
    untold: bool,
    machine: bool,
}

impl Notes {
    fn row(&mut self, series: &Series, hiccups: Option<&Distribution>) -> String {
        let figures = &series.merged;
        let records = grouped(figures.count());
        let mut row = format!("  {:<24}{records:>13} ", series.measure.title());
        for percentile in PERCENTILES {
            let hiccup = hiccups
                .filter(|_| percentile >= TAIL)
                .and_then(|hiccups| hiccups.percentile(percentile));
            row += &self.cell(figures.percentile(percentile), hiccup);
        }
        row + &self.cell(Some(figures.max()), hiccups.map(Distribution::max))
    }

    fn cell(&mut self, figure: Option<Duration>, hiccup: Option<Duration>) -> String {
        let Some(figure) = figure else {
            self.untold = true;
            return format!("{:>9} ", "-");
        };
        let machine = hiccup.is_some_and(|hiccup| hiccup.saturating_mul(2) >= figure);
        self.machine |= machine;
        format!("{:>9}{}", brief(figure), if machine { '*' } else { ' ' })
    }
}

fn group(series: &Series) -> String {
    match series.measure {
        Measure::Hiccup => "the machine".to_owned(),
        measure if measure.is_end_to_end() => format!("sink `{}`", series.vertex),
        _ => format!("stage `{}`", series.vertex),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn series(vertex: &str, measure: Measure, samples: u64, micros: u64) -> Series {
        let mut noted = Distribution::default();
        for _ in 0..samples {
            noted.record(Duration::from_micros(micros), 100);
        }
        Series::new(vertex.into(), measure, 0, noted)
    }

    #[test]
    fn it_says_what_it_knows_and_what_it_does_not() {
        let report = LatencyReport::new(
            Timestamp::EPOCH,
            Duration::from_millis(12_340),
            vec![
                series("", Measure::Hiccup, 1_000, 700),
                series("delays", Measure::QueueWait, 10_000, 5),
                series("delays", Measure::Service, 10_000, 20),
                series("out", Measure::HandedOver, 10_000, 1_000),
                series("out", Measure::EventTime, 50, 60_000_000),
            ],
        );
        let expected = "\
Latency, 12.3 s                 records       p50       p90       p99     p99.9    p99.99       max
sink `out`
  arrival → handed over       1,000,000   1.00 ms   1.00 ms   1.00 ms*  1.00 ms*  1.00 ms   1.00 ms*
  event → handed over             5,000  1.00 min  1.00 min         -         -         -  1.00 min
stage `delays`
  queue wait                  1,000,000   5.00 µs   5.00 µs   5.00 µs   5.00 µs   5.00 µs   5.00 µs
  service                     1,000,000   20.0 µs   20.0 µs   20.0 µs   20.0 µs   20.0 µs   20.0 µs
the machine
  hiccups                       100,000    700 µs    700 µs    700 µs    700 µs         -    700 µs
-  too few measurements (one per batch) to tell
*  the machine's own hiccups reach half of this or more: not the flow's alone
";
        let told = report.to_string();
        assert_eq!(told, expected, "\n{told}");
        let nothing = LatencyReport::default().to_string();
        assert_eq!(nothing, "No latency was measured.\n");
    }

    #[test]
    fn json_has_the_figures_in_nanoseconds() {
        let report = LatencyReport::new(
            Timestamp::EPOCH,
            Duration::from_millis(1_500),
            vec![series("out", Measure::HandedOver, 100, 1)],
        );
        let json = serde_json::to_value(&report).unwrap();
        let expected = serde_json::json!({
            "started": "1970-01-01T00:00:00Z",
            "elapsed_s": 1.5,
            "series": [{
                "vertex": "out", "measure": "handed_over", "count": 10_000, "samples": 100,
                "mean_ns": 1_000, "p50_ns": 1_000, "p90_ns": 1_000, "p99_ns": 1_000,
                "p99_9_ns": null, "p99_99_ns": null, "max_ns": 1_000,
            }],
        });
        assert_eq!(json, expected);
    }
}
