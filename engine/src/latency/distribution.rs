//! Durations counted in a histogram, and what may be read from them.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// The longest duration that is told apart, in nanoseconds (292 years). Java's readers of
/// histograms have signed numbers.
const LONGEST: u64 = i64::MAX as u64;

/// How long something took, over many records.
///
/// ```
/// use millstream_engine::latency::Distribution;
/// use std::time::Duration;
///
/// let mut taken = Distribution::default();
/// for ms in 1..=100 {
///     taken.record(Duration::from_millis(ms), 1);
/// }
/// let p90 = taken.percentile(90.0).unwrap();
/// assert!(p90 >= Duration::from_millis(90) && p90 < Duration::from_micros(90_100));
/// assert_eq!(taken.percentile(99.9), None); // a hundred samples cannot tell
/// ```
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    /// None before the first record: most series of a flow stay empty.
    histogram: Option<Histogram<u64>>,
    samples: u64,
}

impl Distribution {
    /// Counts `records` that all took `duration`: one sample. More than 292 years count as 292 years.
    pub fn record(&mut self, duration: Duration, records: u64) {
        if records == 0 {
            return;
        }
        if self.histogram.is_none() {
            // Three digits are valid, so this is never an error.
            self.histogram = Histogram::new(3).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            let nanos = u64::try_from(duration.as_nanos()).unwrap_or(LONGEST);
            // It grows to any value on machines of 32 bits and more. (Its saturating form would not grow.)
            let _ = histogram.record_n(nanos.min(LONGEST), records);
            self.samples += 1;
        }
    }

    /// Adds all that `other` counted.
    pub fn merge(&mut self, other: &Distribution) {
        match (&mut self.histogram, &other.histogram) {
            (_, None) => {}
            (mine @ None, Some(theirs)) => *mine = Some(theirs.clone()),
            // Grows as recording does.
            (Some(mine), Some(theirs)) => drop(mine.add(theirs)),
        }
        self.samples += other.samples;
    }

    /// How many records it counted.
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// How many measurements stand behind it: one per batch, however many records that had.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Whether it counted nothing.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// What `percentile` per cent of the records stayed within; `None` if there were too few samples
    /// to tell, which above 50 is fewer than one on the far side (p99.99 needs 10,000).
    ///
    /// `percentile` lies between 0 and 100; the answer is at most 0.1 % too high, never too low.
    pub fn percentile(&self, percentile: f64) -> Option<Duration> {
        let histogram = self.histogram.as_ref()?;
        // 100 - 99.9 is a little less than 0.1.
        let beyond = self.samples as f64 * (100.0 - percentile) + 1e-6;
        (percentile <= 50.0 || beyond >= 100.0)
            .then(|| Duration::from_nanos(histogram.value_at_percentile(percentile)))
    }

    /// The longest; zero if nothing was counted.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.histogram.as_ref().map_or(0, Histogram::max))
    }

    /// The mean; zero if nothing was counted. Like the percentiles at most 0.1 % too high.
    pub fn mean(&self) -> Duration {
        let Some(histogram) = &self.histogram else {
            return Duration::ZERO;
        };
        let sum: f64 = histogram
            .iter_recorded()
            .map(|step| step.value_iterated_to() as f64 * step.count_at_value() as f64)
            .sum();
        Duration::from_nanos((sum / histogram.len() as f64).ceil() as u64)
    }

    /// The histogram itself, in nanoseconds; `None` if nothing was counted.
    pub fn histogram(&self) -> Option<&Histogram<u64>> {
        self.histogram.as_ref()
    }
}

