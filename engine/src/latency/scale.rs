//! The two axes of a percentile plot.

use std::time::Duration;

use super::text::brief;

/// Marks between which latencies lie: decades up to 10 s, then the units people count in.
const LADDER: [u64; 21] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    60_000_000_000,
    600_000_000_000,
    3_600_000_000_000,
    36_000_000_000_000,
    86_400_000_000_000,
    864_000_000_000_000,
    8_640_000_000_000_000,
    86_400_000_000_000_000,
    864_000_000_000_000_000,
    i64::MAX as u64,
];

/// Latency, logarithmic: from the mark below the shortest to the mark above the longest. What is
/// shorter still lies on the axis.
pub(super) struct LatencyScale {
    low: f64,
    high: f64,
    bottom: f64,
    height: f64,
}

impl LatencyScale {
    /// From `bottom` upwards over `height` pixels.
    pub(super) fn new(shortest: Duration, longest: Duration, bottom: f64, height: f64) -> Self {
        let shortest = nanos(shortest);
        let longest = nanos(longest).max(shortest + 1.0);
        let marks = || LADDER.iter().map(|&mark| mark as f64);
        let low = marks().rev().find(|&mark| mark <= shortest).unwrap_or(1.0);
        let high = marks().find(|&mark| mark >= longest).unwrap_or(longest);
        LatencyScale {
            low,
            high,
            bottom,
            height,
        }
    }

    /// Where `latency` lies, in pixels.
    pub(super) fn y(&self, latency: Duration) -> f64 {
        let share = (nanos(latency) / self.low).ln() / (self.high / self.low).ln();
        self.bottom - self.height * share.clamp(0.0, 1.0)
    }

    /// Each line of the grid with its label, if it has one: within few decades the steps
    /// 2 and 5 have labels too.
    pub(super) fn marks(&self) -> Vec<(Duration, Option<String>)> {
        let decades = (self.high / self.low).log10();
        let mut marks = Vec::new();
        for &mark in &LADDER {
            for step in [1, 2, 5] {
                let at = mark.saturating_mul(step);
                let fine = step > 1;
                // Ten seconds and more are no decades.
                let drawn = !fine || (decades < 6.0 && at < 10_000_000_000);
                if drawn && (self.low..=self.high).contains(&(at as f64)) {
                    let labelled = !fine || decades < 3.5;
                    let at = Duration::from_nanos(at);
                    marks.push((at, labelled.then(|| plain(at))));
                }
            }
        }
        marks
    }
}

/// Percentiles, by their nines: 0, 90, 99, 99.9 … at equal distances.
pub(super) struct PercentileScale {
    nines: u32,
    left: f64,
    width: f64,
}

impl PercentileScale {
    /// As many nines as `samples` can tell, from 2 (p99) to 8.
    pub(super) fn new(samples: u64, left: f64, width: f64) -> Self {
        PercentileScale {
            nines: (finest(samples).ceil() as u32).clamp(2, 8),
            left,
            width,
        }
    }

    /// Where the percentile with this many nines lies, in pixels.
    pub(super) fn x(&self, nines: f64) -> f64 {
        self.left + self.width * (nines / f64::from(self.nines)).clamp(0.0, 1.0)
    }

    /// Each line of the grid, in nines, with its label.
    pub(super) fn marks(&self) -> Vec<(f64, String)> {
        let mut marks = vec![
            (0.0, "0".to_owned()),
            (0.5f64.log10().abs(), "50".to_owned()),
        ];
        marks.extend((1..=self.nines).map(|nines| {
            let label = match nines {
                1 => "90".to_owned(),
                2 => "99".to_owned(),
                _ => format!("99.{}", "9".repeat(nines as usize - 2)),
            };
            (f64::from(nines), label)
        }));
        marks
    }
}

/// The finest percentile that `samples` can tell, in nines: 10,000 can tell p99.99, which has four.
pub(super) fn finest(samples: u64) -> f64 {
    (samples.max(1) as f64).log10()
}

/// The share of the records below the percentile with this many nines.
pub(super) fn quantile(nines: f64) -> f64 {
    1.0 - 10f64.powf(-nines)
}

fn nanos(latency: Duration) -> f64 {
    (latency.as_nanos() as f64).max(1.0)
}

/// A round figure without the zeros after its point.
fn plain(at: Duration) -> String {
    let text = brief(at);
    match text.split_once(' ') {
        Some((figure, unit)) if figure.contains('.') => {
            let figure = figure.trim_end_matches('0').trim_end_matches('.');
            format!("{figure} {unit}")
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_marks_are_round_and_enclose_the_data() {
        let ms = Duration::from_millis;
        let labels = |shortest, longest| -> Vec<String> {
            let scale = LatencyScale::new(shortest, longest, 100.0, 100.0);
            assert!(scale.y(longest) <= scale.y(shortest));
            scale
                .marks()
                .into_iter()
                .filter_map(|(_, label)| label)
                .collect()
        };
        assert_eq!(labels(ms(2), ms(9)), ["1 ms", "2 ms", "5 ms", "10 ms"]);
        assert_eq!(
            labels(Duration::from_micros(30), ms(7_200_000)),
            [
                "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "1 min", "10 min",
                "1 h", "10 h"
            ]
        );
        labels(Duration::ZERO, Duration::ZERO);
        labels(Duration::ZERO, Duration::MAX);
    }

    #[test]
    fn percentile_marks_go_as_far_as_the_samples_tell() {
        let labels = |samples| -> Vec<String> {
            let scale = PercentileScale::new(samples, 0.0, 100.0);
            scale.marks().into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(0), ["0", "50", "90", "99"]);
        assert_eq!(labels(10_000), ["0", "50", "90", "99", "99.9", "99.99"]);
        assert_eq!(labels(10_001).last().map(String::as_str), Some("99.999"));
        assert_eq!(labels(u64::MAX).len(), 10);
    }
}
