//! In how many ways a script is played.

use std::fmt;

use super::{Item, Script};
use crate::random::SplitMix64;

/// One way to play scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) cuts: Cuts,
    pub(super) parallelism: usize,
    /// When the operator is saved, dropped, and restored as other replicas.
    pub(super) snapshots: Snapshots,
    /// Which input's turn it is, item by item. Empty: each in turn.
    pub(super) order: Vec<usize>,
}

/// Where batches are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cuts {
    /// After every record.
    Each,
    /// Nowhere but at a watermark and where the input changes.
    None,
    /// Where this seed says.
    Drawn(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Snapshots {
    Never,
    /// After this call, and restored as so many replicas.
    After(usize, usize),
    /// After every call, as one replica more each time, up to so many, then as one again.
    AfterEach(usize),
}

impl Mode {
    /// Batches of one, one replica, no snapshot.
    pub(super) fn plain() -> Self {
        Mode {
            cuts: Cuts::Each,
            parallelism: 1,
            snapshots: Snapshots::Never,
            order: Vec::new(),
        }
    }

    /// Whether the input runs empty behind this call, and the task would sleep.
    pub(super) fn runs_empty_after(&self, calls: usize) -> bool {
        match self.cuts {
            Cuts::Each => true,
            Cuts::None => false,
            Cuts::Drawn(seed) => SplitMix64::new(seed ^ calls as u64).below(3) == 0,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cuts {
            Cuts::Each => f.write_str("batches of one")?,
            Cuts::None => f.write_str("one batch of all")?,
            Cuts::Drawn(seed) => write!(f, "batches cut at random (seed {seed})")?,
        }
        write!(f, ", parallelism {}", self.parallelism)?;
        match self.snapshots {
            Snapshots::Never => {}
            Snapshots::After(calls, then) => {
                write!(f, ", a snapshot after call {calls}, then {then}")?
            }
            Snapshots::AfterEach(most) => write!(f, ", a snapshot after each call, up to {most}")?,
        }
        if !self.order.is_empty() {
            write!(f, ", inputs in the order {:?}", self.order)?;
        }
        Ok(())
    }
}

/// Most orders of several inputs that are tried; beyond it so many are drawn.
const ORDERS: usize = 400;
/// Most places of a single snapshot that are tried.
const PLACES: usize = 60;

/// All ways to play these scripts, but the plain one.
pub(super) fn all(scripts: &[Script], keyed: bool) -> Vec<Mode> {
    let most = if keyed { 3 } else { 1 };
    let plain = Mode::plain();
    let mut modes = vec![Mode {
        cuts: Cuts::None,
        ..plain.clone()
    }];
    for parallelism in 1..=most {
        for seed in 0..3 {
            modes.push(Mode {
                cuts: Cuts::Drawn(seed),
                parallelism,
                ..plain.clone()
            });
        }
        let snapshots = Snapshots::AfterEach(most);
        modes.push(Mode {
            parallelism,
            snapshots,
            ..plain.clone()
        });
        let cuts = Cuts::Drawn(7);
        modes.push(Mode {
            cuts,
            parallelism,
            snapshots,
            ..plain.clone()
        });
    }
    let items: usize = scripts.iter().map(|script| script.items.len()).sum();
    for call in (1..=items).step_by(items / PLACES + 1) {
        let (parallelism, then) = (call % most + 1, (call / most) % most + 1);
        modes.push(Mode {
            parallelism,
            snapshots: Snapshots::After(call, then),
            ..plain.clone()
        });
    }
    if scripts.len() > 1 {
        let lengths: Vec<_> = scripts.iter().map(|script| script.items.len()).collect();
        modes.extend(orders(&lengths).into_iter().map(|order| Mode {
            order,
            ..plain.clone()
        }));
    }
    modes
}

/// Every order in which inputs of these lengths can come, or many of them.
fn orders(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    each_order(&mut lengths.to_vec(), &mut Vec::new(), &mut all);
    if all.len() <= ORDERS {
        return all;
    }
    let mut random = SplitMix64::new(lengths.len() as u64);
    (0..ORDERS)
        .map(|_| drawn_order(&mut random, lengths))
        .collect()
}

/// Collects orders until there are more than are wanted.
fn each_order(left: &mut Vec<usize>, so_far: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
    if all.len() > ORDERS {
        return;
    }
    if left.iter().all(|&left| left == 0) {
        all.push(so_far.clone());
        return;
    }
    for input in 0..left.len() {
        if left[input] > 0 {
            left[input] -= 1;
            so_far.push(input);
            each_order(left, so_far, all);
            so_far.pop();
            left[input] += 1;
        }
    }
}

/// One of the orders of inputs of these lengths, all equally likely.
fn drawn_order(random: &mut SplitMix64, lengths: &[usize]) -> Vec<usize> {
    let mut order: Vec<_> = lengths
        .iter()
        .enumerate()
        .flat_map(|(input, &n)| vec![input; n])
        .collect();
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last as u64 + 1) as usize);
    }
    order
}

/// The items of all scripts with their input, in this order; if it is empty, each input in turn.
pub(super) fn in_order<'s>(scripts: &'s [Script], order: &[usize]) -> Vec<(usize, &'s Item)> {
    let mut left: Vec<_> = scripts.iter().map(|script| script.items.iter()).collect();
    let longest = scripts
        .iter()
        .map(|script| script.items.len())
        .max()
        .unwrap_or(0);
    let turns: Vec<usize> = match order {
        [] => (0..longest).flat_map(|_| 0..scripts.len()).collect(),
        order => order.to_vec(),
    };
    turns
        .into_iter()
        .filter_map(|input| Some((input, left.get_mut(input)?.next()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn few_orders_are_all_tried_and_of_many_some_are_drawn() {
        let few = orders(&[3, 2]);
        assert_eq!(few.len(), 10);
        assert_eq!(few.iter().collect::<BTreeSet<_>>().len(), 10);
        let many = orders(&[20, 20]);
        assert_eq!(many.len(), ORDERS);
        for order in many {
            assert_eq!(order.iter().filter(|&&input| input == 0).count(), 20);
        }
    }
}
