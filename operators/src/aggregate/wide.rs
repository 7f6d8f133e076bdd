//! Integers wide enough for sums of the widest ones there are.

use serde::{Deserialize, Serialize};

/// An integer of 192 bits, in two's complement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wide {
    high: i64,
    low: u128,
}

impl Wide {
    #[inline]
    pub(super) fn plus(self, other: Wide) -> Wide {
        let (low, carry) = self.low.overflowing_add(other.low);
        let high = self.high.wrapping_add(other.high);
        Wide {
            high: high.wrapping_add(i64::from(carry)),
            low,
        }
    }

    #[inline]
    pub(super) fn minus(self, other: Wide) -> Wide {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        let high = self.high.wrapping_sub(other.high);
        Wide {
            high: high.wrapping_sub(i64::from(borrow)),
            low,
        }
    }

    pub(super) fn to_f64(self) -> f64 {
        match self.fitting() {
            Some(fits) => fits as f64,
            None => self.high as f64 * 2f64.powi(128) + self.low as f64,
        }
    }

    fn fitting(self) -> Option<i128> {
        let low = self.low as i128;
        let sign = if low < 0 { -1 } else { 0 };
        (self.high == sign).then_some(low)
    }
}

impl From<u128> for Wide {
    #[inline]
    fn from(low: u128) -> Self {
        Wide { high: 0, low }
    }
}

impl From<i128> for Wide {
    #[inline]
    fn from(n: i128) -> Self {
        let high = if n < 0 { -1 } else { 0 };
        Wide {
            high,
            low: n as u128,
        }
    }
}

/// The nearest.
impl From<Wide> for u128 {
    fn from(wide: Wide) -> Self {
        match wide.high {
            0 => wide.low,
            high if high < 0 => u128::MIN,
            _ => u128::MAX,
        }
    }
}

/// The nearest.
impl From<Wide> for i128 {
    fn from(wide: Wide) -> Self {
        let end = if wide.high < 0 { i128::MIN } else { i128::MAX };
        wide.fitting().unwrap_or(end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_of_what_fits_are_those_of_integers(a in any::<i64>(), b in any::<i64>()) {
            let (a, b) = (i128::from(a) << 60, i128::from(b) << 60);
            prop_assert_eq!(i128::from(Wide::from(a).plus(b.into())), a + b);
            prop_assert_eq!(i128::from(Wide::from(a).minus(b.into())), a - b);
            prop_assert_eq!(Wide::from(a).minus(b.into()).to_f64(), (a - b) as f64);
        }

        #[test]
        fn what_does_not_fit_comes_back_when_enough_is_taken_out(
            all in proptest::collection::vec(any::<i128>(), 1..20),
        ) {
            let first = Wide::from(all[0]);
            let whole = all[1..].iter().fold(first, |sum, &n| sum.plus(n.into()));
            let left = all[1..].iter().fold(whole, |sum, &n| sum.minus(n.into()));
            prop_assert_eq!(left, first);
        }
    }

    #[test]
    fn the_nearest_is_the_end_of_the_type() {
        let twice = |n: Wide| n.plus(n);
        assert_eq!(i128::from(twice(i128::MAX.into())), i128::MAX);
        assert_eq!(i128::from(twice(i128::MIN.into())), i128::MIN);
        assert_eq!(u128::from(twice(u128::MAX.into())), u128::MAX);
        assert_eq!(u128::from(Wide::from(-1i128)), 0);
        assert_eq!(twice(i128::MIN.into()).to_f64(), -2f64.powi(128));
    }
}
