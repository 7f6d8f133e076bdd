//! Windows that slide and speak more than once, against the naive ones.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream_engine::harness::Harness;
use proptest::prelude::*;

use super::*;
use crate::count;
use crate::testing::{Given, batch, in_steps, micros, outbox, script};
use crate::window::general::tests::{Wishes, naive, of_operator, rules, sums, ticking, wishes};
use crate::window::sliced::daba::Daba;
use crate::window::sliced::fold::Retracting;
use crate::window::{Panes, Timing, WindowResult};

/// The same aggregate, with nothing taken out again.
#[derive(Clone)]
struct OnlyMerged<A>(A);

impl<T, A: Aggregate<T>> Aggregate<T> for OnlyMerged<A> {
    type State = A::State;
    type Out = A::Out;

    fn init(&self, first: &T) -> A::State {
        self.0.init(first)
    }
    fn add(&self, state: &mut A::State, value: &T) {
        self.0.add(state, value);
    }
    fn merge(&self, state: &mut A::State, other: A::State) {
        self.0.merge(state, other);
    }
    fn finish(&self, state: A::State) -> A::Out {
        self.0.finish(state)
    }
}

fn retracting(windows: Sliding, wishes: Wishes) -> Harness {
    of_operator(move |_| {
        let rules = rules(&windows, wishes);
        SlicedPanes::<String, i64, _, Retracting<_>>::new(windows, rules, sums())
    })
}

fn combining(windows: Sliding, wishes: Wishes) -> Harness {
    of_operator(move |_| {
        let (rules, sums) = (rules(&windows, wishes), OnlyMerged(sums()));
        SlicedPanes::<String, i64, _, Daba<_>>::new(windows, rules, sums)
    })
}

/// Such windows do not count their records before they end.
fn sliced(mut wishes: Wishes) -> Wishes {
    if let Some(early) = &mut wishes.trigger.early {
        early.records = None;
    }
    wishes
}

fn check(make: fn(Sliding, Wishes) -> Harness, windows: Sliding, wishes: Wishes, all: &[Given]) {
    let (results, late) = naive(&windows, wishes, all);
    make(windows, wishes)
        .check(&[&script(all)], &[&results, &late])
        .unwrap();
}

fn sliding(size: i64, slide: i64, offset: i64) -> Sliding {
    Sliding::of(micros(size), micros(slide)).with_offset(micros(offset))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_retracts_equals_the_naive_windows(
        all in ticking(18), wishes in wishes(), size in 1..50i64, slide in 3..30i64, offset in 0..30i64,
    ) {
        check(retracting, sliding(size, slide, offset), sliced(wishes), &all);
    }

    #[test]
    fn what_combines_equals_the_naive_windows(
        all in ticking(18), wishes in wishes(), size in 1..50i64, slide in 3..30i64, offset in 0..30i64,
    ) {
        check(combining, sliding(size, slide, offset), sliced(wishes), &all);
    }

    #[test]
    fn windows_of_processing_time_equal_the_naive_ones(
        mut all in ticking(24), wishes in wishes(), size in 1..40i64, slide in 1..20i64,
    ) {
        all.retain(|given| !matches!(given, Given::Watermark(_)));
        let wishes = Wishes { lateness: 0, domain: TimeDomain::ProcessingTime, ..sliced(wishes) };
        check(retracting, sliding(size, slide, 0), wishes, &all);
        check(combining, sliding(size, slide, 0), wishes, &all);
    }
}

type Counted = Keyed<u64, WindowResult<u64, u64>>;

#[test]
fn many_panes_leave_in_steps_and_a_snapshot_between_loses_none() {
    const KEYS: u64 = 20;
    for panes in [Panes::Accumulating, Panes::Discarding, Panes::Retracting] {
        let make = || {
            let windows = sliding(1_000, 1, 0);
            let wishes = Wishes {
                trigger: Trigger::at_watermark().early(Every::time(Duration::from_micros(5))),
                panes,
                lateness: 7,
                domain: TimeDomain::EventTime,
            };
            SlicedPanes::<u64, (), _, Retracting<u64>>::new(
                windows,
                rules(&windows, wishes),
                count(),
            )
        };
        let (mut operator, mut out) = (make(), outbox::<Counted>());
        let mut batch = batch((0..KEYS).map(|key| (key, (), 3)));
        operator.on_batch(0, &mut batch, &mut out).unwrap();
        // The record is in a thousand windows, of which two end by then.
        let (results, steps, after) = in_steps::<Counted, _>(operator, &mut out, 5, make);
        let mut said = BTreeMap::new();
        for result in &results {
            *said.entry(result.value.pane.timing).or_default() += 1;
        }
        let expected = [(Timing::Early, 998 * KEYS), (Timing::OnTime, 2 * KEYS)];
        assert_eq!(said, BTreeMap::from(expected));
        assert!(steps > 1, "{steps} steps");
        // Each speaks once more, but for those that have said all and forgotten it.
        let (results, _, after) = in_steps::<Counted, _>(after, &mut out, 2_000, make);
        let per_window = match panes {
            Panes::Accumulating => 1,
            Panes::Discarding => 0,
            Panes::Retracting => 2,
        };
        assert_eq!(results.len() as u64, per_window * 998 * KEYS);
        assert_eq!(
            (after.live.keys.len(), after.each.windows().count()),
            (0, 0)
        );
    }
}
