//! A sketch that counts distinct hashes in little memory.
//!
//! Flajolet et al., *HyperLogLog*, 2007, with 64-bit hashes as in HyperLogLog++ (Heule et al., EDBT 2013) and the
//! estimator of Ertl, *New cardinality estimation algorithms for HyperLogLog sketches*, 2017, which needs no tables of
//! corrections and has no bias anywhere.

use serde::{Deserialize, Serialize};

/// Which hashes there were, more or less. What came in decides what it is, not in which order or parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HyperLogLog {
    /// There are 2^precision registers.
    precision: u8,
    kept: Kept,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kept {
    /// All hashes, sorted: exact, and smaller than the registers.
    Few(Vec<u64>),
    /// By the first bits of the hash: the most leading zeros that were seen in the rest, and one.
    Registers(Vec<u8>),
}

/// Registers for each hash that is kept as it is, at the most.
const REGISTERS_OF_A_HASH: usize = 32;

impl HyperLogLog {
    pub(super) fn new(precision: u8) -> Self {
        HyperLogLog {
            precision,
            kept: Kept::Few(Vec::new()),
        }
    }

    #[inline]
    pub(super) fn insert(&mut self, hash: u64) {
        let precision = self.precision;
        match &mut self.kept {
            Kept::Registers(registers) => note(registers, precision, hash),
            Kept::Few(hashes) => {
                if let Err(place) = hashes.binary_search(&hash) {
                    hashes.insert(place, hash);
                    if hashes.len() > most_hashes(precision) {
                        self.registers();
                    }
                }
            }
        }
    }

    pub(super) fn merge(&mut self, mut other: HyperLogLog) {
        // They differ only if the flow was changed and went on with what it had saved.
        let precision = self.precision.min(other.precision);
        self.coarsen(precision);
        other.coarsen(precision);
        match other.kept {
            Kept::Few(hashes) => {
                for hash in hashes {
                    self.insert(hash);
                }
            }
            Kept::Registers(others) => {
                for (here, there) in self.registers().iter_mut().zip(others) {
                    *here = (*here).max(there);
                }
            }
        }
    }

    /// The number of distinct hashes, about.
    pub(super) fn estimate(&self) -> f64 {
        match &self.kept {
            Kept::Few(hashes) => hashes.len() as f64,
            Kept::Registers(registers) => estimate(registers, 64 - usize::from(self.precision)),
        }
    }

    /// The registers, which it has from now on.
    fn registers(&mut self) -> &mut [u8] {
        if let Kept::Few(hashes) = &self.kept {
            let mut registers = vec![0; 1 << self.precision];
            for &hash in hashes {
                note(&mut registers, self.precision, hash);
            }
            self.kept = Kept::Registers(registers);
        }
        match &mut self.kept {
            Kept::Registers(registers) => registers,
            Kept::Few(_) => &mut [],
        }
    }

    /// What it would be had it had this lower precision.
    fn coarsen(&mut self, precision: u8) {
        let dropped = self.precision.saturating_sub(precision);
        if dropped == 0 {
            return;
        }
        self.precision = precision;
        match &mut self.kept {
            Kept::Few(hashes) if hashes.len() > most_hashes(precision) => {
                self.registers();
            }
            Kept::Few(_) => {}
            Kept::Registers(fine) => {
                let mut coarse = vec![0; fine.len() >> dropped];
                for (index, &rank) in fine.iter().enumerate().filter(|(_, rank)| **rank > 0) {
                    // The bits that no longer say which register now come first in the rest.
                    let rest = index & ((1 << dropped) - 1);
                    let rank = match rest {
                        0 => rank + dropped,
                        rest => dropped - rest.ilog2() as u8,
                    };
                    if let Some(register) = coarse.get_mut(index >> dropped) {
                        *register = rank.max(*register);
                    }
                }
                *fine = coarse;
            }
        }
    }
}

fn most_hashes(precision: u8) -> usize {
    (1 << precision) / REGISTERS_OF_A_HASH
}

