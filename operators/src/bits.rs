//! The bits of a word.

/// The places of the bits that are set, from the lowest.
#[inline]
pub(crate) fn set_bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = word.trailing_zeros() as usize;
        // None set: nothing to clear.
        word &= word.checked_sub(1)?;
        Some(lowest)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_is_told_once_from_the_lowest(word: u64) {
            for word in [word, 0, 1, 1 << 63, u64::MAX] {
                let expected = (0..64).filter(|place| word >> place & 1 == 1);
                prop_assert!(set_bits(word).eq(expected), "{word:b}");
            }
        }
    }
}
