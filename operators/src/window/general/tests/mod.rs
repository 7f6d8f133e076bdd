//! Windows against a naive model, and what can be told by example.

mod naive;
mod steps;

use millstream_engine::harness::Harness;
use millstream_engine::plan::Replica;
use proptest::prelude::*;

use super::*;
use crate::testing::{Given, entry, given, micros, script, show};
use crate::window::{Every, Panes, Trigger, WindowAssigner, WindowResult};
use crate::{Global, Session, Sliding, Tumbling, count, sum};
pub(in crate::window) use naive::naive;

/// All that can be asked of windows but what they are.
#[derive(Clone, Copy, Debug)]
pub(in crate::window) struct Wishes {
    pub(in crate::window) trigger: Trigger,
    pub(in crate::window) panes: Panes,
    pub(in crate::window) lateness: i64,
    pub(in crate::window) domain: TimeDomain,
}

pub(in crate::window) fn rules(windows: &impl WindowAssigner, wishes: Wishes) -> Rules {
    Rules {
        domain: wishes.domain,
        trigger: wishes.trigger,
        panes: wishes.panes,
        lateness: micros(wishes.lateness),
        gives_late: true,
        ..Rules::of(windows)
    }
}

type Result = Keyed<String, WindowResult<String, (u64, i64)>>;

pub(in crate::window) fn sums() -> impl Aggregate<i64, State: Clone, Out = (u64, i64)> {
    (count(), sum(|value: &i64| *value))
}

fn harness(windows: &impl WindowAssigner, wishes: Wishes) -> Harness {
    let windows = windows.clone();
    of_operator(move |_| GeneralWindows::<String, i64, _>::new(rules(&windows, wishes), sums()))
}

/// For an operator over [`sums`].
pub(in crate::window) fn of_operator<O: Operator + 'static>(
    make: impl Fn(&Replica) -> O + 'static,
) -> Harness {
    Harness::new(make)
        .telling_waits()
        .with_keyed_input(entry)
        .with_output(|result: &Result| {
            let WindowResult {
                key,
                window,
                pane,
                value: (count, sum),
            } = &result.value;
            let (start, end) = (window.start.as_micros(), window.end.as_micros());
            let sign = if pane.retracts { '-' } else { '+' };
            format!(
                "{key}:{start}..{end}:{:?}{sign}{}:{count}:{sum}",
                pane.timing, pane.number
            )
        })
        .with_output(show::<i64>)
}

prop_compose! {
    /// What is given, with the wall clock ticking on in between.
    pub(in crate::window) fn ticking(most: usize)(
        all in given(most), ticks in proptest::collection::vec(proptest::option::weighted(0.2, 1..12i64), most),
    ) -> Vec<Given> {
        let (mut ticking, mut wall) = (Vec::new(), 0);
        for (given, tick) in all.into_iter().zip(ticks) {
            ticking.push(given);
            if let Some(tick) = tick {
                wall += tick;
                ticking.push(Given::ProcessingTime(wall));
            }
        }
        ticking
    }
}

prop_compose! {
    fn every()(
        time in proptest::option::weighted(0.3, 1..20i64),
        processing_time in proptest::option::weighted(0.3, 1..12i64),
        records in proptest::option::weighted(0.5, 1..4u64),
    ) -> Every {
        Every { time, processing_time, records }
    }
}

prop_compose! {
    pub(in crate::window) fn wishes()(
        on_time in proptest::bool::weighted(0.7),
        early in proptest::option::weighted(0.7, every()),
        late in every(),
        panes in prop_oneof![Just(Panes::Accumulating), Just(Panes::Discarding), Just(Panes::Retracting)],
        lateness in prop_oneof![Just(0), 1..40i64],
    ) -> Wishes {
        Wishes { trigger: Trigger { on_time, early, late }, panes, lateness, domain: TimeDomain::EventTime }
    }
}

fn check(windows: &impl WindowAssigner, wishes: Wishes, all: &[Given]) {
    let (results, late) = naive(windows, wishes, all);
    harness(windows, wishes)
        .check(&[&script(all)], &[&results, &late])
        .unwrap();
}

/// Windows of a user: some records are in none, some in two of different lengths.
#[derive(Clone)]
struct Odd;

