//! The generator's own random numbers: small, fast, the same on every machine.

/// Random numbers of one generated record.
///
/// SplitMix64 (Steele, Lea, Flood: *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014).
/// Good enough for test data, not for secrets.
///
/// ```
/// use millstream_connectors::generator::Random;
///
/// let mut random = Random::new(7);
/// let dice = 1 + random.below(6);
/// assert!((1..=6).contains(&dice));
/// assert!((0.0..1.0).contains(&random.unit()));
/// ```
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// The numbers of this seed.
    pub const fn new(seed: u64) -> Self {
        Random { state: seed }
    }

    /// The numbers of record `index`: whoever makes it draws the same.
    pub(super) fn of_record(seed: u64, index: u64) -> Self {
        // Mixed, for seeds that differ by GAMMA would give one stream shifted by one number.
        Random::new(mix(mix(seed).wrapping_add(index.wrapping_mul(GAMMA))))
    }

    /// Any number.
    #[inline]
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        mix(self.state)
    }

    /// A number from 0 up to, without, `bound`; 0 if that is 0.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        // Lemire's multiply-and-shift; its bias is below bound / 2^64.
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 up to, without, 1.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of `choices`; `None` if there are none.
    #[inline]
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len() as u64) as usize)
    }
}

#[inline]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        // From the reference implementation (Vigna, splitmix64.c) with seed 1234567.
        let mut random = Random::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| random.number()).collect();
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
    fn records_draw_apart() {
        let mut first = Random::of_record(1, 0);
        first.number();
        assert_ne!(first.number(), Random::of_record(1, 1).number());
        assert_ne!(
            Random::of_record(1, 1).number(),
            Random::of_record(2, 1).number()
        );
    }

    #[test]
    fn bounds_hold() {
        let mut random = Random::new(3);
        assert!((0..1_000).all(|_| random.below(10) < 10));
        assert_eq!(random.below(0), 0);
        assert_eq!(random.pick::<u8>(&[]), None);
        let mean = (0..10_000).map(|_| random.unit()).sum::<f64>() / 10_000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
