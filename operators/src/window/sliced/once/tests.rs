use std::time::Duration;

use millstream_engine::harness::Harness;
use proptest::prelude::*;

use super::*;
use crate::testing::{
    at, batch, count_and_sum, given, highest, in_steps, naive_windows, of_windows, outbox, script,
};
use crate::window::sliced::daba::Daba;
use crate::window::sliced::fold::Retracting;
use crate::{arg_max, count, sum};

/// Counts and adds up: slices are taken out again.
fn retracting(windows: Sliding) -> Harness {
    harness::<_, Retracting<_>>(
        windows,
        (count(), sum(|value: &i64| *value)),
        |(count, sum)| format!("{count}:{sum}"),
    )
}

/// Finds the highest value: slices are combined.
fn combining(windows: Sliding) -> Harness {
    let highest = arg_max(|value: &i64| *value, |value: &i64| *value);
    harness::<_, Daba<_>>(windows, highest, |highest| highest.to_string())
}

fn harness<A, F>(windows: Sliding, aggregate: A, show_value: fn(&A::Out) -> String) -> Harness
where
    A: Aggregate<i64, State: Clone>,
    F: Fold<i64, A>,
{
    let harness = Harness::new(move |_| {
        SlicedAggregate::<String, i64, A, F>::new(windows, aggregate.clone(), true)
    });
    of_windows(harness.telling_waits(), show_value)
}

fn sliding(size: i64, slide: i64, offset: i64) -> Sliding {
    let micros = |n: i64| Duration::from_micros(n as u64);
    Sliding::of(micros(size), micros(slide)).with_offset(micros(offset))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_retracts_equals_the_naive_windows_in_every_mode(
        all in given(24), size in 1..40i64, slide in 1..20i64, offset in 0..20i64,
    ) {
        let windows = sliding(size, slide, offset);
        let (results, late) = naive_windows(&all, windows, count_and_sum);
        retracting(windows).check(&[&script(&all)], &[&results, &late]).unwrap();
    }

    #[test]
    fn what_combines_equals_the_naive_windows_in_every_mode(
        all in given(24), size in 1..40i64, slide in 1..20i64, offset in 0..20i64,
    ) {
        let windows = sliding(size, slide, offset);
        let (results, late) = naive_windows(&all, windows, highest);
        combining(windows).check(&[&script(&all)], &[&results, &late]).unwrap();
    }
}

#[test]
fn windows_overlap_and_a_key_without_records_is_silent() {
    retracting(sliding(10, 5, 0))
        .check(
            &["a=1@3 b=2@7 ^5 a=4@12 ^10 ^15 ^40 a=9@41 |"],
            &[
                "a:-5..:1:1@4 ^5 a:0..:1:1@9 b:0..:1:2@9 ^10 a:5..:1:4@14 b:5..:1:2@14 ^15 a:10..:1:4@19 ^40 \
                 a:35..:1:9@44 a:40..:1:9@49 |",
                "^5 ^10 ^15 ^40 |",
            ],
        )
        .unwrap();
}

type Counts = Keyed<u64, WindowResult<u64, u64>>;

#[test]
fn many_results_leave_in_steps_and_a_snapshot_between_loses_none() {
    let make =
        || SlicedAggregate::<u64, (), _, Retracting<u64>>::new(sliding(10, 5, 0), count(), false);
    let (mut operator, mut out) = (make(), outbox::<Counts>());
    let mut batch = batch((0..20_000u64).map(|key| (key, (), 3)));
    operator.on_batch(0, &mut batch, &mut out).unwrap();
    for end in [5, 10] {
        let (results, steps, after) = in_steps::<Counts, _>(operator, &mut out, end, make);
        operator = after;
        let keys = results.into_iter().map(|result| {
            let WindowResult {
                key, window, value, ..
            } = result.value;
            assert_eq!((window.end, value), (at(end), 1));
            key
        });
        let mut keys: Vec<u64> = keys.collect();
        keys.sort_unstable();
        assert!(steps > 2 && keys.into_iter().eq(0..20_000), "{steps} steps");
    }
}