#[inline]
fn note(registers: &mut [u8], precision: u8, hash: u64) {
    let rest = hash << precision;
    let rank = rest.leading_zeros().min(64 - u32::from(precision)) as u8 + 1;
    if let Some(register) = registers.get_mut((hash >> (64 - precision)) as usize) {
        *register = rank.max(*register);
    }
}

/// Ertl's estimator (his algorithm 6), for ranks up to `highest` and one.
fn estimate(registers: &[u8], highest: usize) -> f64 {
    let mut with_rank = [0u32; 66];
    for &rank in registers {
        with_rank[usize::from(rank).min(65)] += 1;
    }
    let all = registers.len() as f64;
    let mut sum = all * tau(1.0 - f64::from(with_rank[(highest + 1).min(65)]) / all);
    for rank in (1..=highest).rev() {
        sum = 0.5 * (sum + f64::from(with_rank[rank]));
    }
    sum += all * sigma(f64::from(with_rank[0]) / all);
    all * all / (2.0 * std::f64::consts::LN_2 * sum)
}

/// What the registers that saw nothing add.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum <= before {
            return sum;
        }
    }
}

/// What the registers that saw all they can add.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x).powi(2) * weight;
        if sum >= before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::key::KeyHash;
    use proptest::prelude::*;

    use super::*;

    fn of(numbers: impl Iterator<Item = u64>, precision: u8) -> HyperLogLog {
        let mut sketch = HyperLogLog::new(precision);
        numbers.for_each(|n| sketch.insert(KeyHash::of(&n).0));
        sketch
    }

    #[test]
    fn few_are_counted_exactly_and_many_within_the_error_it_states() {
        for precision in [4, 8, 12, 14, 18] {
            let error = 1.04 / f64::from(1u32 << precision).sqrt();
            let (mut squares, mut sum, mut rounds) = (0.0, 0.0, 0.0);
            for seed in 0..20u64 {
                for size in [3u64, 300, 20_000] {
                    let sketch = of((0..size).map(|n| seed << 32 | n), precision);
                    let off = sketch.estimate() / size as f64 - 1.0;
                    match sketch.kept {
                        Kept::Few(_) => assert_eq!(off, 0.0),
                        Kept::Registers(_) => {
                            assert!(off.abs() <= 4.5 * error, "{precision} {size}: {off}");
                            (squares, sum, rounds) = (squares + off * off, sum + off, rounds + 1.0);
                        }
                    }
                }
            }
            let spread = f64::sqrt(squares / f64::max(rounds, 1.0));
            assert!(spread <= 1.4 * error, "{precision}: {spread}, not {error}");
            assert!(
                f64::abs(sum / f64::max(rounds, 1.0)) <= error,
                "{precision} is biased"
            );
        }
    }

    #[test]
    fn words_and_multiples_are_spread_as_well() {
        let mut words = HyperLogLog::new(12);
        let mut multiples = HyperLogLog::new(12);
        for n in 0..50_000u64 {
            words.insert(KeyHash::of(&format!("user-{n}")).0);
            multiples.insert(KeyHash::of(&(n << 20)).0);
        }
        for sketch in [words, multiples] {
            let off = sketch.estimate() / 50_000.0 - 1.0;
            assert!(off.abs() <= 4.0 * 1.04 / 64.0, "{off}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn parts_and_precisions_come_to_the_same_state(
            numbers in proptest::collection::vec(0..5_000u64, 0..900), cut in 0..900usize,
            precision in 4..12u8, finer in 0..4u8,
        ) {
            let (left, right) = numbers.split_at(cut.min(numbers.len()));
            let mut sketch = of(left.iter().copied(), precision);
            sketch.merge(of(right.iter().copied(), precision + finer));
            prop_assert_eq!(&sketch, &of(numbers.iter().copied(), precision));
            let mut sketch = of(left.iter().copied(), precision + finer);
            sketch.merge(of(right.iter().copied(), precision));
            prop_assert_eq!(&sketch, &of(numbers.iter().copied(), precision));
        }
    }
}
