//! Counts, sums, means.

use super::{Aggregate, Number, Retract};

/// How many records there are.
///
/// ```
/// # use millstream::prelude::*;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("seconds", from_iter([5, 20, 70]))
///     .event_time(|second| Timestamp::from_secs(*second), Lateness::none())
///     .window_all(Tumbling::of(minutes(1)))
///     .aggregate("per-minute", count())
///     .map(|(), result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [2, 1]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub fn count() -> Count {
    Count
}

/// The sum of `f` over the records. (See [`Number`] for what happens at the end of a type.)
///
/// A closure must say what it takes, because nothing around it does: `sum(|trade: &Trade| trade.amount)`.
///
/// Of integers it is exact, and parts of it can be taken out again. Floats round, by the order they come in.
///
/// ```
/// # use millstream::prelude::*;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("trades", from_iter([(5, 100), (20, 50), (70, 10)]))
///     .event_time(|(second, _)| Timestamp::from_secs(*second), Lateness::none())
///     .window_all(Tumbling::of(minutes(1)))
///     .aggregate("per-minute", sum(|(_, amount): &(i64, u64)| *amount))
///     .map(|(), result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [150, 10]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub fn sum<T, N: Number, F: Fn(&T) -> N>(f: F) -> Sum<F> {
    Sum(f)
}

/// The mean of `f` over the records, as a float: the [`sum`] divided once, at the end.
///
/// ```
/// # use millstream::prelude::*;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("readings", from_iter([20, 21, 25]))
///     .event_time(|_| Timestamp::from_secs(7), Lateness::none())
///     .window_all(Tumbling::of(minutes(1)))
///     .aggregate("degrees", mean(|degrees: &i32| *degrees))
///     .map(|(), result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [22.0]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub fn mean<T, N: Number, F: Fn(&T) -> N>(f: F) -> Mean<F> {
    Mean(f)
}

/// See [`count`].
#[derive(Clone, Copy, Debug)]
pub struct Count;

/// See [`sum`].
#[derive(Clone, Copy, Debug)]
pub struct Sum<F>(F);

/// See [`mean`].
#[derive(Clone, Copy, Debug)]
pub struct Mean<F>(F);

impl<T> Aggregate<T> for Count {
    type State = u64;
    type Out = u64;
    const RETRACT: Option<Retract<Self, u64>> = Some(|_, count, gone| *count -= gone);

    fn init(&self, _first: &T) -> u64 {
        1
    }
    #[inline]
    fn add(&self, count: &mut u64, _value: &T) {
        *count += 1;
    }
    fn merge(&self, count: &mut u64, other: u64) {
        *count += other;
    }
    fn finish(&self, count: u64) -> u64 {
        count
    }
}

impl<T, N, F> Aggregate<T> for Sum<F>
where
    N: Number,
    F: Fn(&T) -> N + Clone + Send + 'static,
{
    type State = N::Total;
    type Out = N;
    const RETRACT: Option<Retract<Self, N::Total>> = match N::MINUS {
        Some(_) => Some(|_, sum, gone| take_out::<N>(sum, *gone)),
        None => None,
    };

    fn init(&self, first: &T) -> N::Total {
        (self.0)(first).total()
    }
    #[inline]
    fn add(&self, sum: &mut N::Total, value: &T) {
        *sum = N::plus(*sum, (self.0)(value).total());
    }
    fn merge(&self, sum: &mut N::Total, other: N::Total) {
        *sum = N::plus(*sum, other);
    }
    fn finish(&self, sum: N::Total) -> N {
        N::nearest(sum)
    }
}

impl<T, N, F> Aggregate<T> for Mean<F>
where
    N: Number,
    F: Fn(&T) -> N + Clone + Send + 'static,
{
    type State = (N::Total, u64);
    type Out = f64;
    const RETRACT: Option<Retract<Self, (N::Total, u64)>> = match N::MINUS {
        Some(_) => Some(|_, (sum, count), gone| {
            take_out::<N>(sum, gone.0);
            *count -= gone.1;
        }),
        None => None,
    };

    fn init(&self, first: &T) -> (N::Total, u64) {
        ((self.0)(first).total(), 1)
    }
    #[inline]
    fn add(&self, (sum, count): &mut (N::Total, u64), value: &T) {
        *sum = N::plus(*sum, (self.0)(value).total());
        *count += 1;
    }
    fn merge(&self, (sum, count): &mut (N::Total, u64), other: (N::Total, u64)) {
        *sum = N::plus(*sum, other.0);
        *count += other.1;
    }
    fn finish(&self, (sum, count): (N::Total, u64)) -> f64 {
        N::to_f64(sum) / count as f64
    }
}

#[inline]
fn take_out<N: Number>(sum: &mut N::Total, gone: N::Total) {
    if let Some(minus) = N::MINUS {
        *sum = minus(*sum, gone);
    }
}
