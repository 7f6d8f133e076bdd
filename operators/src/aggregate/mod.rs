//! What a window computes.

mod approx_distinct;
mod arg_extreme;
mod collect;
mod distinct;
mod extreme;
mod hyper_log_log;
mod number;
mod order;
mod quantiles;
mod simple;
mod top_n;
mod tuple;
mod variance;
mod wide;

pub use approx_distinct::{ApproxCountDistinct, approx_count_distinct};
pub use arg_extreme::{ArgExtreme, arg_max, arg_min, first_by, last_by};
pub use collect::{CollectUpTo, Collected, collect_up_to};
pub use distinct::{CountDistinct, Distinct, count_distinct, distinct};
pub use extreme::{Extreme, Max, Min, max, min};
pub use number::Number;
pub use order::{Highest, LatestHighest, Lowest};
pub use quantiles::{Quantiles, quantiles};
pub use simple::{Count, Mean, Sum, count, mean, sum};
pub use top_n::{TopN, top_n};
pub use variance::{Variance, std_dev, variance};

use millstream_engine::state::State;

/// Computes one result from many records, bit by bit.
///
/// There is no empty state: a window exists only once it has a record, so `init` starts from that.
///
/// # Contract
/// 1. `merge` of the states of two parts of the records equals the state of all of them, in whatever way they are
///    parted. (Float rounding aside, and what says that it goes by the order of arrival.)
/// 2. Where the order of arrival is known, `other` in `merge` holds the records that came later.
/// 3. Nothing but the records matters: no clock, no randomness.
/// 4. [`RETRACT`](Aggregate::RETRACT), if there is one, undoes `merge` to the bit, in any order.
///
/// Tuples of up to eight aggregates over the same records are an aggregate. Here is one of one's own:
///
/// ```
/// use millstream_operators::Aggregate;
///
/// /// The longest word.
/// #[derive(Clone)]
/// struct Longest;
///
/// impl Aggregate<String> for Longest {
///     type State = String;
///     type Out = String;
///
///     fn init(&self, first: &String) -> String {
///         first.clone()
///     }
///     fn add(&self, longest: &mut String, word: &String) {
///         if word.len() > longest.len() {
///             longest.clone_from(word);
///         }
///     }
///     fn merge(&self, longest: &mut String, other: String) {
///         self.add(longest, &other);
///     }
///     fn finish(&self, longest: String) -> String {
///         longest
///     }
/// }
/// ```
///
/// Idea: Tangwongsan et al., *General Incremental Sliding-Window Aggregation*, VLDB 2015.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no aggregate over `{T}`",
    note = "`count()`, `sum`, `min`, `max`, `mean` and their like are, tuples of them, and what implements \
            `Aggregate<{T}>`; a closure in one says what it takes: `mean(|record: &{T}| …)`"
)]
pub trait Aggregate<T>: Clone + Send + 'static {
    /// What is kept while the window is open.
    type State: State;
    /// What it comes to.
    type Out: Send + 'static;

    /// Takes out the state of records that were brought in before, while others remain; `None` if that cannot be done
    /// to the bit. Windows that slide cost one `merge` and one of these for each slide; without it they combine parts.
    ///
    /// For a count it is `Some(|_, count, gone| *count -= gone)`.
    const RETRACT: Option<Retract<Self, Self::State>> = None;

    /// The state of a single record.
    fn init(&self, first: &T) -> Self::State;

    /// Brings in one more record.
    fn add(&self, state: &mut Self::State, value: &T);

    /// Brings in the state of other records.
    fn merge(&self, state: &mut Self::State, other: Self::State);

    /// What the state comes to.
    fn finish(&self, state: Self::State) -> Self::Out;
}

/// Takes the state of some records out of that of more: the type of [`Aggregate::RETRACT`].
pub type Retract<A, S> = fn(&A, &mut S, &S);

#[cfg(test)]
mod tests;
