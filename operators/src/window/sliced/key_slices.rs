//! What is kept under one key.

use crate::aggregate::Aggregate;
use crate::window::cut::SlicedWindow;
use crate::window::sliced::fold::{Fold, Folded, Slice, Slices};
use crate::window::sliced::rounds::Turn;

/// What is kept under a key, and `N` besides.
pub(super) struct KeySlices<S, F, N = ()> {
    pub(super) slices: Slices<S>,
    /// Of the first of them.
    pub(super) fold: F,
    pub(super) turn: Turn,
    pub(super) noted: N,
}

impl<S, F: Default, N: Default> Default for KeySlices<S, F, N> {
    fn default() -> Self {
        KeySlices {
            slices: Slices::new(),
            fold: F::default(),
            turn: Turn::Never,
            noted: N::default(),
        }
    }
}

impl<S, F: Folded, N> KeySlices<S, F, N> {
    /// Brings in a record. Says whether its slice is now the first of all, and new.
    #[inline]
    pub(super) fn add<T, A>(&mut self, index: i64, value: &T, aggregate: &A) -> bool
    where
        A: Aggregate<T, State = S>,
        F: Fold<T, A>,
    {
        let has_open = self.fold.len() < self.slices.len();
        match self.slices.back_mut() {
            Some(newest) if newest.index == index && has_open => {
                aggregate.add(&mut newest.state, value);
                false
            }
            _ => self.add_elsewhere(index, value, aggregate),
        }
    }

    #[inline(never)]
    fn add_elsewhere<T, A>(&mut self, index: i64, value: &T, aggregate: &A) -> bool
    where
        A: Aggregate<T, State = S>,
        F: Fold<T, A>,
    {
        let folded = self.fold.len().checked_sub(1);
        let last = folded.and_then(|at| self.slices.get(at));
        if last.is_some_and(|last| index <= last.index) {
            self.fold
                .add_behind(&mut self.slices, index, value, aggregate);
            return false;
        }
        if self
            .slices
            .back()
            .is_some_and(|newest| newest.index < index)
        {
            let state = aggregate.init(value);
            self.slices.push_back(Slice { index, state });
            return false;
        }
        match self
            .slices
            .binary_search_by_key(&index, |slice| slice.index)
        {
            Ok(at) => {
                if let Some(slice) = self.slices.get_mut(at) {
                    aggregate.add(&mut slice.state, value);
                }
                false
            }
            Err(at) => {
                let state = aggregate.init(value);
                self.slices.insert(at, Slice { index, state });
                at == 0
            }
        }
    }

    /// Moves its fold on to a window; gives what it comes to there.
    #[inline]
    pub(super) fn slide<T, A>(&mut self, window: &SlicedWindow, aggregate: &A) -> Option<S>
    where
        A: Aggregate<T, State = S>,
        F: Fold<T, A>,
    {
        slide(&mut self.slices, &mut self.fold, window, aggregate)
    }

    /// Reads what most records touch, to have it near.
    #[inline]
    pub(super) fn read_last(&self) -> u64 {
        self.slices.back().map_or(0, |slice| slice.index as u64)
    }

    /// Reads what a window touches.
    #[inline]
    pub(super) fn read_ends(&self) -> u64 {
        let first = self.slices.front().map_or(0, |slice| slice.index as u64);
        first ^ self.read_last()
    }

    /// Whether its fold has a slice from `first` on.
    #[inline]
    pub(super) fn has_folded_since(&self, first: i64) -> bool {
        let last = self.fold.len().checked_sub(1);
        let last = last.and_then(|at| self.slices.get(at));
        last.is_some_and(|slice| slice.index >= first)
    }

    /// Forgets its fold and the slices in it.
    pub(super) fn forget_folded(&mut self) {
        let folded = self.fold.len().min(self.slices.len());
        self.slices.drain(..folded);
        self.fold = F::default();
    }
}

/// Moves a fold of the first of these slices on to a window; gives what it comes to there.
#[inline]
pub(super) fn slide<T, A, F>(
    slices: &mut Slices<A::State>,
    fold: &mut F,
    window: &SlicedWindow,
    aggregate: &A,
) -> Option<A::State>
where
    A: Aggregate<T>,
    F: Fold<T, A>,
{
    while slices
        .front()
        .is_some_and(|slice| slice.index < window.first)
    {
        match fold.len() {
            0 => drop(slices.pop_front()),
            _ => fold.pop(slices, aggregate),
        }
    }
    fold.forget_before(window.first);
    while let Some(slice) = slices.get(fold.len())
        && slice.index < window.behind
    {
        fold.push(slices, aggregate);
    }
    fold.total(slices, aggregate)
}
