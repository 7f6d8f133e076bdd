//! Numbers that can be summed.

use millstream_engine::state::State;

/// What [`sum`](crate::sum) and [`mean`](crate::mean) add up: the integers of Rust and its floats.
///
/// Integers saturate: a sum that would leave its type stays at the type's end. Sum into a wider type
/// (`sum(|r: &R| i64::from(r.n))`) where that can happen.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no number that can be summed",
    note = "`sum` and `mean` take Rust's integers and floats; for an `Option` filter before, or choose a value for `None`"
)]
pub trait Number: Copy + State {
    /// The sum.
    #[must_use]
    fn plus(self, other: Self) -> Self;

    /// The nearest float.
    fn to_f64(self) -> f64;
}

macro_rules! integers {
    ($($number:ty),+) => {$(
        impl Number for $number {
            #[inline]
            fn plus(self, other: Self) -> Self {
                self.saturating_add(other)
            }
            #[inline]
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )+};
}

macro_rules! floats {
    ($($number:ty),+) => {$(
        impl Number for $number {
            #[inline]
            fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
        }
    )+};
}

integers!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);
floats!(f32, f64);
