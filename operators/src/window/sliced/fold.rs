//! What the slices of one key come to, window after window.

use std::collections::VecDeque;

use millstream_engine::state::State;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;

/// A slice with what its records come to, under one key.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Slice<S> {
    /// Its number.
    pub(super) index: i64,
    pub(super) state: S,
}

/// The slices of one key that hold records, in the order of time.
pub(super) type Slices<S> = VecDeque<Slice<S>>;

/// What the first so many slices of a key come to: a window's worth.
///
/// # Contract
/// 1. [`push`](Fold::push) takes in the first slice that is not in it, [`pop`](Fold::pop) takes the first of all out
///    of it, and out of the slices. They cost the same few merges, however many slices there are.
/// 2. [`total`](Fold::total) is the merge of those that are in it, in their order.
/// 3. The states of the slices in it are its own: nobody else reads or writes them.
pub(super) trait Fold<T, A: Aggregate<T>>: Folded {
    /// Takes in the first slice that is not in it. There is one.
    fn push(&mut self, slices: &mut Slices<A::State>, aggregate: &A);

    /// Takes the first slice out. There is one.
    fn pop(&mut self, slices: &mut Slices<A::State>, aggregate: &A);

    /// Brings a record into slice `index`, which is not behind the last one in it.
    fn add_behind(&mut self, slices: &mut Slices<A::State>, index: i64, value: &T, aggregate: &A);

    /// What it comes to; nothing if nothing is in it.
    fn total(&self, slices: &Slices<A::State>, aggregate: &A) -> Option<A::State>;
}

/// What of a [`Fold`] has nothing to do with what it computes.
pub(super) trait Folded: Default + State {
    /// How it does it: part of the identity of saved state.
    const WAY: &'static str;

    /// How many slices are in it.
    fn len(&self) -> usize;

    /// Forgets what it keeps of slices before `start` besides.
    fn forget_before(&mut self, start: i64) {
        let _ = start;
    }
}

/// A running total: slices that come are merged into it, those that go are taken out again.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Retracting<S> {
    len: usize,
    total: Option<S>,
}

impl<S> Default for Retracting<S> {
    fn default() -> Self {
        Retracting {
            len: 0,
            total: None,
        }
    }
}

impl<S: State> Folded for Retracting<S> {
    const WAY: &'static str = "retracting";

    #[inline]
    fn len(&self) -> usize {
        self.len
    }
}

impl<T, S, A> Fold<T, A> for Retracting<S>
where
    S: State + Clone,
    A: Aggregate<T, State = S>,
{
    #[inline]
    fn push(&mut self, slices: &mut Slices<S>, aggregate: &A) {
        let Some(slice) = slices.get(self.len) else {
            return;
        };
        self.len += 1;
        merge(&mut self.total, slice.state.clone(), aggregate);
    }

    #[inline]
    fn pop(&mut self, slices: &mut Slices<S>, aggregate: &A) {
        let Some(gone) = slices.pop_front() else {
            return;
        };
        self.len = self.len.saturating_sub(1);
        match &mut self.total {
            Some(total) if self.len > 0 => {
                if let Some(retract) = A::RETRACT {
                    retract(aggregate, total, &gone.state);
                }
            }
            // There is no empty state.
            total => *total = None,
        }
    }

    fn add_behind(&mut self, slices: &mut Slices<S>, index: i64, value: &T, aggregate: &A) {
        match slices.binary_search_by_key(&index, |slice| slice.index) {
            Ok(at) => {
                if let Some(slice) = slices.get_mut(at) {
                    aggregate.add(&mut slice.state, value);
                }
            }
            Err(at) => {
                let state = aggregate.init(value);
                slices.insert(at, Slice { index, state });
                self.len += 1;
            }
        }
        if let Some(total) = &mut self.total {
            aggregate.add(total, value);
        }
    }

    #[inline]
    fn total(&self, _slices: &Slices<S>, _aggregate: &A) -> Option<S> {
        self.total.clone()
    }
}

/// Merges into what may be nothing yet.
#[inline]
pub(super) fn merge<T, A: Aggregate<T>>(
    into: &mut Option<A::State>,
    other: A::State,
    aggregate: &A,
) {
    match into {
        Some(state) => aggregate.merge(state, other),
        none => *none = Some(other),
    }
}
