//! What goes with the lowest or highest: arg-min, arg-max, first and last.

use std::marker::PhantomData;

use millstream_engine::state::State;

use super::Aggregate;
use super::order::{Highest, LatestHighest, Lowest, Wanted};

/// What `value` makes of the record with the lowest `order`. Of equal ones, the record that came first.
///
/// Records of one key that come from different replicas come in no fixed order; where orders can be equal, make them
/// differ: `arg_min(|bid: &Bid| (bid.price, bid.id), …)`. A NaN counts only if there is nothing else.
///
/// It keeps one order and one value.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream::operators::arg_min;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// /// (second, shop, price)
/// type Offer = (i64, &'static str, u64);
///
/// flow.source("offers", from_iter([(1, "north", 7), (2, "south", 4), (3, "east", 9)]))
///     .event_time(|(at, ..)| Timestamp::from_secs(*at), Lateness::none())
///     .key_by(|_| "vase".to_owned())
///     .window(Tumbling::of(minutes(1)))
///     .aggregate("cheapest", arg_min(|offer: &Offer| offer.2, |offer: &Offer| offer.1.to_owned()))
///     .map(|_, result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), ["south"]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub fn arg_min<T, O, V, G, F>(order: G, value: F) -> ArgExtreme<G, F, Lowest>
where
    O: PartialOrd,
    G: Fn(&T) -> O,
    F: Fn(&T) -> V,
{
    ArgExtreme::new(order, value)
}

/// What `value` makes of the record with the highest `order`. Of equal ones, the record that came first; see
/// [`arg_min`].
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream_operators::arg_max;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("bids", from_iter([(1, "ann", 5), (2, "bob", 9), (3, "eve", 7)]))
///     .event_time(|(at, ..)| Timestamp::from_secs(*at), Lateness::none())
///     .key_by(|_| "vase".to_owned())
///     .window(Tumbling::of(minutes(1)))
///     .aggregate(
///         "highest-bidder",
///         arg_max(|bid: &(i64, &str, u64)| bid.2, |bid: &(i64, &str, u64)| bid.1.to_owned()),
///     )
///     .map(|_, result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), ["bob"]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub fn arg_max<T, O, V, G, F>(order: G, value: F) -> ArgExtreme<G, F, Highest>
where
    O: PartialOrd,
    G: Fn(&T) -> O,
    F: Fn(&T) -> V,
{
    ArgExtreme::new(order, value)
}

/// What `value` makes of the first record by `order`: by its time, a sequence number, both. Of equal ones, the record
/// that came first.
///
/// The order is asked for because arrival is none: records of one key come from several replicas. See [`arg_min`].
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream::operators::first_by;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// /// (number, status)
/// type Change = (u64, &'static str);
///
/// flow.source("changes", from_iter([(2, "paid"), (1, "placed"), (3, "sent")]))
///     .event_time(|_| Timestamp::from_secs(7), Lateness::none())
///     .key_by(|_| "order".to_owned())
///     .window(Tumbling::of(minutes(1)))
///     .aggregate("begins", first_by(|change: &Change| change.0, |change: &Change| change.1.to_owned()))
///     .map(|_, result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), ["placed"]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub fn first_by<T, O, V, G, F>(order: G, value: F) -> ArgExtreme<G, F, Lowest>
where
    O: PartialOrd,
    G: Fn(&T) -> O,
    F: Fn(&T) -> V,
{
    ArgExtreme::new(order, value)
}

/// What `value` makes of the last record by `order`: by its time, a sequence number, both. Of equal ones, the record
/// that came last. See [`first_by`].
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream_operators::{first_by, last_by};
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// /// (time, price)
/// type Trade = (i64, u64);
///
/// flow.source("trades", from_iter([(10, 7), (5, 4), (50, 6), (20, 9)]))
///     .event_time(|(at, _)| Timestamp::from_secs(*at), Lateness::bounded(minutes(1)))
///     .key_by(|_| "vase".to_owned())
///     .window(Tumbling::of(minutes(1)))
///     .aggregate(
///         "open-and-close",
///         (
///             first_by(|trade: &Trade| trade.0, |trade: &Trade| trade.1),
///             last_by(|trade: &Trade| trade.0, |trade: &Trade| trade.1),
///         ),
///     )
///     .map(|_, result| result.value)
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [(4, 6)]);
/// # Ok::<(), millstream::Error>(())
/// ```
pub fn last_by<T, O, V, G, F>(order: G, value: F) -> ArgExtreme<G, F, LatestHighest>
where
    O: PartialOrd,
    G: Fn(&T) -> O,
    F: Fn(&T) -> V,
{
    ArgExtreme::new(order, value)
}

/// See [`arg_min`], [`arg_max`], [`first_by`] and [`last_by`].
#[derive(Clone, Copy, Debug)]
pub struct ArgExtreme<G, F, W> {
    order: G,
    value: F,
    of: PhantomData<W>,
}

impl<G, F, W> ArgExtreme<G, F, W> {
    fn new(order: G, value: F) -> Self {
        let of = PhantomData;
        ArgExtreme { order, value, of }
    }
}

impl<T, O, V, G, F, W> Aggregate<T> for ArgExtreme<G, F, W>
where
    O: PartialOrd + State,
    V: State,
    G: Fn(&T) -> O + Clone + Send + 'static,
    F: Fn(&T) -> V + Clone + Send + 'static,
    W: Wanted,
{
    type State = (O, V);
    type Out = V;

    fn init(&self, first: &T) -> (O, V) {
        ((self.order)(first), (self.value)(first))
    }
    #[inline]
    fn add(&self, state: &mut (O, V), value: &T) {
        let order = (self.order)(value);
        if W::prefers(&order, &state.0) {
            *state = (order, (self.value)(value));
        }
    }
    fn merge(&self, state: &mut (O, V), other: (O, V)) {
        if W::prefers(&other.0, &state.0) {
            *state = other;
        }
    }
    fn finish(&self, state: (O, V)) -> V {
        state.1
    }
}
