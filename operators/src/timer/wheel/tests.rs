use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Set(u32, u64),
    Cancel(u32, u64),
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
        4 => (0..5u32, tick()).prop_map(|(owner, tick)| Step::Set(owner, tick)),
        1 => (0..5u32, tick()).prop_map(|(owner, tick)| Step::Cancel(owner, tick)),
        2 => tick().prop_map(Step::Until),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn a_wheel_equals_a_sorted_set(steps in steps()) {
        let mut wheel = Wheel::new();
        // By tick, then by when it was set.
        let mut naive: BTreeSet<(u64, usize, u32)> = BTreeSet::new();
        let (mut now, mut order) = (0, 0);
        for step in steps {
            match step {
                Step::Set(owner, tick) => {
                    let tick = tick.max(now);
                    let is_new = !naive.iter().any(|t| (t.0, t.2) == (tick, owner));
                    prop_assert_eq!(wheel.set(owner, tick, Kind::User).1, is_new);
                    if is_new {
                        order += 1;
                        naive.insert((tick, order, owner));
                    }
                }
                Step::Cancel(owner, tick) => {
                    let before = naive.len();
                    naive.retain(|t| (t.0, t.2) != (tick, owner));
                    prop_assert_eq!(wheel.cancel(owner, tick, Kind::User), naive.len() < before);
                }
                Step::Until(until) => {
                    let mut fired = Vec::new();
                    while let Some(due) = wheel.next_due(until) {
                        fired.push((due.tick, due.owner));
                    }
                    now = now.max(until);
                    let later = naive.split_off(&(until.saturating_add(1), 0, 0));
                    let mut due = std::mem::replace(&mut naive, later);
                    if until == u64::MAX {
                        due.append(&mut naive);
                    }
                    let expected: Vec<_> = due.iter().map(|t| (t.0, t.2)).collect();
                    prop_assert_eq!(fired, expected);
                }
            }
            prop_assert_eq!(wheel.len(), naive.len());
            let first = naive.first().map(|t| t.0);
            prop_assert_eq!(wheel.next_tick().is_some(), first.is_some());
            prop_assert!(wheel.next_tick() <= first);
        }
        let set: BTreeSet<_> = wheel.iter().map(|due| (due.tick, due.owner)).collect();
        prop_assert_eq!(set, naive.iter().map(|t| (t.0, t.2)).collect::<BTreeSet<_>>());
    }
}

#[test]
fn kinds_are_timers_of_their_own() {
    let mut wheel = Wheel::new();
    let (expiry, _) = wheel.set(1, 7, Kind::Expiry);
    assert!(wheel.set(1, 7, Kind::User).1);
    assert_eq!(wheel.tick_of(expiry), Some(7));
    assert!(wheel.cancel(1, 7, Kind::User) && !wheel.cancel(1, 7, Kind::User));
    let due = wheel.next_due(7).unwrap();
    assert_eq!((due.owner, due.tick, due.kind), (1, 7, Kind::Expiry));
    assert!(wheel.next_due(u64::MAX).is_none());
}

#[test]
fn a_million_timers_of_one_owner_are_found_again() {
    let mut wheel = Wheel::new();
    let ticks = || (0..1_000_000u64).map(|n| n.wrapping_mul(0x9e37_79b9) % 50_000_000);
    let set: BTreeSet<u64> = ticks().collect();
    for tick in ticks() {
        wheel.set(0, tick, Kind::User);
    }
    assert_eq!(wheel.len(), set.len());
    for tick in set.iter().step_by(2) {
        assert!(wheel.cancel(0, *tick, Kind::User));
    }
    let due = std::iter::from_fn(|| wheel.next_due(u64::MAX)).map(|due| due.tick);
    assert!(due.eq(set.iter().copied().skip(1).step_by(2)));
    assert_eq!((wheel.len(), wheel.next_tick()), (0, None));
}

#[test]
fn a_timer_is_small() {
    assert_eq!(size_of::<Hung>(), 24);
}
