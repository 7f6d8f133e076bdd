//! Much at once: it is given, or forgotten, in steps.

use super::*;
use crate::keyed::AT_ONCE;
use crate::testing::in_steps;

#[test]
fn a_large_product_leaves_in_steps_and_a_snapshot_between_loses_nothing() {
    fn check<W: WindowAssigner>(windows: W) {
        let new = || numbers(windows.clone());
        let (mut operator, mut out) = (new(), outbox::<Pair>());
        for key in 0..3 {
            let left = (0..200).map(|n| (key, n, i64::from(n % 2)));
            let right = (0..300).map(|n| (key, n, i64::from(n % 5)));
            operator.on_batch(0, &mut batch(left), &mut out).unwrap();
            operator.on_batch(1, &mut batch(right), &mut out).unwrap();
        }
        let (pairs, steps, _) = in_steps::<Pair, _>(operator, &mut out, 10, new);
        let mut pairs: Vec<_> = pairs
            .into_iter()
            .map(|pair| (pair.key, pair.value))
            .collect();
        pairs.sort_unstable();
        let each = |key| (0..200).flat_map(move |l| (0..300).map(move |r| (key, (l, r))));
        assert!(steps > 5 && pairs.into_iter().eq((0..3).flat_map(each)));
    }
    check(tens());
    // One window closes here, its slices stay open for others.
    check(sliding(20, 10));
    check(Session::gap(Duration::from_micros(6)));
}

#[test]
fn many_keys_without_partners_are_forgotten_in_steps() {
    fn check<W: WindowAssigner>(windows: W) {
        const KEYS: u32 = 3 * AT_ONCE as u32;
        let new = || numbers(windows.clone());
        let (mut operator, mut out) = (new(), outbox::<Pair>());
        let records = (0..KEYS).map(|key| (key, 0, i64::from(key % 10)));
        operator.on_batch(0, &mut batch(records), &mut out).unwrap();
        let (pairs, steps, _) = in_steps::<Pair, _>(operator, &mut out, 1_000, new);
        assert!(pairs.is_empty() && steps > 3, "{steps} steps");
    }
    check(tens());
    // So many windows, each with a part of them.
    check(Tumbling::of(Duration::from_micros(1)));
    check(sliding(20, 10));
    check(Session::gap(Duration::from_micros(6)));
}
