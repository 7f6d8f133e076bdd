//! Windows that slide: each record touches one slice, whatever the size and the slide.
//!
//! Where they are cut says [`cut`](crate::window::cut). By duty: [`key_slices`] is what a key has; [`fold`] is what its
//! slices come to, by retraction or by [`daba`]; [`rounds`] says which keys speak for a window; [`live`] is all of
//! that together. Over it are two operators: [`once`] for windows that speak once, [`panes`] for the others.
//!
//! A key's slices are kept in the order of time, only those that hold records. The first of them are in its fold:
//! those a window that has ended had in it. The others are open, and only they are touched by a record that is not
//! behind the watermark. When the watermark passes the end of a window, each key that has something in it is visited
//! once: the slices that are behind go out of its fold, those that are new in the window (two at most, but for gaps
//! and stragglers) come in, and that is what it comes to.

mod daba;
mod fold;
mod key_slices;
mod live;
mod once;
mod panes;
mod rounds;

use millstream_engine::plan::MakeOperator;

use crate::aggregate::Aggregate;
use crate::keyed::Key;
use crate::window::rules::Rules;
use crate::window::{Sliding, WindowAssigner};
use daba::Daba;
use fold::{Fold, Retracting};
use once::SlicedAggregate;
use panes::SlicedPanes;

/// Makes the operator of windows that slide and speak once, when the watermark passes their end: with the kind of its
/// state. Results leave by output 0, late records (if they are given) by output 1.
pub(super) fn sliced<K, T, A>(
    windows: Sliding,
    aggregate: A,
    gives_late: bool,
) -> (MakeOperator, String)
where
    K: Key,
    T: Send + 'static,
    A: Aggregate<T, State: Clone>,
{
    if A::RETRACT.is_some() {
        once_by::<K, T, A, Retracting<A::State>>(windows, aggregate, gives_late)
    } else {
        once_by::<K, T, A, Daba<A::State>>(windows, aggregate, gives_late)
    }
}

fn once_by<K, T, A, F>(windows: Sliding, aggregate: A, gives_late: bool) -> (MakeOperator, String)
where
    K: Key,
    T: Send + 'static,
    A: Aggregate<T>,
    F: Fold<T, A>,
{
    let kind = format!("{}, sliced, {}", windows.kind(), F::WAY);
    let make: MakeOperator = Box::new(move |_| {
        let aggregate = aggregate.clone();
        Box::new(SlicedAggregate::<K, T, A, F>::new(
            windows, aggregate, gives_late,
        ))
    });
    (make, kind)
}

/// The same of windows that slide and speak more than once, are kept behind their end, or go by processing time: all
/// but those that count their records before they end.
pub(super) fn sliced_with_panes<K, T, A>(
    windows: Sliding,
    rules: impl Fn() -> Rules + Send + 'static,
    aggregate: A,
) -> (MakeOperator, &'static str)
where
    K: Key,
    T: Send + 'static,
    A: Aggregate<T, State: Clone>,
{
    if A::RETRACT.is_some() {
        panes_by::<K, T, A, Retracting<A::State>>(windows, rules, aggregate)
    } else {
        panes_by::<K, T, A, Daba<A::State>>(windows, rules, aggregate)
    }
}

fn panes_by<K, T, A, F>(
    windows: Sliding,
    rules: impl Fn() -> Rules + Send + 'static,
    aggregate: A,
) -> (MakeOperator, &'static str)
where
    K: Key,
    T: Send + 'static,
    A: Aggregate<T, State: Clone>,
    F: Fold<T, A> + Clone,
{
    let make: MakeOperator = Box::new(move |_| {
        let aggregate = aggregate.clone();
        Box::new(SlicedPanes::<K, T, A, F>::new(windows, rules(), aggregate))
    });
    (make, F::WAY)
}
