use std::collections::BTreeSet;
use std::fmt::Debug;

use proptest::prelude::*;

use super::*;

/// The state of all records, brought in by parts that are merged. `None` without records.
pub(super) fn by_parts<T, A: Aggregate<T>>(aggregate: &A, parts: &[Vec<T>]) -> Option<A::State> {
    let states = parts.iter().filter_map(|part| {
        let (first, rest) = part.split_first()?;
        let mut state = aggregate.init(first);
        rest.iter()
            .for_each(|value| aggregate.add(&mut state, value));
        Some(state)
    });
    states.reduce(|mut state, other| {
        aggregate.merge(&mut state, other);
        state
    })
}

/// The same, merged by twos in the order that `draws` says.
fn in_any_order<T, A: Aggregate<T>>(
    aggregate: &A,
    parts: &[Vec<T>],
    draws: &[usize],
) -> Option<A::State> {
    let states = parts.chunks(1).filter_map(|part| by_parts(aggregate, part));
    let mut states: Vec<A::State> = states.collect();
    for draw in draws {
        let other = states.swap_remove(draw % states.len());
        match states.len() {
            0 => return Some(other),
            more => aggregate.merge(&mut states[draw / 7 % more], other),
        }
    }
    states.into_iter().next()
}

fn parts() -> impl Strategy<Value = Vec<Vec<i64>>> {
    let part = proptest::collection::vec(-1_000..1_000i64, 0..20);
    proptest::collection::vec(part, 1..6).prop_filter("some", |parts| !parts.concat().is_empty())
}

proptest! {
    #[test]
    fn they_compute_what_iterators_do_however_the_records_are_parted(parts in parts()) {
        let aggregate = (
            count(),
            sum(|n: &i64| *n),
            min(|n: &i64| *n),
            max(|n: &i64| *n as f64),
            mean(|n: &i64| *n as i32),
        );
        let all = parts.concat();
        let total: i64 = all.iter().sum();
        prop_assert_eq!(
            aggregate.finish(by_parts(&aggregate, &parts).unwrap()),
            (
                all.len() as u64,
                total,
                *all.iter().min().unwrap(),
                *all.iter().max().unwrap() as f64,
                total as f64 / all.len() as f64,
            )
        );
    }

    #[test]
    fn the_first_last_and_best_are_those_of_a_stable_sort(parts in parts(), most in 0..8usize) {
        // Few orders, so many ties; the value tells which record it was.
        let numbered: Vec<Vec<(i64, usize)>> = {
            let mut number = 0..;
            let part = |part: &Vec<i64>| part.iter().map(|n| n % 5).zip(&mut number).collect();
            parts.iter().map(part).collect()
        };
        fn order(record: &(i64, usize)) -> i64 { record.0 }
        fn number(record: &(i64, usize)) -> usize { record.1 }
        let aggregate = (
            arg_min(order, number),
            arg_max(order, number),
            first_by(order, number),
            last_by(order, number),
            top_n(most, order, number),
            collect_up_to(most, number),
        );
        let got = aggregate.finish(by_parts(&aggregate, &numbered).unwrap());
        let all = numbered.concat();
        let mut rising = all.clone();
        rising.sort_by_key(|record| record.0);
        let mut falling = all.clone();
        falling.sort_by_key(|record| std::cmp::Reverse(record.0));
        prop_assert_eq!((got.0, got.2), (rising[0].1, rising[0].1));
        prop_assert_eq!((got.1, got.3), (falling[0].1, rising[rising.len() - 1].1));
        prop_assert_eq!(got.4, falling.iter().take(most).map(number).collect::<Vec<_>>());
        let kept: Vec<usize> = all.iter().take(most).map(number).collect();
        let left_out = (all.len() - kept.len()) as u64;
        prop_assert_eq!(got.5, Collected { values: kept, left_out });
    }

    #[test]
    fn states_of_different_replicas_may_be_merged_in_any_order(
        parts in parts(), draws in proptest::collection::vec(any::<usize>(), 6),
    ) {
        // Each is another record, so that the order of arrival tells nothing.
        let numbered: Vec<Vec<(i64, usize)>> = {
            let mut number = 0..;
            let part = |part: &Vec<i64>| part.iter().copied().zip(&mut number).collect();
            parts.iter().map(part).collect()
        };
        fn order(record: &(i64, usize)) -> (i64, usize) { (record.0 % 5, record.1) }
        fn value(record: &(i64, usize)) -> i64 { record.0 }
        let aggregate = (
            (count(), sum(value), min(value), max(value), mean(value)),
            (arg_min(order, value), arg_max(order, value), first_by(order, value), last_by(order, value)),
            (top_n(3, order, value), quantiles([0.1, 0.5], value)),
            (distinct(value), count_distinct(value), approx_count_distinct(value)),
        );
        let whole = by_parts(&aggregate, &[numbered.concat()]).unwrap();
        let merged = in_any_order(&aggregate, &numbered, &draws).unwrap();
        prop_assert_eq!(aggregate.finish(merged), aggregate.finish(whole));
        let aggregate = (collect_up_to(1_000, |record: &(i64, usize)| record.1), variance(value));
        let (mut all, got) = aggregate.finish(in_any_order(&aggregate, &numbered, &draws).unwrap());
        all.values.sort_unstable();
        prop_assert!(all.values.into_iter().eq(0..numbered.concat().len()));
        let expected = aggregate.finish(by_parts(&aggregate, &[numbered.concat()]).unwrap()).1;
        prop_assert!((got - expected).abs() <= 1e-6 * (1.0 + expected), "{} {}", got, expected);
    }

    #[test]
    fn distinct_values_are_those_of_a_set(parts in parts()) {
        let aggregate = (
            distinct(|n: &i64| n / 50),
            count_distinct(|n: &i64| n / 50),
            approx_count_distinct(|n: &i64| n / 50),
        );
        let set: BTreeSet<i64> = parts.iter().flatten().map(|n| n / 50).collect();
        let count = set.len() as u64;
        let expected = (set.into_iter().collect(), count, count);
        prop_assert_eq!(aggregate.finish(by_parts(&aggregate, &parts).unwrap()), expected);
    }

    #[test]
    fn what_is_taken_out_leaves_the_state_of_the_rest(
        stays in proptest::collection::vec(any::<i64>(), 1..20),
        goes in proptest::collection::vec(any::<i64>(), 1..20),
    ) {
        leaves(&count(), &stays, &goes)?;
        // Sums that are far beyond their type meanwhile.
        leaves(&sum(|n: &i64| *n), &stays, &goes)?;
        leaves(&sum(|n: &i64| *n as u8), &stays, &goes)?;
        leaves(&sum(|n: &i64| i128::from(*n) << 64), &stays, &goes)?;
        leaves(&mean(|n: &i64| *n), &stays, &goes)?;
        leaves(&quantiles([0.5], |n: &i64| *n), &stays, &goes)?;
        leaves(&(count(), sum(|n: &i64| *n), mean(|n: &i64| *n as u32)), &stays, &goes)?;
    }
}

