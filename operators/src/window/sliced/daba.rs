//! Slices that can be merged but not taken out again: DABA Lite.

use millstream_engine::state::State;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::window::sliced::fold::{Fold, Folded, Slice, Slices, merge};

/// The merge of a first-in-first-out queue of slices, at no more than six merges for a slice in, a slice out and a
/// total, each time.
///
/// Two stacks would do it in three on average: the back one holds the merge of what came in, the front one for each
/// slice the merge from there to its end, which is at hand when the slices before are gone. But when the
/// front is used up, the whole back must be turned into a new front at once: the *flip*. Here the next front is made
/// in small steps meanwhile. The states of the slices lie in five regions, in this order; what is kept in place of a
/// slice's state is the merge from there
///
/// ```text
///  0       left     right    all      border     len
///  |  front  |  left  | right  |  all   |  back   |
///  to border  to right   alone   to border   alone
/// ```
///
/// and besides `middle`, the merge of right and all, and `newest`, the merge of the back. A step widens `front`
/// by one slice of `left` and `all` by one of `right`, which have the same length; when both are used up,
/// everything up to `border` is a front. By then, or as soon as the back has grown as long as that, the next round
/// begins, with no work at all.
///
/// A record behind the watermark, for a slice that is in it already, goes to the stragglers: a front of their own,
/// as many merges each as there are slices among them before it.
///
/// Source: Tangwongsan, Hirzel and Schneider, *In-order sliding-window aggregation in worst-case constant time*,
/// VLDB Journal 2021.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Daba<S> {
    left: usize,
    right: usize,
    all: usize,
    border: usize,
    len: usize,
    middle: Option<S>,
    newest: Option<S>,
    /// The last slice first, and with each the merge of all that stand before it: so the first to go is at the end.
    stragglers: Vec<Slice<S>>,
}

impl<S> Default for Daba<S> {
    fn default() -> Self {
        Daba {
            left: 0,
            right: 0,
            all: 0,
            border: 0,
            len: 0,
            middle: None,
            newest: None,
            stragglers: Vec::new(),
        }
    }
}

impl<S: State> Folded for Daba<S> {
    const WAY: &'static str = "combining";

    #[inline]
    fn len(&self) -> usize {
        self.len
    }

    fn forget_before(&mut self, start: i64) {
        while self
            .stragglers
            .pop_if(|slice| slice.index < start)
            .is_some()
        {}
    }
}

impl<T, S, A> Fold<T, A> for Daba<S>
where
    S: State + Clone,
    A: Aggregate<T, State = S>,
{
    fn push(&mut self, slices: &mut Slices<S>, aggregate: &A) {
        let Some(slice) = slices.get(self.len) else {
            return;
        };
        merge(&mut self.newest, slice.state.clone(), aggregate);
        self.len += 1;
        self.step(slices, aggregate);
    }

    fn pop(&mut self, slices: &mut Slices<S>, aggregate: &A) {
        if slices.pop_front().is_none() {
            return;
        }
        for end in [
            &mut self.left,
            &mut self.right,
            &mut self.all,
            &mut self.border,
            &mut self.len,
        ] {
            *end = end.saturating_sub(1);
        }
        self.step(slices, aggregate);
    }

    fn add_behind(&mut self, _slices: &mut Slices<S>, index: i64, value: &T, aggregate: &A) {
        let later = self.stragglers.partition_point(|slice| slice.index > index);
        if self
            .stragglers
            .get(later)
            .is_none_or(|slice| slice.index < index)
        {
            let state = match later.checked_sub(1).and_then(|at| self.stragglers.get(at)) {
                Some(behind) => {
                    let mut state = behind.state.clone();
                    aggregate.add(&mut state, value);
                    state
                }
                None => aggregate.init(value),
            };
            self.stragglers.insert(later, Slice { index, state });
        } else if let Some(slice) = self.stragglers.get_mut(later) {
            aggregate.add(&mut slice.state, value);
        }
        for slice in self.stragglers.iter_mut().skip(later + 1) {
            aggregate.add(&mut slice.state, value);
        }
    }

    #[inline]
    fn total(&self, slices: &Slices<S>, aggregate: &A) -> Option<S> {
        let mut total = match self.border {
            0 => None,
            _ => slices.front().map(|slice| slice.state.clone()),
        };
        if let Some(newest) = &self.newest {
            merge(&mut total, newest.clone(), aggregate);
        }
        if let Some(stragglers) = self.stragglers.last() {
            merge(&mut total, stragglers.state.clone(), aggregate);
        }
        total
    }
}

