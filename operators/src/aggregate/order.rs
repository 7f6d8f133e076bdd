//! Which of two values comes first, floats included.

use std::cmp::Ordering;

/// Whether `new` is further towards the wanted end than `old`. A NaN never is, and anything is ahead of a NaN.
#[inline]
pub(super) fn is_ahead<V: PartialOrd>(new: &V, old: &V, wanted: Ordering) -> bool {
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
