//! Quantiles, from buckets that grow with their distance from zero.

use serde::{Deserialize, Serialize};

use super::{Aggregate, Number, Retract};

/// The values of `f` below which the given shares of the records are: `[0.5, 0.99]` gives the median and the 99th
/// percentile.
///
/// Each is within 1 % of the value that is there when all are sorted (the ⌈share × n⌉-th of n, counted from one; the
/// lowest for 0, the highest for 1), or [as near as is asked](Quantiles::within). Values below 2⁻¹⁰²² count as zero,
/// infinite ones as the largest float, NaN not at all; of NaN alone the quantiles are NaN.
///
/// Records are counted in buckets whose borders grow by the same factor (2 % for values within 1 %). Only those that
/// hold something are kept, at 16 bytes: about 115 for each power of ten between the lowest and the highest
/// value, so a few KiB for most data, and 1.2 MiB for each sign if all that a float can be occurs. What came in decides
/// the state, not its order or parts, and parts can be taken out again: a t-digest can do neither, and has no bound
/// on its error.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream_operators::quantiles;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("latencies", from_iter(1..=1_000))
///     .event_time(|_| Timestamp::from_secs(7), Lateness::none())
///     .key_by(|_| "api".to_owned())
///     .window(Tumbling::of(minutes(1)))
///     .aggregate("latency", quantiles([0.5, 0.99], |millis: &u32| *millis))
///     .map(|_, result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// let [median, p99] = results.take()[0];
/// assert!((495.0..=505.0).contains(&median) && (980.1..=999.9).contains(&p99));
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// Source: Masson, Rim and Lee, *DDSketch*, VLDB 2019, without its collapsing of buckets; HdrHistogram's idea, for
/// floats.
pub fn quantiles<const N: usize, T, V: Number, F: Fn(&T) -> V>(
    shares: [f64; N],
    f: F,
) -> Quantiles<N, F> {
    Quantiles {
        shares,
        f,
        scale: scale(0.01),
    }
}

/// See [`quantiles`].
#[derive(Clone, Copy, Debug)]
pub struct Quantiles<const N: usize, F> {
    shares: [f64; N],
    f: F,
    scale: f64,
}

impl<const N: usize, F> Quantiles<N, F> {
    /// Sets how near each quantile is to the true value, relative to it: from 0.0001 to 0.5 (default 0.01, 1 %). The
    /// number of buckets grows with its reciprocal.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::quantiles;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("latencies", from_iter(1..=1_000))
    ///     .event_time(|_| Timestamp::from_secs(7), Lateness::none())
    ///     .window_all(Tumbling::of(minutes(1)))
    ///     .aggregate("latency", quantiles([0.5], |millis: &u32| *millis).within(0.1))
    ///     .map(|(), result| result.value)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// let [median] = results.take()[0];
    /// assert!((450.0..=550.0).contains(&median));
    /// # Ok::<(), millstream::Error>(())
    /// ```
    #[must_use]
    pub fn within(mut self, error: f64) -> Self {
        self.scale = scale(error.clamp(0.0001, 0.5));
        self
    }
}

/// How many buckets there are for each power of e, for values within this error.
fn scale(error: f64) -> f64 {
    1.0 / ((1.0 + error) / (1.0 - error)).ln()
}

/// How many values there are of about which size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buckets {
    scale: f64,
    /// Those that hold something, from the lowest values to the highest: number and count. Positive values are in
    /// positive numbers, zero is in 0.
    counts: Vec<(i32, u64)>,
}

impl Buckets {
    fn new(scale: f64) -> Self {
        Buckets {
            scale,
            counts: Vec::new(),
        }
    }

    #[inline]
    fn add(&mut self, value: f64, records: u64) {
        if value.is_nan() {
            return;
        }
        let number = self.number_of(value);
        match self
            .counts
            .binary_search_by_key(&number, |&(number, _)| number)
        {
            Ok(place) => self.counts[place].1 += records,
            Err(place) => self.counts.insert(place, (number, records)),
        }
    }

    /// The number of the bucket of a value; its size is at most `MAX` × 5,000 powers of e.
    #[inline]
    fn number_of(&self, value: f64) -> i32 {
        let size = value.abs().min(f64::MAX);
        if size < f64::MIN_POSITIVE {
            return 0;
        }
        let number = ((size.ln() - SMALLEST_LN) * self.scale).ceil() as i32 + 1;
        if value < 0.0 { -number } else { number }
    }

    /// The value in the middle of a bucket: as far, relatively, from both borders.
    fn value_of(&self, number: i32) -> f64 {
        if number == 0 {
            return 0.0;
        }
        let upper = SMALLEST_LN + f64::from(number.abs() - 1) / self.scale;
        let factor = (1.0 / self.scale).exp();
        let value = (upper + (2.0 / (factor + 1.0)).ln()).exp().min(f64::MAX);
        if number < 0 { -value } else { value }
    }

