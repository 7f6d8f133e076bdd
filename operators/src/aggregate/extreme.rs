//! Lowest and highest.

use std::cmp::Ordering;

use millstream_engine::state::State;

use super::Aggregate;
use super::order::is_ahead;

/// The lowest `f` of a record. A NaN counts only if there is nothing else.
pub fn min<T, V: PartialOrd, F: Fn(&T) -> V>(f: F) -> Min<F> {
    Min(f)
}

/// The highest `f` of a record. A NaN counts only if there is nothing else.
pub fn max<T, V: PartialOrd, F: Fn(&T) -> V>(f: F) -> Max<F> {
    Max(f)
}

/// See [`min`].
#[derive(Clone, Copy, Debug)]
pub struct Min<F>(F);

/// See [`max`].
#[derive(Clone, Copy, Debug)]
pub struct Max<F>(F);

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
        if is_ahead(&other, lowest, Ordering::Less) {
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
        if is_ahead(&other, highest, Ordering::Greater) {
            *highest = other;
        }
    }
    fn finish(&self, highest: V) -> V {
        highest
    }
}