impl<S: State + Clone> Daba<S> {
    /// What is done after each slice that came or went: the next front grows.
    #[inline]
    fn step<T, A: Aggregate<T, State = S>>(&mut self, slices: &mut Slices<S>, aggregate: &A) {
        if self.border == 0 {
            // The front is used up; what is behind is one slice at most, and its own front.
            (self.left, self.right) = (self.len, self.len);
            (self.all, self.border) = (self.len, self.len);
            (self.middle, self.newest) = (None, None);
            return;
        }
        if self.left == self.border {
            // The back is as long as the front: the next round begins.
            (self.left, self.right) = (0, self.border);
            (self.all, self.border) = (self.len, self.len);
            self.middle = self.newest.take();
        }
        if self.left == self.right {
            self.left += 1;
            self.right += 1;
            self.all += 1;
            return;
        }
        if let (Some(slice), Some(middle)) = (slices.get_mut(self.left), &self.middle) {
            aggregate.merge(&mut slice.state, middle.clone());
        }
        self.left += 1;
        let behind = self.all;
        self.all = self.all.saturating_sub(1);
        if behind < self.border
            && let Some(rest) = slices.get(behind).map(|slice| slice.state.clone())
            && let Some(slice) = slices.get_mut(self.all)
        {
            aggregate.merge(&mut slice.state, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    /// Joins texts: merged in another order, they are another text. Counts its merges.
    #[derive(Clone)]
    struct Concat<'a>(&'a AtomicU64);

    impl Aggregate<String> for Concat<'static> {
        type State = String;
        type Out = String;

        fn init(&self, first: &String) -> String {
            first.clone()
        }
        fn add(&self, text: &mut String, value: &String) {
            text.push_str(value);
        }
        fn merge(&self, text: &mut String, other: String) {
            self.0.fetch_add(1, Ordering::Relaxed);
            text.push_str(&other);
        }
        fn finish(&self, text: String) -> String {
            text
        }
    }

    fn concat() -> Concat<'static> {
        Concat(Box::leak(Box::new(AtomicU64::new(0))))
    }

    /// Slices that come and go: what they come to each time, and the most merges one step took.
    fn play(steps: impl Iterator<Item = bool>) -> u64 {
        let aggregate = concat();
        let (mut fold, mut slices) = (Daba::<String>::default(), Slices::new());
        let mut naive: Vec<String> = Vec::new();
        let (mut next, mut most) = (0, 0);
        for comes in steps {
            let before = aggregate.0.load(Ordering::Relaxed);
            if comes {
                let state = format!("{next},");
                naive.push(state.clone());
                slices.push_back(Slice { index: next, state });
                next += 1;
                Fold::<String, _>::push(&mut fold, &mut slices, &aggregate);
            } else if !naive.is_empty() {
                naive.remove(0);
                Fold::<String, _>::pop(&mut fold, &mut slices, &aggregate);
            }
            let total = Fold::<String, _>::total(&fold, &slices, &aggregate);
            assert_eq!(total.unwrap_or_default(), naive.concat());
            assert_eq!((slices.len(), fold.len), (naive.len(), naive.len()));
            most = most.max(aggregate.0.load(Ordering::Relaxed) - before);
        }
        most
    }

    proptest! {
        #[test]
        fn it_is_the_merge_in_order_whatever_comes_and_goes(
            steps in proptest::collection::vec(prop::bool::weighted(0.55), 0..300),
        ) {
            prop_assert!(play(steps.into_iter()) <= 4);
        }
    }

    #[test]
    fn no_step_costs_more_than_another_however_long_the_queue() {
        for length in [1, 2, 3, 10, 100, 500] {
            let fill = std::iter::repeat_n(true, length);
            let slide = (0..1_500).map(|step| step % 2 == 0);
            assert!(play(fill.chain(slide).chain(std::iter::repeat_n(false, length))) <= 4);
        }
    }

    proptest! {
        #[test]
        fn stragglers_count_until_their_slice_goes(
            all in proptest::collection::vec((0..20i64, 0..20i64), 0..40),
        ) {
            let aggregate = crate::sum(|value: &i64| *value);
            let mut fold = Daba::<i128>::default();
            let mut slices = Slices::new();
            for index in 0..20 {
                slices.push_back(Slice { index, state: 0 });
                fold.push(&mut slices, &aggregate);
            }
            for (index, value) in &all {
                fold.add_behind(&mut slices, *index, value, &aggregate);
            }
            for start in 0..20 {
                let since = all.iter().filter(|(index, _)| *index >= start);
                let expected: i128 = since.map(|(_, value)| i128::from(*value)).sum();
                fold.forget_before(start);
                prop_assert_eq!(fold.total(&slices, &aggregate), Some(expected));
                fold.pop(&mut slices, &aggregate);
            }
        }
    }
}
