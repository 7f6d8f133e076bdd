//! The everyday aggregates.

use millstream_engine::state::State;

use super::{Aggregate, Number};

/// How many records there are.
pub fn count() -> Count {
    Count
}

/// The sum of `f` over the records. (See [`Number`] for what happens at the end of a type.)
///
/// A closure must say what it takes, because nothing around it does: `sum(|trade: &Trade| trade.amount)`.
pub fn sum<T, N: Number, F: Fn(&T) -> N>(f: F) -> Sum<F> {
    Sum(f)
}

/// The mean of `f` over the records, as a float.
pub fn mean<T, N: Number, F: Fn(&T) -> N>(f: F) -> Mean<F> {
    Mean(f)
}

/// The lowest `f` of a record. A NaN counts only if there is nothing else.
pub fn min<T, V: PartialOrd, F: Fn(&T) -> V>(f: F) -> Min<F> {
    Min(f)
}

/// The highest `f` of a record. A NaN counts only if there is nothing else.
pub fn max<T, V: PartialOrd, F: Fn(&T) -> V>(f: F) -> Max<F> {
    Max(f)
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

/// See [`min`].
#[derive(Clone, Copy, Debug)]
pub struct Min<F>(F);

/// See [`max`].
#[derive(Clone, Copy, Debug)]
pub struct Max<F>(F);

impl<T> Aggregate<T> for Count {
    type State = u64;
    type Out = u64;
    const INVERTIBLE: bool = true;

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
    fn retract(&self, count: &mut u64, gone: &u64) {
        *count -= gone;
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
    type State = N;
    type Out = N;

    fn init(&self, first: &T) -> N {
        (self.0)(first)
    }
    #[inline]
    fn add(&self, sum: &mut N, value: &T) {
        *sum = sum.plus((self.0)(value));
    }
    fn merge(&self, sum: &mut N, other: N) {
        *sum = sum.plus(other);
    }
    fn finish(&self, sum: N) -> N {
        sum
    }
}

impl<T, N, F> Aggregate<T> for Mean<F>
where
    N: Number,
    F: Fn(&T) -> N + Clone + Send + 'static,
{
    type State = (f64, u64);
    type Out = f64;

    fn init(&self, first: &T) -> (f64, u64) {
        ((self.0)(first).to_f64(), 1)
    }
    #[inline]
    fn add(&self, (sum, count): &mut (f64, u64), value: &T) {
        *sum += (self.0)(value).to_f64();
        *count += 1;
    }
    fn merge(&self, (sum, count): &mut (f64, u64), other: (f64, u64)) {
        *sum += other.0;
        *count += other.1;
    }
    fn finish(&self, (sum, count): (f64, u64)) -> f64 {
        sum / count as f64
    }
}

impl<T, V, F> Aggregate<T> for Min<F>
where
    V: PartialOrd + State,
    F: Fn(&T) -> V + Clone + Send + 'static,
{
    type State = V;
    type Out = V;

    fn init(&self, first: &T) -> V {
        (self.0)(first)
    }
    #[inline]
    fn add(&self, lowest: &mut V, value: &T) {
        <Self as Aggregate<T>>::merge(self, lowest, (self.0)(value));
    }
    #[inline]
    fn merge(&self, lowest: &mut V, other: V) {
        if other < *lowest || is_nan(lowest) {
            *lowest = other;
        }
    }
    fn finish(&self, lowest: V) -> V {
        lowest
    }
}

impl<T, V, F> Aggregate<T> for Max<F>
where
    V: PartialOrd + State,
    F: Fn(&T) -> V + Clone + Send + 'static,
{
    type State = V;
    type Out = V;

    fn init(&self, first: &T) -> V {
        (self.0)(first)
    }
    #[inline]
    fn add(&self, highest: &mut V, value: &T) {
        <Self as Aggregate<T>>::merge(self, highest, (self.0)(value));
    }
    #[inline]
    fn merge(&self, highest: &mut V, other: V) {
        if other > *highest || is_nan(highest) {
            *highest = other;
        }
    }
    fn finish(&self, highest: V) -> V {
        highest
    }
}

/// Whether a value does not even compare with itself.
#[inline]
fn is_nan<V: PartialOrd>(value: &V) -> bool {
    value.partial_cmp(value).is_none()
}
