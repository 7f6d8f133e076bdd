//! Numbers from a seed: the only randomness there is.

/// SplitMix64 (Steele, Lea, Flood: *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014): small, fast, the same
/// on every machine. Good enough for schedules, pauses and test data, not for secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// By what the state grows with each number: 2⁶⁴ over the golden ratio.
    pub const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

    /// The numbers of this seed.
    pub const fn new(seed: u64) -> Self {
        SplitMix64(seed)
    }

    /// Any number.
    #[inline]
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(SplitMix64::GAMMA);
        SplitMix64::mix(self.0)
    }

    /// A number from 0 up to, without, `bound`; 0 if that is 0.
    #[inline]
    pub const fn below(&mut self, bound: u64) -> u64 {
        // Lemire's multiply-and-shift; its bias is below bound / 2^64.
        ((self.number() as u128 * bound as u128) >> 64) as u64
    }

    /// Spreads what is in `z` over all bits; no two numbers give the same.
    #[inline]
    pub const fn mix(mut z: u64) -> u64 {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_reference() {
        // Vigna, splitmix64.c, with seed 1234567.
        let mut random = SplitMix64::new(1_234_567);
        let drawn = [(); 3].map(|()| random.number());
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn a_bound_holds_and_all_below_it_comes() {
        let mut random = SplitMix64::new(3);
        let mut seen = [0; 10];
        for _ in 0..1_000 {
            seen[random.below(10) as usize] += 1;
        }
        assert!(
            seen.iter().all(|count| (50..150).contains(count)),
            "{seen:?}"
        );
        assert_eq!(random.below(0), 0);
    }
}