    fn merge(&mut self, other: Buckets) {
        if self.scale.to_bits() != other.scale.to_bits() {
            // The flow was changed and went on with what it had saved.
            for &(number, records) in &other.counts {
                self.add(other.value_of(number), records);
            }
            return;
        }
        let here = std::mem::take(&mut self.counts);
        let (mut here, mut there) = (
            here.into_iter().peekable(),
            other.counts.into_iter().peekable(),
        );
        while let (Some(a), Some(b)) = (here.peek(), there.peek()) {
            let next = match a.0.cmp(&b.0) {
                std::cmp::Ordering::Less => here.next(),
                std::cmp::Ordering::Greater => there.next(),
                std::cmp::Ordering::Equal => {
                    here.next().zip(there.next()).map(|(a, b)| (a.0, a.1 + b.1))
                }
            };
            self.counts.extend(next);
        }
        self.counts.extend(here.chain(there));
    }

    fn retract(&mut self, gone: &Buckets) {
        let mut gone = gone.counts.iter().peekable();
        for (number, records) in &mut self.counts {
            if let Some((_, fewer)) = gone.next_if(|(gone, _)| gone == number) {
                *records -= fewer;
            }
        }
        self.counts.retain(|&(_, records)| records > 0);
    }

    fn quantile(&self, share: f64) -> f64 {
        let all: u64 = self.counts.iter().map(|&(_, records)| records).sum();
        let rank = ((share * all as f64).ceil() as u64).clamp(1, all.max(1));
        let mut so_far = 0;
        let reached = self.counts.iter().find(|&&(_, records)| {
            so_far += records;
            so_far >= rank
        });
        reached.map_or(f64::NAN, |&(number, _)| self.value_of(number))
    }
}

/// The logarithm of the smallest float that does not count as zero.
const SMALLEST_LN: f64 = -1022.0 * std::f64::consts::LN_2;

impl<const N: usize, T, V, F> Aggregate<T> for Quantiles<N, F>
where
    V: Number,
    F: Fn(&T) -> V + Clone + Send + 'static,
{
    type State = Buckets;
    type Out = [f64; N];
    const RETRACT: Option<Retract<Self, Buckets>> = Some(|_, state, gone| state.retract(gone));

    fn init(&self, first: &T) -> Buckets {
        let mut state = Buckets::new(self.scale);
        self.add(&mut state, first);
        state
    }
    #[inline]
    fn add(&self, state: &mut Buckets, value: &T) {
        state.add(V::to_f64((self.f)(value).total()), 1);
    }
    fn merge(&self, state: &mut Buckets, other: Buckets) {
        state.merge(other);
    }
    fn finish(&self, state: Buckets) -> [f64; N] {
        self.shares.map(|share| state.quantile(share))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::tests::by_parts;

    const SHARES: [f64; 5] = [0.0, 0.1, 0.5, 0.99, 1.0];

    /// Values of all sizes and both signs.
    fn values() -> impl Strategy<Value = f64> {
        (-1.0..1.0f64, -300..300i32).prop_map(|(digits, power)| digits * 10f64.powi(power))
    }

    proptest! {
        #[test]
        fn each_is_within_its_error_however_the_records_are_parted(
            parts in proptest::collection::vec(proptest::collection::vec(values(), 0..30), 1..5),
            error in prop_oneof![Just(0.0001), Just(0.01), Just(0.2)],
        ) {
            let aggregate = quantiles(SHARES, |value: &f64| *value).within(error);
            let Some(state) = by_parts(&aggregate, &parts) else { return Ok(()) };
            let mut all = parts.concat();
            let whole = by_parts(&aggregate, std::slice::from_ref(&all)).unwrap();
            prop_assert_eq!(&state, &whole);
            all.sort_by(f64::total_cmp);
            for (share, got) in SHARES.iter().zip(aggregate.finish(state)) {
                let rank = (share * all.len() as f64).ceil().max(1.0) as usize;
                let exact = all[rank - 1];
                prop_assert!((got - exact).abs() <= exact.abs() * (error + 1e-9), "{got} for {exact}");
            }
        }
    }

    #[test]
    fn no_value_is_too_large_too_small_or_no_number() {
        let aggregate = quantiles([0.0, 0.5, 1.0], |value: &f64| *value).within(0.0001);
        let (lowest, highest) = (f64::NEG_INFINITY, f64::INFINITY);
        let parts = [vec![lowest, 5e-324, -0.0], vec![highest, f64::NAN]];
        let [first, middle, last] = aggregate.finish(by_parts(&aggregate, &parts).unwrap());
        assert!(first <= -1.79e308 && first.is_finite());
        assert_eq!(middle, 0.0);
        assert!(last >= 1.79e308 && last.is_finite());
        let nothing = by_parts(&aggregate, &[vec![f64::NAN]]).unwrap();
        assert!(aggregate.finish(nothing).iter().all(|value| value.is_nan()));
    }

    #[test]
    fn what_was_saved_with_another_error_is_taken_over() {
        let (before, now) = (
            quantiles([0.5], |n: &i64| *n).within(0.05),
            quantiles([0.5], |n: &i64| *n),
        );
        let mut state = now.init(&1);
        now.merge(
            &mut state,
            by_parts(&before, &[(100..=200).collect()]).unwrap(),
        );
        let [median] = now.finish(state);
        assert!((median / 149.0 - 1.0).abs() <= 0.061, "{median}");
    }
}
