//! What a window computes.

mod number;
mod simple;
mod tuple;

pub use number::Number;
pub use simple::{Count, Max, Mean, Min, Sum, count, max, mean, min, sum};

use millstream_engine::state::State;

/// Computes one result from many records, bit by bit.
///
/// There is no empty state: a window exists only once it has a record, so `init` starts from that.
///
/// # Contract
/// 1. `merge` of the states of two parts of the records equals the state of all of them, in whatever way they are
///    parted. (Float rounding aside.)
/// 2. Nothing but the records matters: no clock, no randomness.
/// 3. If it is [`INVERTIBLE`](Aggregate::INVERTIBLE), `retract` undoes `merge` to the bit, in any order.
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
    note = "`count()`, `sum`, `min`, `max` and `mean` are, tuples of them, and what implements `Aggregate<{T}>`; a \
            closure in one says what it takes: `mean(|record: &{T}| …)`"
)]
pub trait Aggregate<T>: Clone + Send + 'static {
    /// What is kept while the window is open.
    type State: State;
    /// What it comes to.
    type Out: Send + 'static;

    /// Whether a state can be taken out again. Windows that slide then cost one `merge` and one `retract` for
    /// each slide; without it they combine parts.
    const INVERTIBLE: bool = false;

    /// The state of a single record.
    fn init(&self, first: &T) -> Self::State;

    /// Brings in one more record.
    fn add(&self, state: &mut Self::State, value: &T);

    /// Brings in the state of other records.
    fn merge(&self, state: &mut Self::State, other: Self::State);

    /// Takes out the state of records that were brought in before; asked for only if it is
    /// [`INVERTIBLE`](Aggregate::INVERTIBLE). Others remain.
    fn retract(&self, state: &mut Self::State, gone: &Self::State) {
        let _ = (state, gone);
    }

    /// What the state comes to.
    fn finish(&self, state: Self::State) -> Self::Out;
}

#[cfg(test)]
mod tests;
