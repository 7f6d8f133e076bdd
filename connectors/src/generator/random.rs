//! The generator's random numbers.

use millstream_engine::random::SplitMix64;

/// Random numbers of one generated record.
///
/// SplitMix64 (Steele, Lea, Flood: *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014).
/// Small, fast, the same on every machine; good enough for test data, not for secrets.
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
pub struct Random(SplitMix64);

impl Random {
    /// The numbers of this seed.
    pub const fn new(seed: u64) -> Self {
        Random(SplitMix64::new(seed))
    }

    /// The numbers of record `index`: whoever makes it draws the same.
    pub(super) fn of_record(seed: u64, index: u64) -> Self {
        // Mixed, for seeds that differ by GAMMA would give one stream shifted by one number.
        let at = index.wrapping_mul(SplitMix64::GAMMA);
        Random::new(SplitMix64::mix(SplitMix64::mix(seed).wrapping_add(at)))
    }

    /// Any number.
    #[inline]
    pub fn number(&mut self) -> u64 {
        self.0.number()
    }

    /// A number from 0 up to, without, `bound`; 0 if that is 0.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
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

#[cfg(test)]
mod tests {
    use super::*;

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
