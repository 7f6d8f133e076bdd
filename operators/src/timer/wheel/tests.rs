use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Hang(u64),
    /// One of those that hang.
    TakeDown(usize),
    Until(u64),
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
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn a_wheel_equals_a_sorted_list(steps in steps()) {
        let mut wheel = Wheel::new();
        // Tick, owner (counted up), node: those of a tick in the order they were hung up.
        let mut naive: Vec<(u64, u32, Node)> = Vec::new();
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
                        let (tick, _, node) = naive.remove(which % naive.len());
                        prop_assert_eq!(wheel.tick_of(node), tick);
                        wheel.take_down(node);
                    }
                }
                Step::Until(until) => {
                    let due = std::iter::from_fn(|| wheel.next_due(until));
                    let due: Vec<(u32, u64)> = due.collect();
                    now = now.max(until);
                    let count = naive.partition_point(|(tick, ..)| *tick <= until);
                    let expected = naive.drain(..count).map(|(tick, owner, _)| (owner, tick));
                    prop_assert_eq!(due, expected.collect::<Vec<_>>());
                }
            }
            prop_assert_eq!(wheel.len(), naive.len());
            let first = naive.first().map(|(tick, ..)| *tick);
            prop_assert_eq!(wheel.next_tick().is_some(), first.is_some());
            prop_assert!(wheel.next_tick() <= first);
            let mut owners: Vec<u32> = wheel.owners().collect();
            owners.sort_unstable();
            let mut expected: Vec<u32> = naive.iter().map(|(_, owner, _)| *owner).collect();
            expected.sort_unstable();
            prop_assert_eq!(owners, expected);
        }
    }
}

#[test]
fn a_million_are_due_in_order_and_their_memory_is_used_again() {
    let mut wheel = Wheel::new();
    for round in 0..2u64 {
        let ticks = (0..1_000_000u64).map(|n| n.wrapping_mul(0x9e37_79b9) % 50_000_000);
        let nodes: Vec<Node> = (0..)
            .zip(ticks)
            .map(|(owner, tick)| wheel.hang(owner, round * 50_000_000 + tick))
            .collect();
        for node in nodes.into_iter().step_by(2) {
            wheel.take_down(node);
        }
        let due = std::iter::from_fn(|| wheel.next_due((round + 1) * 50_000_000 - 1));
        let due: Vec<(u32, u64)> = due.collect();
        assert!(due.is_sorted_by_key(|(_, tick)| *tick));
        let owners: BTreeSet<u32> = due.iter().map(|(owner, _)| *owner).collect();
        assert!(owners.into_iter().eq((1..1_000_000).step_by(2)));
        assert_eq!((wheel.len(), wheel.next_tick()), (0, None));
    }
    assert_eq!((wheel.hung.len(), size_of::<Hung>()), (1_000_001, 24));
}
