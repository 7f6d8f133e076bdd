//! Lowest and highest.

use std::marker::PhantomData;

use millstream_engine::state::State;

use super::Aggregate;
use super::order::{Highest, Lowest, Wanted};

/// The lowest `f` of a record. A NaN counts only if there is nothing else.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream::operators::min;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("prices", from_iter([5.0, 7.5, 6.0]))
///     .event_time(|_| Timestamp::from_secs(7), Lateness::none())
///     .window_all(Tumbling::of(minutes(1)))
///     .aggregate("lowest", min(|price: &f64| *price))
///     .map(|(), result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [5.0]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub fn min<T, V: PartialOrd, F: Fn(&T) -> V>(f: F) -> Min<F> {
    Extreme::of(f)
}

/// The highest `f` of a record. A NaN counts only if there is nothing else.
///
/// ```
/// # use millstream::prelude::*;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("prices", from_iter([5.0, 7.5, 6.0]))
///     .event_time(|_| Timestamp::from_secs(7), Lateness::none())
///     .window_all(Tumbling::of(minutes(1)))
///     .aggregate("highest", max(|price: &f64| *price))
///     .map(|(), result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [7.5]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub fn max<T, V: PartialOrd, F: Fn(&T) -> V>(f: F) -> Max<F> {
    Extreme::of(f)
}

/// See [`min`].
pub type Min<F> = Extreme<F, Lowest>;

/// See [`max`].
pub type Max<F> = Extreme<F, Highest>;

/// See [`min`] and [`max`].
#[derive(Clone, Copy, Debug)]
pub struct Extreme<F, W> {
    f: F,
    of: PhantomData<W>,
}

impl<F, W> Extreme<F, W> {
    fn of(f: F) -> Self {
        Extreme { f, of: PhantomData }
    }
}

impl<T, V, F, W> Aggregate<T> for Extreme<F, W>
where
    V: PartialOrd + State,
    F: Fn(&T) -> V + Clone + Send + 'static,
    W: Wanted,
{
    type State = V;
    type Out = V;

    fn init(&self, first: &T) -> V {
        (self.f)(first)
    }
    #[inline]
    fn add(&self, extreme: &mut V, value: &T) {
        <Self as Aggregate<T>>::merge(self, extreme, (self.f)(value));
    }
    #[inline]
    fn merge(&self, extreme: &mut V, other: V) {
        if W::prefers(&other, extreme) {
            *extreme = other;
        }
    }
    fn finish(&self, extreme: V) -> V {
        extreme
    }
}
