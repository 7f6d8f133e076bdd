//! Lowest and highest.

use std::cmp::Ordering;

use millstream_engine::state::State;

use super::Aggregate;
use super::order::is_ahead;

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
    Extreme(f)
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
    Extreme(f)
}

/// See [`min`].
pub type Min<F> = Extreme<F, false>;

/// See [`max`].
pub type Max<F> = Extreme<F, true>;

/// See [`min`] and [`max`].
#[derive(Clone, Copy, Debug)]
pub struct Extreme<F, const HIGHEST: bool>(F);

impl<T, V, F, const HIGHEST: bool> Aggregate<T> for Extreme<F, HIGHEST>
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
    fn add(&self, extreme: &mut V, value: &T) {
        <Self as Aggregate<T>>::merge(self, extreme, (self.0)(value));
    }
    #[inline]
    fn merge(&self, extreme: &mut V, other: V) {
        let wanted = match HIGHEST {
            true => Ordering::Greater,
            false => Ordering::Less,
        };
        if is_ahead(&other, extreme, wanted) {
            *extreme = other;
        }
    }
    fn finish(&self, extreme: V) -> V {
        extreme
    }
}
