//! Variance and standard deviation.

use serde::{Deserialize, Serialize};

use super::{Aggregate, Number};

/// The variance of `f` over the records: of all there are, or [of a sample](Variance::of_sample).
///
/// It keeps three numbers, and does not lose its digits where the values are large and close together (Welford's way;
/// parts are merged by that of Chan, Golub and LeVeque, 1979). Rounding depends on the order the records come in.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream_operators::{std_dev, variance};
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("delays", from_iter([2, 4, 4, 4, 5, 5, 7, 9]))
///     .event_time(|delay| Timestamp::from_secs(*delay), Lateness::bounded(minutes(1)))
///     .key_by(|_| "JFK".to_owned())
///     .window(Tumbling::of(minutes(1)))
///     .aggregate("spread", (variance(|delay: &i64| *delay), std_dev(|delay: &i64| *delay)))
///     .map(|_, result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [(4.0, 2.0)]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub fn variance<T, N: Number, F: Fn(&T) -> N>(f: F) -> Variance<F> {
    Variance {
        f,
        is_sample: false,
        is_root: false,
    }
}

/// The standard deviation of `f` over the records: the root of the [`variance`].
///
/// Both together are in the example of [`variance`].
pub fn std_dev<T, N: Number, F: Fn(&T) -> N>(f: F) -> Variance<F> {
    Variance {
        is_root: true,
        ..variance(f)
    }
}

/// See [`variance`] and [`std_dev`].
#[derive(Clone, Copy, Debug)]
pub struct Variance<F> {
    f: F,
    is_sample: bool,
    is_root: bool,
}

impl<F> Variance<F> {
    /// Estimates the variance of what the records are a sample of: divides by one less. NaN of a single record.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::{std_dev, variance};
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("sampled", from_iter([2, 4, 6]))
    ///     .event_time(|_| Timestamp::from_secs(7), Lateness::none())
    ///     .window_all(Tumbling::of(minutes(1)))
    ///     .aggregate("spread", (variance(|n: &i64| *n).of_sample(), std_dev(|n: &i64| *n).of_sample()))
    ///     .map(|(), result| result.value)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(4.0, 2.0)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    #[must_use]
    pub fn of_sample(mut self) -> Self {
        self.is_sample = true;
        self
    }
}

/// What [`variance`] keeps: the mean, and the sum of the squared distances from it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl<T, N, F> Aggregate<T> for Variance<F>
where
    N: Number,
    F: Fn(&T) -> N + Clone + Send + 'static,
{
    type State = Moments;
    type Out = f64;

    fn init(&self, first: &T) -> Moments {
        Moments {
            count: 1,
            mean: N::to_f64((self.f)(first).total()),
            squares: 0.0,
        }
    }

    #[inline]
    fn add(&self, state: &mut Moments, value: &T) {
        let value = N::to_f64((self.f)(value).total());
        state.count += 1;
        let distance = value - state.mean;
        state.mean += distance / state.count as f64;
        state.squares += distance * (value - state.mean);
    }

    fn merge(&self, state: &mut Moments, other: Moments) {
        let (here, there) = (state.count as f64, other.count as f64);
        let distance = other.mean - state.mean;
        state.count += other.count;
        state.mean += distance * (there / (here + there));
        state.squares += other.squares + distance * distance * (here * there / (here + there));
    }

    fn finish(&self, state: Moments) -> f64 {
        let variance = state.squares / (state.count - u64::from(self.is_sample)) as f64;
        match self.is_root {
            true => variance.sqrt(),
            false => variance,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::tests::by_parts;

    proptest! {
        #[test]
        fn it_is_that_of_two_passes_however_the_records_are_parted(
            parts in proptest::collection::vec(proptest::collection::vec(-50..50i64, 0..20), 1..6),
        ) {
            // Far from zero, where the sum of squares alone would have lost all its digits.
            let far = |n: &i64| (*n + 1_000_000_000) as f64;
            let all: Vec<f64> = parts.iter().flatten().map(far).collect();
            let Some(state) = by_parts(&variance(far), &parts) else { return Ok(()) };
            let count = all.len() as f64;
            let mean = all.iter().sum::<f64>() / count;
            let squares: f64 = all.iter().map(|n| (n - mean).powi(2)).sum();
            let got = variance(far).finish(state);
            prop_assert!((got - squares / count).abs() <= 1e-3, "{got} {}", squares / count);
            let root = std_dev(far).of_sample().finish(state);
            let expected = (squares / (count - 1.0)).sqrt();
            prop_assert!((root - expected).abs() <= 1e-3 || (all.len() == 1 && root.is_nan()));
        }
    }
}
