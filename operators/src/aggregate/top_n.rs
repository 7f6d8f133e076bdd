//! The few highest.

use millstream_engine::state::State;

use super::Aggregate;
use super::order::{Highest, Wanted};

/// What `value` makes of the `most` records with the highest `order`, from the highest on.
///
/// Of equal orders, the records that came first; where records of a key come from different replicas, they come in no
/// fixed order, so make the orders differ: `top_n(10, |bid: &Bid| (bid.price, bid.id), …)`. A NaN comes last. For the
/// lowest, take the order from zero: `-price`, or a [`Reverse`](std::cmp::Reverse) of it.
///
/// It keeps up to `most` orders and values; a record among the highest costs a place in a sorted list of them.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream_operators::top_n;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("bids", from_iter([("ann", 5), ("bob", 9), ("eve", 7)]))
///     .event_time(|_| Timestamp::from_secs(7), Lateness::none())
///     .key_by(|_| "vase".to_owned())
///     .window(Tumbling::of(minutes(1)))
///     .aggregate(
///         "highest-two",
///         top_n(2, |bid: &(&str, u64)| bid.1, |bid: &(&str, u64)| bid.0.to_owned()),
///     )
///     .map(|_, result| result.value.join(" "))
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), ["bob eve"]);
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// Source: `Top` of Beam, Top-N of Flink SQL.
pub fn top_n<T, O, V, G, F>(most: usize, order: G, value: F) -> TopN<G, F>
where
    O: PartialOrd,
    G: Fn(&T) -> O,
    F: Fn(&T) -> V,
{
    TopN { most, order, value }
}

/// See [`top_n`].
#[derive(Clone, Copy, Debug)]
pub struct TopN<G, F> {
    most: usize,
    order: G,
    value: F,
}

impl<G, F> TopN<G, F> {
    /// Puts a record in its place, if it has one.
    #[inline]
    fn place<O: PartialOrd, V>(&self, best: &mut Vec<(O, V)>, order: O, value: impl FnOnce() -> V) {
        let is_full = best.len() >= self.most;
        if is_full
            && !best
                .last()
                .is_some_and(|last| Highest::prefers(&order, &last.0))
        {
            return;
        }
        let place = best.partition_point(|(before, _)| !Highest::prefers(&order, before));
        if is_full {
            best.pop();
        }
        best.insert(place.min(best.len()), (order, value()));
    }
}

impl<T, O, V, G, F> Aggregate<T> for TopN<G, F>
where
    O: PartialOrd + State,
    V: State,
    G: Fn(&T) -> O + Clone + Send + 'static,
    F: Fn(&T) -> V + Clone + Send + 'static,
{
    type State = Vec<(O, V)>;
    type Out = Vec<V>;

    fn init(&self, first: &T) -> Vec<(O, V)> {
        let mut best = Vec::new();
        self.add(&mut best, first);
        best
    }
    #[inline]
    fn add(&self, best: &mut Vec<(O, V)>, value: &T) {
        self.place(best, (self.order)(value), || (self.value)(value));
    }
    fn merge(&self, best: &mut Vec<(O, V)>, other: Vec<(O, V)>) {
        for (order, value) in other {
            self.place(best, order, || value);
        }
    }
    fn finish(&self, best: Vec<(O, V)>) -> Vec<V> {
        best.into_iter().map(|(_, value)| value).collect()
    }
}
