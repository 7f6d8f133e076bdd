//! Distinct values, exactly.

use std::collections::BTreeSet;

use millstream_engine::state::State;

use super::Aggregate;

/// The distinct values of `f`, sorted.
///
/// It keeps each of them once: the state grows with their number and has no other bound. Where that can be large,
/// [`approx_count_distinct`](crate::approx_count_distinct) counts them in a few kilobytes.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream_operators::{count_distinct, distinct};
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("visits", from_iter([7, 3, 7, 1, 3]))
///     .event_time(|user| Timestamp::from_secs(*user), Lateness::bounded(minutes(1)))
///     .key_by(|_| "page".to_owned())
///     .window(Tumbling::of(minutes(1)))
///     .aggregate("users", (distinct(|user: &i64| *user), count_distinct(|user: &i64| user % 2)))
///     .map(|_, result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [(vec![1, 3, 7], 1)]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub fn distinct<T, V: Ord, F: Fn(&T) -> V>(f: F) -> Distinct<F> {
    Distinct(f)
}

/// How many distinct values of `f` there are, exactly. It keeps each of them once, as [`distinct`] does.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream::operators::count_distinct;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("visits", from_iter([7, 3, 7, 1, 3]))
///     .event_time(|_| Timestamp::from_secs(7), Lateness::none())
///     .window_all(Tumbling::of(minutes(1)))
///     .aggregate("visitors", count_distinct(|visitor: &i64| *visitor))
///     .map(|(), result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [3]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub fn count_distinct<T, V: Ord, F: Fn(&T) -> V>(f: F) -> CountDistinct<F> {
    CountDistinct(Distinct(f))
}

/// See [`distinct`].
#[derive(Clone, Copy, Debug)]
pub struct Distinct<F>(F);

/// See [`count_distinct`].
#[derive(Clone, Copy, Debug)]
pub struct CountDistinct<F>(Distinct<F>);

impl<T, V, F> Aggregate<T> for Distinct<F>
where
    V: Ord + State,
    F: Fn(&T) -> V + Clone + Send + 'static,
{
    type State = BTreeSet<V>;
    type Out = Vec<V>;

    fn init(&self, first: &T) -> BTreeSet<V> {
        BTreeSet::from([(self.0)(first)])
    }
    #[inline]
    fn add(&self, values: &mut BTreeSet<V>, value: &T) {
        values.insert((self.0)(value));
    }
    fn merge(&self, values: &mut BTreeSet<V>, mut other: BTreeSet<V>) {
        // The smaller into the larger.
        if values.len() < other.len() {
            std::mem::swap(values, &mut other);
        }
        values.extend(other);
    }
    fn finish(&self, values: BTreeSet<V>) -> Vec<V> {
        values.into_iter().collect()
    }
}

impl<T, V, F> Aggregate<T> for CountDistinct<F>
where
    V: Ord + State,
    F: Fn(&T) -> V + Clone + Send + 'static,
{
    type State = BTreeSet<V>;
    type Out = u64;

    fn init(&self, first: &T) -> BTreeSet<V> {
        self.0.init(first)
    }
    #[inline]
    fn add(&self, values: &mut BTreeSet<V>, value: &T) {
        self.0.add(values, value);
    }
    fn merge(&self, values: &mut BTreeSet<V>, other: BTreeSet<V>) {
        Aggregate::<T>::merge(&self.0, values, other);
    }
    fn finish(&self, values: BTreeSet<V>) -> u64 {
        values.len() as u64
    }
}
