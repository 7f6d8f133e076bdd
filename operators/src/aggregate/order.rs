//! Which of two values comes first, and which of them is kept; floats included.

use std::cmp::Ordering;
use std::fmt;

/// Which of two values is kept: an end of their order.
pub trait Wanted: Copy + fmt::Debug + Send + 'static {
    /// Whether `new` is kept in place of `old`, which came before.
    fn prefers<V: PartialOrd>(new: &V, old: &V) -> bool;
}

/// The lowest value; of equal ones the first: what [`min`](crate::min), [`arg_min`](crate::arg_min) and
/// [`first_by`](crate::first_by) keep.
#[derive(Clone, Copy, Debug)]
pub struct Lowest;

/// The highest value; of equal ones the first: what [`max`](crate::max) and [`arg_max`](crate::arg_max) keep.
#[derive(Clone, Copy, Debug)]
pub struct Highest;

/// The highest value; of equal ones the last: what [`last_by`](crate::last_by) keeps.
#[derive(Clone, Copy, Debug)]
pub struct LatestHighest;

impl Wanted for Lowest {
    #[inline]
    fn prefers<V: PartialOrd>(new: &V, old: &V) -> bool {
        is_ahead(new, old, Ordering::Less)
    }
}

impl Wanted for Highest {
    #[inline]
    fn prefers<V: PartialOrd>(new: &V, old: &V) -> bool {
        is_ahead(new, old, Ordering::Greater)
    }
}

impl Wanted for LatestHighest {
    #[inline]
    fn prefers<V: PartialOrd>(new: &V, old: &V) -> bool {
        Highest::prefers(new, old) || new == old
    }
}

/// Whether `new` is further towards the wanted end than `old`. A NaN never is, and anything is ahead of a NaN.
#[inline]
fn is_ahead<V: PartialOrd>(new: &V, old: &V, wanted: Ordering) -> bool {
    match new.partial_cmp(old) {
        Some(ordering) => ordering == wanted,
        None => is_nan(old) && !is_nan(new),
    }
}

/// Whether a value does not even compare with itself.
#[inline]
fn is_nan<V: PartialOrd>(value: &V) -> bool {
    value.partial_cmp(value).is_none()
}
