use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Hang(u64),
    /// One of those that hang.
    TakeDown(usize),
    Until(u64),
    Sweep,
}

/// Ticks near each other, far apart, and at both ends of time.
fn tick() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..200u64,
        2 => 0..100_000u64,
        2 => (0..64u32, 0..64u64).prop_map(|(bits, digit)| digit << bits),
        1 => any::<u64>(),
        1 => Just(u64::MAX),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => tick().prop_map(Step::Hang),
        1 => any::<usize>().prop_map(Step::TakeDown),
        2 => tick().prop_map(Step::Until),
        1 => Just(Step::Sweep),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn a_wheel_equals_a_sorted_list(steps in steps()) {
        let mut wheel = Wheel::new();
        // Tick, owner (counted up), stamp: those of a tick in the order they were hung up.
        let mut naive: Vec<(u64, u32, Stamp)> = Vec::new();
        let mut now = 0;
        for (owner, step) in (0..).zip(steps) {
            match step {
                Step::Hang(tick) => {
                    let tick = tick.max(now);
                    naive.push((tick, owner, wheel.hang(owner, tick)));
                    naive.sort_by_key(|(tick, owner, _)| (*tick, *owner));
                }
                Step::TakeDown(which) => {
                    if !naive.is_empty() {
                        naive.remove(which % naive.len());
                        wheel.take_down();
                    }
                }
                Step::Until(until) => {
                    // Those that were taken down may come as well; they do not count.
                    let due = std::iter::from_fn(|| wheel.next_due(until));
                    let due = due.filter(|hung| naive.iter().any(|(_, _, stamp)| *stamp == hung.stamp));
                    let due: Vec<(u32, u64)> = due.map(|hung| (hung.owner, hung.tick)).collect();
                    due.iter().for_each(|_| wheel.take_down());
                    now = now.max(until);
                    let count = naive.partition_point(|(tick, ..)| *tick <= until);
                    let expected = naive.drain(..count).map(|(tick, owner, _)| (owner, tick));
                    prop_assert_eq!(due, expected.collect::<Vec<_>>());
                }
                Step::Sweep => {
                    let hangs = |hung: &Hung| naive.iter().any(|(_, _, stamp)| *stamp == hung.stamp);
                    wheel.sweep_all(hangs);
                    prop_assert_eq!(wheel.iter().count(), naive.len());
                    prop_assert_eq!(wheel.next_tick().is_some(), !naive.is_empty());
                }
            }
            prop_assert_eq!(wheel.len(), naive.len());
            let first = naive.first().map(|(tick, ..)| *tick);
            prop_assert!(first.is_none_or(|first| wheel.next_tick().is_some_and(|tick| tick <= first)));
            let listed: BTreeSet<u32> = wheel.iter().map(|hung| hung.owner).collect();
            prop_assert!(naive.iter().all(|(_, owner, _)| listed.contains(owner)));
            prop_assert_eq!(wheel.iter().count(), wheel.listed);
        }
    }
}

#[test]
fn who_is_taken_down_does_not_use_memory_for_ever() {
    let mut wheel = Wheel::new();
    let mut held = Vec::new();
    for owner in 0..1_000_000u32 {
        held.push(wheel.hang(owner, 1 << (20 + owner % 30)));
        if held.len() > 100 {
            held.remove(0);
            wheel.take_down();
        }
        wheel.sweep(|hung| held.contains(&hung.stamp));
        assert!(wheel.listed <= 2 * held.len() + KEPT);
    }
    let lists = wheel.wheels.iter().flat_map(|lists| &lists.lists);
    assert!(lists.map(Vec::capacity).sum::<usize>() < 100 * KEPT);
}

#[test]
fn a_million_are_due_in_order_and_their_memory_is_given_back() {
    let mut wheel = Wheel::new();
    for round in 0..2u64 {
        let ticks = (0..1_000_000u64).map(|n| n.wrapping_mul(0x9e37_79b9) % 50_000_000);
        let stamps: Vec<Stamp> = (0..)
            .zip(ticks)
            .map(|(owner, tick)| wheel.hang(owner, round * 50_000_000 + tick))
            .collect();
        let due = std::iter::from_fn(|| wheel.next_due((round + 1) * 50_000_000 - 1));
        let due: Vec<Hung> = due.collect();
        assert!(due.is_sorted_by_key(|hung| hung.tick));
        assert!(
            due.iter()
                .all(|hung| hung.stamp == stamps[hung.owner as usize])
        );
        let owners: BTreeSet<u32> = due.iter().map(|hung| hung.owner).collect();
        assert!(owners.into_iter().eq(0..1_000_000));
        due.iter().for_each(|_| wheel.take_down());
        assert_eq!((wheel.len(), wheel.next_tick()), (0, None));
    }
    let lists = wheel.wheels.iter().flat_map(|lists| &lists.lists);
    assert!(lists.map(Vec::capacity).sum::<usize>() < 1_000_000);
    assert_eq!(size_of::<Hung>(), 16);
}