impl WindowAssigner for Odd {
    fn assign(&self, time: Timestamp, give: &mut dyn FnMut(Window)) {
        let time = time.as_micros();
        let mut window = |start, end| {
            give(Window {
                start: Timestamp::from_micros(start),
                end: Timestamp::from_micros(end),
            });
        };
        if (-9..33).contains(&time) {
            window(-9, 33);
        }
        if time % 3 != 0 {
            let start = time.div_euclid(7) * 7;
            window(start, start + 7);
        }
    }

    fn kind(&self) -> String {
        "odd".to_owned()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn tumbling_windows_equal_the_naive_ones(
        all in ticking(20), wishes in wishes(), size in 1..40i64, offset in 0..40i64,
    ) {
        check(&Tumbling::of(micros(size)).with_offset(micros(offset)), wishes, &all);
    }

    #[test]
    fn sliding_windows_equal_the_naive_ones(
        all in ticking(16), wishes in wishes(), size in 1..30i64, slide in 5..30i64, offset in 0..40i64,
    ) {
        let windows = Sliding::of(micros(size), micros(slide)).with_offset(micros(offset));
        check(&windows, wishes, &all);
    }

    #[test]
    fn sessions_equal_the_naive_ones(all in ticking(24), wishes in wishes(), gap in 1..40i64) {
        check(&Session::gap(micros(gap)), wishes, &all);
    }

    #[test]
    fn global_windows_equal_the_naive_ones(all in ticking(20), wishes in wishes()) {
        check(&Global::new(), wishes, &all);
    }

    #[test]
    fn windows_of_a_user_equal_the_naive_ones(all in ticking(20), wishes in wishes()) {
        check(&Odd, wishes, &all);
    }

    #[test]
    fn windows_of_processing_time_equal_the_naive_ones(
        mut all in ticking(24), wishes in wishes(), size in 1..20i64,
    ) {
        all.retain(|given| !matches!(given, Given::Watermark(_)));
        let wishes = Wishes { lateness: 0, domain: TimeDomain::ProcessingTime, ..wishes };
        check(&Tumbling::of(micros(size)), wishes, &all);
        check(&Session::gap(micros(size)), wishes, &all);
    }
}

fn plain() -> Wishes {
    Wishes {
        trigger: Trigger::at_watermark(),
        panes: Panes::Accumulating,
        lateness: 0,
        domain: TimeDomain::EventTime,
    }
}

#[test]
fn what_was_said_of_sessions_that_become_one_is_taken_back() {
    let wishes = Wishes {
        panes: Panes::Retracting,
        lateness: 100,
        ..plain()
    };
    harness(&Session::gap(micros(10)), wishes)
        .check(
            &["a=1@0 a=2@15 ^30 a=4@8 ^130 a=8@9 |"],
            &[
                "a:0..10:OnTime+0:1:1@9 a:15..25:OnTime+0:1:2@24 ^30 \
                 a:0..10:OnTime-0:1:1@24 a:15..25:OnTime-0:1:2@24 a:0..25:Late+1:3:7@24 ^130 |",
                "^30 ^130 a=8@9 |",
            ],
        )
        .unwrap();
}

#[test]
fn a_session_ends_where_the_next_record_would_begin_another() {
    harness(&Session::gap(micros(10)), plain())
        .check(
            &["a=1@0 a=2@10 b=1@0 b=2@9 ^19 ^20 |"],
            &[
                "a:0..10:OnTime+0:1:1@9 b:0..19:OnTime+0:2:3@18 ^19 a:10..20:OnTime+0:1:2@19 ^20 |",
                "^19 ^20 |",
            ],
        )
        .unwrap();
}

#[test]
fn a_result_on_time_is_given_even_if_all_was_said_unless_it_would_be_empty() {
    let early = Trigger::at_watermark().early(Every::records(1));
    for (panes, on_time) in [
        (Panes::Accumulating, "a:0..10:OnTime+1:1:1@9 "),
        (Panes::Discarding, ""),
    ] {
        let wishes = Wishes {
            trigger: early,
            panes,
            ..plain()
        };
        let results = format!("a:0..10:Early+0:1:1@9 {on_time}^10 |");
        harness(&Tumbling::of(micros(10)), wishes)
            .check(&["a=1@1 ^10 |"], &[&results, "^10 |"])
            .unwrap();
    }
}
