//! The records themselves.

use millstream_engine::state::State;
use serde::{Deserialize, Serialize};

use super::Aggregate;

/// What `f` makes of the records, in the order they come: of at most `most` of them.
///
/// How many more there were is told with them. Records of one key that come from different replicas come in no fixed
/// order: where it matters, collect the time as well and sort, or take [`top_n`](crate::top_n), which keeps the same
/// ones in any order. It keeps up to `most` values.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream_operators::collect_up_to;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("text", from_iter(["to", "be", "or", "not"]))
///     .event_time(|word| Timestamp::from_secs(word.len() as i64), Lateness::bounded(minutes(1)))
///     .key_by(|_| "line".to_owned())
///     .window(Tumbling::of(minutes(1)))
///     .aggregate("words", collect_up_to(3, |word: &&str| word.to_string()))
///     .map(|_, result| (result.value.values.join(" "), result.value.left_out))
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(1).simulate(1)?;
/// assert_eq!(results.take(), [("to be or".to_owned(), 1)]);
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// Source: `COLLECT` of SQL; that it has a bound is ours.
pub fn collect_up_to<T, V, F: Fn(&T) -> V>(most: usize, f: F) -> CollectUpTo<F> {
    CollectUpTo { most, f }
}

/// See [`collect_up_to`].
#[derive(Clone, Copy, Debug)]
pub struct CollectUpTo<F> {
    most: usize,
    f: F,
}

/// What [`collect_up_to`] gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Collected<V> {
    /// The values, in the order they came.
    pub values: Vec<V>,
    /// How many more there were.
    pub left_out: u64,
}

impl<T, V, F> Aggregate<T> for CollectUpTo<F>
where
    V: State,
    F: Fn(&T) -> V + Clone + Send + 'static,
{
    type State = Collected<V>;
    type Out = Collected<V>;

    fn init(&self, first: &T) -> Collected<V> {
        let mut state = Collected {
            values: Vec::new(),
            left_out: 0,
        };
        self.add(&mut state, first);
        state
    }

    #[inline]
    fn add(&self, state: &mut Collected<V>, value: &T) {
        if state.values.len() < self.most {
            state.values.push((self.f)(value));
        } else {
            state.left_out += 1;
        }
    }

    fn merge(&self, state: &mut Collected<V>, mut other: Collected<V>) {
        let room = self.most.saturating_sub(state.values.len());
        let too_many = other.values.len().saturating_sub(room);
        state.left_out += other.left_out + too_many as u64;
        other.values.truncate(room);
        state.values.append(&mut other.values);
    }

    fn finish(&self, state: Collected<V>) -> Collected<V> {
        state
    }
}
