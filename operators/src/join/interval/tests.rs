use millstream_engine::batch::AnyBatch;
use millstream_engine::harness::Harness;
use millstream_engine::key::Keyed;
use millstream_engine::operator::Operator;
use proptest::prelude::*;

use super::*;
use crate::join::testing::{
    Came, batch, came, collect_late, given_and_late, outbox_with_late, show_late, shown,
};
use crate::keyed::AT_ONCE;
use crate::testing::{at, collect, entry, given_within, in_steps, outbox, script, show, watermark};

/// The operator, which gives its late records.
fn near<K: Key, L: State, R: State, P: Pairing<K, L, R>>(
    interval: Interval,
    pairing: P,
) -> KeyedJoin<K, L, R, Near<P>> {
    KeyedJoin::new(Near { interval, pairing }, true)
}

fn harness<P: Pairing<String, i64, i64, Out = String>>(interval: Interval, pairing: P) -> Harness {
    Harness::new(move |_| near::<String, i64, i64, P>(interval, pairing.clone()))
        .with_keyed_input(entry)
        .with_keyed_input(entry)
        .with_output(show::<String>)
        .with_output(show_late)
        .telling_waits()
}

#[test]
fn a_pair_is_given_when_its_second_record_comes() {
    let inner = Inner(|key: &String, left: &i64, right: &i64| shown(key, Some(left), Some(right)));
    harness(Interval::of_micros(-2, 5), inner)
        .check(
            &[
                "a=1@10 b=2@10 ^12 a=3@20 |",
                "a=4@8 a=5@15 a=6@16 ^16 b=7@17 a=8@25 |",
            ],
            &["a=1,4@10 a=1,5@15 a=3,8@25 |", "|"],
        )
        .unwrap();
}

#[test]
fn a_lonely_record_is_given_when_a_partner_is_ruled_out() {
    let full = FullOuter(shown);
    // The inputs come in turn, item by item; the watermark is the lower of both.
    harness(Interval::of_micros(-2, 5), full)
        .check(
            &["a=1@10 ^14 ^18 ^30 |", "b=2@10 ^15 ^20 ^30 |"],
            &["b=-,2@12 ^14 ^15 a=1,-@15 ^18 ^20 ^30 |", "|"],
        )
        .unwrap();
}

/// Every pair that is near enough of what is not late; and what stays alone, at the last moment it could have had a
/// partner.
fn naive(came: Vec<Came>, (lower, upper): (i64, i64), outer: (bool, bool)) -> (Vec<String>, u64) {
    let (late, in_time): (Vec<Came>, Vec<Came>) = came.iter().partition(|r| r.time < r.watermark);
    let (left, right): (Vec<Came>, Vec<Came>) = in_time.into_iter().partition(|r| r.input == 0);
    let fits =
        |l: &Came, r: &Came| l.key == r.key && (l.time + lower..=l.time + upper).contains(&r.time);
    let (mut results, key) = (String::new(), String::new());
    for l in &left {
        for r in right.iter().filter(|r| fits(l, r)) {
            let pair = shown(&key, Some(&l.value), Some(&r.value));
            results += &l.shows(pair, l.time.max(r.time));
        }
        if outer.0 && !right.iter().any(|r| fits(l, r)) {
            results += &l.shows(
                shown(&key, Some(&l.value), None),
                l.time.max(l.time + upper),
            );
        }
    }
    let alone = |r: &&Came| outer.1 && !left.iter().any(|l| fits(l, r));
    for r in right.iter().filter(alone) {
        results += &r.shows(
            shown(&key, None, Some(&r.value)),
            r.time.max(r.time - lower),
        );
    }
    given_and_late(results, &late)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn interval_joins_equal_the_naive_ones_in_every_mode_and_order(
        left in given_within(11, 9), right in given_within(11, 9),
        outer in any::<(bool, bool)>(), lower in -12..6i64, length in 0..12i64,
    ) {
        let bounds = (lower, lower + length);
        let interval = Interval::of_micros(bounds.0, bounds.1);
        let harness = match outer {
            (false, false) => harness(
                interval,
                Inner(|k: &String, l: &i64, r: &i64| shown(k, Some(l), Some(r))),
            ),
            (true, false) => harness(
                interval,
                LeftOuter(|k: &String, l: &i64, r: Option<&i64>| shown(k, Some(l), r)),
            ),
            (false, true) => harness(
                interval,
                RightOuter(|k: &String, l: Option<&i64>, r: &i64| shown(k, l, Some(r))),
            ),
            (true, true) => harness(interval, FullOuter(shown)),
        };
        let model = |told: &[_]| naive(came(told), bounds, outer);
        harness.check_against(&[&script(&left), &script(&right)], model).unwrap();
    }
}

