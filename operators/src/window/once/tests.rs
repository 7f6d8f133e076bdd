use std::time::Duration;

use millstream_engine::harness::{Harness, saved};
use proptest::prelude::*;

use super::*;
use crate::testing::{
    at, batch, count_and_sum, given, in_steps, naive_windows, of_windows, outbox, script,
};
use crate::{Tumbling, count, sum};

fn harness(windows: Tumbling) -> Harness {
    let harness = Harness::new(move |_| {
        let aggregate = (count(), sum(|value: &i64| *value));
        WindowAggregate::<String, i64, _>::new(Spans::Windows(windows), aggregate, true)
    });
    of_windows(harness.telling_waits(), |(count, sum): &(u64, i64)| {
        format!("{count}:{sum}")
    })
}

fn tens() -> Tumbling {
    Tumbling::of(Duration::from_micros(10))
}

#[test]
fn a_window_speaks_when_the_watermark_passes_its_end() {
    harness(tens())
        .check(
            &["a=1@1 b=2@3 a=5@9 ^9 a=1@0 ^10 a=7@12 c=1@-1 ^35 b=1@41 |"],
            &[
                "^9 a:0..:3:7@9 b:0..:1:2@9 ^10 a:10..:1:7@19 ^35 b:40..:1:1@49 |",
                "^9 ^10 c=1@-1 ^35 |",
            ],
        )
        .unwrap();
}

#[test]
fn late_is_what_comes_when_its_window_is_closed() {
    let outcome = harness(tens())
        .outcome(&["a=1@1 ^10 a=2@9 a=3@10 ^11 a=4@10 |"])
        .unwrap();
    assert_eq!(outcome.late, 1, "behind the watermark alone is not late");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn windows_equal_the_naive_ones_in_every_mode(
        all in given(24), size in 1..30i64, offset in 0..40i64,
    ) {
        let windows = Tumbling::of(Duration::from_micros(size as u64))
            .with_offset(Duration::from_micros(offset as u64));
        let (results, late) = naive_windows(&all, windows, count_and_sum);
        harness(windows).check(&[&script(&all)], &[&results, &late]).unwrap();
    }
}

type Results = Keyed<u64, WindowResult<u64, u64>>;

#[test]
fn many_results_leave_in_steps_and_a_snapshot_between_loses_none() {
    let new = || WindowAggregate::<u64, (), _>::new(Spans::Windows(tens()), count(), false);
    let (mut operator, mut out) = (new(), outbox::<Results>());
    let mut batch = batch((0..20_000u64).map(|key| (key, (), 3)));
    operator.on_batch(0, &mut batch, &mut out).unwrap();
    let (results, steps, _) = in_steps::<Results, _>(operator, &mut out, 10, new);
    let mut keys: Vec<u64> = results.into_iter().map(|result| result.key).collect();
    keys.sort_unstable();
    assert!(steps > 2 && keys.into_iter().eq(0..20_000));
}

#[test]
fn which_windows_are_closed_is_saved_whatever_the_inputs_promise() {
    let mut before = OpenWindows::<String, i64>::new(Spans::Windows(tens()));
    before.fire(at(20), |_, _| Ok(Step::Done)).unwrap();
    let mut state = saved(128, |writer| before.save(writer)).unwrap();
    state.frontier = None; // The input was idle at the barrier.
    let mut after = OpenWindows::<String, i64>::new(Spans::Windows(tens()));
    after.restore(&StateReader::new(&state, 128, 0, 1)).unwrap();
    assert!(after.table(at(19)).is_none() && after.table(at(20)).is_some());
}
