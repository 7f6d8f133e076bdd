//! What is kept under one key.

use crate::aggregate::Aggregate;
use crate::window::cut::SlicedWindow;
use crate::window::sliced::fold::{Fold, Folded, Slice, Slices};
use crate::window::sliced::rounds::Visits;

/// What is kept under a key, and `N` besides.
pub(super) struct KeySlices<S, F, N = ()> {
    slices: Slices<S>,
    /// None of them is behind this index: to know it without a look at them.
    last: i64,
    /// The slice behind them, if there is one that is not in the fold: most records are for it, and need no look at the
    /// others, which are far away.
    newest: Option<Slice<S>>,
    /// Of the first of the slices.
    fold: F,
    pub(super) turn: Visits,
    pub(super) noted: N,
}

impl<S, F: Default, N: Default> Default for KeySlices<S, F, N> {
    fn default() -> Self {
        KeySlices {
            slices: Slices::new(),
            last: i64::MIN,
            newest: None,
            fold: F::default(),
            turn: Visits::Never,
            noted: N::default(),
        }
    }
}

impl<S, F, N> KeySlices<S, F, N> {
    /// Puts the newest slice with the others.
    #[inline]
    fn settle(&mut self) {
        if let Some(newest) = self.newest.take() {
            self.last = newest.index;
            self.slices.push_back(newest);
        }
    }

    /// All slices, and what is noted besides.
    pub(super) fn settled(&mut self) -> (&mut Slices<S>, &mut F, &mut N) {
        self.settle();
        (&mut self.slices, &mut self.fold, &mut self.noted)
    }

    /// Takes over what was saved.
    pub(super) fn restore(&mut self, slices: Slices<S>, fold: F) {
        self.last = slices.back().map_or(i64::MIN, |last| last.index);
        (self.slices, self.fold) = (slices, fold);
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
        match &mut self.newest {
            Some(newest) if newest.index == index => {
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
        let newest = self.newest.as_ref().map(|newest| newest.index);
        if index > newest.unwrap_or(self.last) {
            self.settle();
            let state = aggregate.init(value);
            self.newest = Some(Slice { index, state });
            return self.slices.is_empty();
        }
        let folded = self.fold.len().checked_sub(1);
        let last = folded.and_then(|at| self.slices.get(at));
        if last.is_some_and(|last| index <= last.index) {
            self.fold
                .add_behind(&mut self.slices, index, value, aggregate);
            return false;
        }
        if self.newest.is_none()
            && let Some(mut saved) = self.slices.pop_back_if(|last| last.index == index)
        {
            aggregate.add(&mut saved.state, value);
            self.newest = Some(saved);
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
        if (self.newest.as_ref()).is_some_and(|newest| newest.index < window.behind) {
            self.settle();
        }
        slide(&mut self.slices, &mut self.fold, window, aggregate)
    }

    /// Reads what most records touch, to have it near.
    #[inline]
    pub(super) fn read_newest(&self) -> u64 {
        (self.newest.as_ref()).map_or(0, |newest| newest.index as u64)
    }

    /// Reads what a window touches.
    #[inline]
    pub(super) fn read_ends(&self) -> u64 {
        let index = |slice: Option<&Slice<S>>| slice.map_or(0, |slice| slice.index as u64);
        index(self.slices.front()) ^ index(self.slices.back()) ^ self.read_newest()
    }

    /// The first slice that is not in its fold, when that has been forgotten.
    pub(super) fn first_open(&self) -> Option<i64> {
        let first = self.slices.front().or(self.newest.as_ref());
        first.map(|slice| slice.index)
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