/// The figures, in nanoseconds; those that cannot be told are null.
impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let at = |percentile| self.percentile(percentile).map(nanos);
        let mut figures = serializer.serialize_struct("Distribution", 9)?;
        figures.serialize_field("count", &self.count())?;
        figures.serialize_field("samples", &self.samples)?;
        figures.serialize_field("mean_ns", &nanos(self.mean()))?;
        figures.serialize_field("p50_ns", &at(50.0))?;
        figures.serialize_field("p90_ns", &at(90.0))?;
        figures.serialize_field("p99_ns", &at(99.0))?;
        figures.serialize_field("p99_9_ns", &at(99.9))?;
        figures.serialize_field("p99_99_ns", &at(99.99))?;
        figures.serialize_field("max_ns", &nanos(self.max()))?;
        figures.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(durations: &[(u64, u64)]) -> Distribution {
        let mut distribution = Distribution::default();
        for &(nanos, records) in durations {
            distribution.record(Duration::from_nanos(nanos), records);
        }
        distribution
    }

    /// Nanoseconds to centuries, evenly over the orders of magnitude.
    fn nanos() -> impl Strategy<Value = u64> {
        (0..=63u32, any::<u64>()).prop_map(|(bits, drawn)| drawn >> (63 - bits))
    }

    proptest! {
        #[test]
        fn merging_equals_recording_in_one(
            parts in prop::collection::vec(prop::collection::vec((nanos(), 0..1000u64), 0..20), 0..5)
        ) {
            let mut merged = Distribution::default();
            for part in &parts {
                merged.merge(&of(part));
            }
            let whole = of(&parts.concat());
            prop_assert_eq!(merged.histogram(), whole.histogram());
            prop_assert_eq!(merged.samples(), whole.samples());
            prop_assert_eq!(merged.max(), whole.max());
            prop_assert_eq!(merged.mean(), whole.mean());
        }

        #[test]
        fn no_figure_is_understated_nor_far_off(
            mut all in prop::collection::vec(nanos().prop_map(|n| n.min(LONGEST)), 1..300),
            percentile in 0.1..100.0f64,
        ) {
            let distribution = of(&all.iter().map(|&n| (n, 1)).collect::<Vec<_>>());
            all.sort_unstable();
            let rank = (percentile / 100.0 * all.len() as f64).ceil() as usize;
            let near = |told: Duration, truth: u64| {
                let told = told.as_nanos() as f64;
                // f64 itself is off by a few nanoseconds per century.
                told >= truth as f64 * (1.0 - 1e-12) && told <= truth as f64 * 1.001 + 1.0
            };
            if let Some(told) = distribution.percentile(percentile) {
                prop_assert!(near(told, all[rank - 1]));
            }
            prop_assert!(near(distribution.max(), all[all.len() - 1]));
            let mean = all.iter().map(|&n| n as f64).sum::<f64>() / all.len() as f64;
            prop_assert!(near(distribution.mean(), mean as u64));
        }
    }

    #[test]
    fn a_percentile_needs_a_sample_beyond_it() {
        let few = of(&[(5, 1_000_000)]);
        assert_eq!(few.percentile(50.0), Some(Duration::from_nanos(5)));
        assert_eq!(few.percentile(90.0), None);
        for (percentile, samples) in [(90.0, 10), (99.0, 100), (99.9, 1_000), (99.99, 10_000)] {
            assert!(of(&vec![(7, 3); samples]).percentile(percentile).is_some());
            assert!(
                of(&vec![(7, 3); samples - 1])
                    .percentile(percentile)
                    .is_none()
            );
        }
    }

    #[test]
    fn what_is_too_long_saturates_in_bounded_memory() {
        let mut long = of(&[(u64::MAX, 1), (3_600_000_000_000, 2)]);
        long.record(Duration::MAX, u64::MAX);
        assert!(long.max() >= Duration::from_nanos(LONGEST));
        assert_eq!(long.count(), u64::MAX);
        let buckets = long.histogram().map_or(0, |h| h.distinct_values());
        assert!(
            buckets * size_of::<u64>() <= 432 * 1024,
            "{buckets} buckets"
        );
    }

    #[test]
    fn nothing_recorded_is_nothing_held() {
        let empty = of(&[(5, 0)]);
        assert!(empty.is_empty() && empty.histogram().is_none());
        assert_eq!(
            (empty.max(), empty.mean()),
            (Duration::ZERO, Duration::ZERO)
        );
    }
}