type Pair = Keyed<u32, (Option<u32>, Option<u32>)>;

fn numbers(lower: i64, upper: i64) -> impl Operator {
    let full = FullOuter(|_: &u32, l: Option<&u32>, r: Option<&u32>| (l.copied(), r.copied()));
    near::<u32, u32, u32, _>(Interval::of_micros(lower, upper), full)
}

#[test]
fn lonely_records_leave_in_steps_and_a_snapshot_between_loses_none() {
    let new = || numbers(-5, 5);
    let (mut operator, mut out) = (new(), outbox::<Pair>());
    // A thousand keys with 20 records each, and one with 20,000.
    let some = (0..20_000u32).map(|n| (n % 1_000, n, i64::from(n % 7)));
    let many = (0..20_000u32).map(|n| (5_000, n, 3));
    operator.on_batch(0, &mut batch(some), &mut out).unwrap();
    operator.on_batch(1, &mut batch(many), &mut out).unwrap();
    let (pairs, steps, _) = in_steps::<Pair, _>(operator, &mut out, 30, new);
    let side = |of: fn(&Pair) -> Option<u32>| {
        let mut values: Vec<_> = pairs.iter().filter_map(of).collect();
        values.sort_unstable();
        values
    };
    assert!(steps > 2);
    assert!(side(|pair| pair.value.0).into_iter().eq(0..20_000));
    assert!(side(|pair| pair.value.1).into_iter().eq(0..20_000));
}

#[test]
fn many_keys_are_forgotten_in_steps() {
    let inner = Inner(|_: &u32, l: &u32, r: &u32| (Some(*l), Some(*r)));
    let new = || near::<u32, u32, u32, _>(Interval::of_micros(-5, 5), inner.clone());
    let (mut operator, mut out) = (new(), outbox::<Pair>());
    let records = (0..3 * AT_ONCE as u32).map(|key| (key, 0, i64::from(key % 7)));
    operator.on_batch(0, &mut batch(records), &mut out).unwrap();
    let (pairs, steps, operator) = in_steps::<Pair, _>(operator, &mut out, 1_000, new);
    assert!(pairs.is_empty() && steps > 3, "{steps} steps");
    assert_eq!(operator.kept().count(), 0);
}

#[test]
fn late_records_are_given_as_such_and_meet_nobody() {
    let mut operator = numbers(-5, 5);
    let mut out = outbox_with_late::<Pair, Keyed<u32, Either<u32, u32>>>();
    operator
        .on_batch(0, &mut batch([(1, 1, 10)]), &mut out)
        .unwrap();
    operator.on_watermark(watermark(12), &mut out).unwrap();
    let mut records: AnyBatch = batch([(1, 2, 11), (1, 3, 12)]);
    operator.on_batch(1, &mut records, &mut out).unwrap();
    operator
        .on_batch(0, &mut batch([(1, 4, 9)]), &mut out)
        .unwrap();
    assert_eq!(out.take_late(), 2);
    let late = collect_late::<Keyed<u32, Either<u32, u32>>>(&mut out);
    let expected = [(Either::Right(2), 11), (Either::Left(4), 9)];
    assert_eq!(
        late,
        expected.map(|(late, time)| (Keyed::new(1, late), at(time)))
    );
    let (pairs, _) = collect::<Pair>(&mut out);
    assert_eq!(
        pairs.iter().map(|pair| pair.value).collect::<Vec<_>>(),
        [(Some(1), Some(3))]
    );
}

#[test]
fn state_is_that_of_the_interval_whatever_keys_come_and_go() {
    let interval = Interval::of_micros(0, 100);
    let inner = Inner(|_: &u32, l: &u32, r: &u32| (*l, *r));
    let mut operator = near::<u32, u32, u32, _>(interval, inner);
    let mut out = outbox::<Keyed<u32, (u32, u32)>>();
    for round in 0..200u32 {
        let time = i64::from(round) * 10;
        let records = (0..50).map(|n| (round * 50 + n, n, time));
        operator
            .on_batch(round as usize % 2, &mut batch(records), &mut out)
            .unwrap();
        operator.on_watermark(watermark(time), &mut out).unwrap();
        let keys = operator.kept().count();
        assert!(keys <= 12 * 50, "{keys} keys");
    }
    operator.on_watermark(watermark(10_000), &mut out).unwrap();
    assert_eq!(operator.kept().count(), 0);
}

#[test]
fn an_interval_must_not_begin_behind_its_end() {
    assert!(Interval::of_micros(3, 2).mistake().is_some());
    assert!(Interval::of_micros(2, 2).mistake().is_none());
}