fn leaves<A>(aggregate: &A, stays: &[i64], goes: &[i64]) -> Result<(), TestCaseError>
where
    A: Aggregate<i64, State: PartialEq + Debug>,
{
    let retract = A::RETRACT.unwrap();
    let of = |values: &[i64]| by_parts(aggregate, &[values.to_vec()]).unwrap();
    // What goes came in first, last, or in the middle.
    for before in 0..3 {
        let mut parts = vec![stays.to_vec(); 2];
        parts.insert(before, goes.to_vec());
        let mut state = by_parts(aggregate, &parts).unwrap();
        retract(aggregate, &mut state, &of(goes));
        prop_assert_eq!(&state, &of(&[stays, stays].concat()));
    }
    Ok(())
}

#[test]
fn only_what_can_be_taken_out_to_the_bit_says_so() {
    fn can<A: Aggregate<i64>>(_: &A) -> bool {
        A::RETRACT.is_some()
    }
    let float = |n: &i64| *n as f64;
    assert!(!can(&sum(float)) && !can(&mean(float)) && !can(&variance(float)));
    assert!(!can(&max(float)) && !can(&(count(), max(float))));
    assert!(can(&(count(), sum(|n: &i64| *n))));
}

#[test]
fn nan_counts_only_if_there_is_nothing_else() {
    let (lowest, highest) = (min(|n: &f64| *n), max(|n: &f64| *n));
    for values in [
        [f64::NAN, 1.0, 2.0],
        [1.0, f64::NAN, 2.0],
        [2.0, 1.0, f64::NAN],
    ] {
        let mut state = (lowest, highest).init(&values[0]);
        for value in &values[1..] {
            (lowest, highest).add(&mut state, value);
        }
        assert_eq!(state, (1.0, 2.0));
    }
    assert!(lowest.init(&f64::NAN).is_nan());
}

#[test]
fn integer_sums_saturate() {
    let aggregate = sum(|n: &u8| *n);
    let mut state = aggregate.init(&200);
    aggregate.add(&mut state, &200);
    assert_eq!(aggregate.finish(state), u8::MAX);
}

#[test]
fn a_sum_that_left_its_type_meanwhile_is_right_when_it_is_back() {
    let aggregate = sum(|n: &i8| *n);
    for order in [[100, 100, -120], [100, -120, 100], [-120, 100, 100]] {
        let state = by_parts(&aggregate, &[order.to_vec()]).unwrap();
        assert_eq!(aggregate.finish(state), 80);
    }
}

#[test]
fn states_come_back_from_what_was_saved() {
    use millstream_engine::harness::saved;
    use millstream_engine::key::KeyHash;
    use millstream_engine::state::StateReader;

    fn survives<A: Aggregate<i64, State: PartialEq + Debug>>(aggregate: &A) {
        let state = by_parts(aggregate, &[(-3_000..3_000).collect()]).unwrap();
        let bytes = saved(128, |writer| writer.put(KeyHash(7), &state)).unwrap();
        let read = StateReader::new(&bytes, 128, 0, 1)
            .values::<A::State>()
            .next();
        assert_eq!(read.unwrap().unwrap(), state);
    }
    survives(&(
        sum(|n: &i64| *n),
        sum(|n: &i64| i128::from(*n)),
        variance(|n: &i64| *n),
    ));
    survives(&(
        approx_count_distinct(|n: &i64| *n),
        quantiles([0.5], |n: &i64| *n),
    ));
    survives(&(
        approx_count_distinct(|n: &i64| n % 9),
        distinct(|n: &i64| n % 9),
    ));
    survives(&(
        top_n(3, |n: &i64| *n, |n: &i64| *n),
        last_by(|n: &i64| *n, |n: &i64| *n),
    ));
}
