//! Numbers that can be summed.

use millstream_engine::state::State;

use super::wide::Wide;

/// What [`sum`](crate::sum) and [`mean`](crate::mean) add up: the integers of Rust and its floats.
///
/// Integers are summed exactly, in a type too wide to overflow; only the result must fit again: a sum beyond its type
/// is given as the type's end. Sum into a wider type (`sum(|r: &R| i64::from(r.n))`) where that can happen. Floats are
/// summed as `f64` and round.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no number that can be summed",
    note = "`sum` and `mean` take Rust's integers and floats; for an `Option` filter before, or choose a value for `None`"
)]
pub trait Number: Copy + State {
    /// What a sum is kept in.
    type Total: Copy + State;

    /// Takes one total out of another, to the bit. `None` if that cannot be: floats have rounded.
    const MINUS: Option<fn(Self::Total, Self::Total) -> Self::Total>;

    /// The total of this number alone.
    fn total(self) -> Self::Total;

    /// Both totals together.
    fn plus(a: Self::Total, b: Self::Total) -> Self::Total;

    /// The number nearest to a total.
    fn nearest(total: Self::Total) -> Self;

    /// The float nearest to a total.
    fn to_f64(total: Self::Total) -> f64;
}

macro_rules! integers {
    ($($number:ty),+) => {$(
        /// Wrapping, because 2^63 numbers of the widest type fit.
        impl Number for $number {
            type Total = i128;
            const MINUS: Option<fn(i128, i128) -> i128> = Some(i128::wrapping_sub);

            #[inline]
            fn total(self) -> i128 {
                self as i128
            }
            #[inline]
            fn plus(a: i128, b: i128) -> i128 {
                a.wrapping_add(b)
            }
            fn nearest(total: i128) -> Self {
                total.clamp(Self::MIN as i128, Self::MAX as i128) as Self
            }
            fn to_f64(total: i128) -> f64 {
                total as f64
            }
        }
    )+};
}

macro_rules! wide_integers {
    ($($number:ty),+) => {$(
        impl Number for $number {
            type Total = Wide;
            const MINUS: Option<fn(Wide, Wide) -> Wide> = Some(Wide::minus);

            #[inline]
            fn total(self) -> Wide {
                self.into()
            }
            #[inline]
            fn plus(a: Wide, b: Wide) -> Wide {
                a.plus(b)
            }
            fn nearest(total: Wide) -> Self {
                total.into()
            }
            fn to_f64(total: Wide) -> f64 {
                total.to_f64()
            }
        }
    )+};
}

macro_rules! floats {
    ($($number:ty),+) => {$(
        impl Number for $number {
            type Total = f64;
            const MINUS: Option<fn(f64, f64) -> f64> = None;

            #[inline]
            fn total(self) -> f64 {
                f64::from(self)
            }
            #[inline]
            fn plus(a: f64, b: f64) -> f64 {
                a + b
            }
            fn nearest(total: f64) -> Self {
                total as Self
            }
            fn to_f64(total: f64) -> f64 {
                total
            }
        }
    )+};
}

integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);
wide_integers!(u128, i128);
floats!(f32, f64);
