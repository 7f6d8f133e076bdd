//! Windows that speak more than once: what they say early and late depends on the schedule, what it comes to does not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use millstream::operators::{
    Aggregate, Collected, Every, Panes, Timing, Trigger, WindowAssigner, collect_up_to,
};
use millstream::prelude::*;

use super::facts::{Fact, Span, by_session, by_window, facts, hastily_timed, sliding, span};
use crate::seeds::every_seed;

/// Key and window.
type Place = (u64, Span);
type Ids = BTreeSet<u64>;

struct Said {
    panes: Panes,
    place: Place,
    pane: Pane,
    ids: Ids,
}

/// The windows a record must be in, in the end.
type Expected = BTreeMap<Place, Ids>;

pub(super) fn ids(collected: Collected<u64>) -> Ids {
    let (count, left_out) = (collected.values.len(), collected.left_out);
    let ids: Ids = collected.values.into_iter().collect();
    assert_eq!((ids.len(), left_out), (count, 0), "none is in it twice");
    ids
}

const ALL: [Panes; 3] = [Panes::Accumulating, Panes::Discarding, Panes::Retracting];

/// Again and again, by every reason but the number of records.
fn in_time() -> Every {
    Every::time(seconds(25)).or(Every::processing_time(Duration::from_micros(200)))
}

fn often() -> Every {
    in_time().or(Every::records(3))
}

/// The same windows with panes of every kind. They speak early, on time and late, and any record may be late.
fn say_in_the_end<W: WindowAssigner + Sync>(
    windows: W,
    early: Every,
    expected: BTreeMap<Place, Vec<Fact>>,
) {
    let collected = collect_up_to(100, |fact: &Fact| fact.id);
    come_to(windows, early, collected, ids, expected);
}

/// The same by any aggregate that says in the end of which records it is.
fn come_to<W, A>(
    windows: W,
    early: Every,
    aggregate: A,
    ids: fn(A::Out) -> Ids,
    expected: BTreeMap<Place, Vec<Fact>>,
) where
    W: WindowAssigner + Sync,
    A: Aggregate<Fact, State: Clone> + Sync,
{
    let ids_of = |facts: Vec<Fact>| facts.iter().map(|fact| fact.id).collect();
    let expected: Expected = expected
        .into_iter()
        .map(|(place, facts)| (place, ids_of(facts)))
        .collect();
    let may_merge = windows.merges();
    let flow = every_seed(move |flow, out| {
        let facts = hastily_timed(flow).key_by(|fact| fact.key);
        let [accumulating, discarding, retracting] = ALL.map(|panes| {
            facts
                .clone()
                .window(windows.clone())
                .trigger(Trigger::at_watermark().early(early).late(often()))
                .panes(panes)
                .allowed_lateness(hours(1))
                .aggregate(&format!("{panes:?}"), aggregate.clone())
                .values()
                .map(move |said| Said {
                    panes,
                    place: (said.key, span(said.window)),
                    pane: said.pane,
                    ids: ids(said.value),
                })
        });
        facts.discard();
        let all = accumulating.union(discarding).union(retracting);
        all.sink("out", out);
    });
    let mut timings = BTreeMap::<Timing, u64>::new();
    let mut merged_late = 0;
    flow.holds(|said, run| {
        assert_eq!(run.late(), 0, "an hour is allowed");
        for said in &said {
            *timings.entry(said.pane.timing).or_default() += 1;
        }
        let of = |panes| said.iter().filter(move |said| said.panes == panes);
        if !may_merge {
            for panes in ALL {
                go_on_in_order(of(panes));
            }
        }
        accumulate(of(Panes::Accumulating), &expected);
        add_up(of(Panes::Discarding), &expected);
        merged_late += take_back(of(Panes::Retracting), &expected);
    });
    assert!(
        timings.len() == 3 && timings.values().all(|count| *count > 1_000),
        "{timings:?}"
    );
    assert!(merged_late > 100 || !may_merge, "{merged_late}");
}

/// Numbers without gaps; early ones, at most one on time, late ones.
fn go_on_in_order<'a>(said: impl Iterator<Item = &'a Said>) {
    let mut last = BTreeMap::<Place, Pane>::new();
    for said in said.filter(|said| !said.pane.retracts) {
        let Some(before) = last.insert(said.place, said.pane) else {
            assert_eq!(said.pane.number, 0);
            continue;
        };
        assert_eq!(said.pane.number, before.number + 1);
        assert!(said.pane.timing >= before.timing);
        assert!(said.pane.timing != Timing::OnTime || before.timing == Timing::Early);
    }
}

/// The window of the end that one is part of: itself, but for sessions that have grown since.
fn whole((key, span): Place, expected: &Expected) -> (&Place, &Ids) {
    let is_whole =
        |(place, _): &(&Place, &Ids)| place.0 == key && place.1.0 <= span.0 && span.1 <= place.1.1;
    let grown = || expected.iter().find(is_whole).unwrap();
    expected.get_key_value(&(key, span)).unwrap_or_else(grown)
}

/// A pane has all of its window so far; the last one all there is.
fn accumulate<'a>(said: impl Iterator<Item = &'a Said>, expected: &Expected) {
    let mut so_far = Expected::new();
    for said in said {
        assert!(said.ids.is_subset(whole(said.place, expected).1));
        if let Some(before) = so_far.insert(said.place, said.ids.clone()) {
            assert!(before.is_subset(&said.ids));
        }
    }
    so_far.retain(|place, _| expected.contains_key(place));
    assert_eq!(so_far, *expected);
}

/// The panes of a window have nothing in common, and are all of it together.
fn add_up<'a>(said: impl Iterator<Item = &'a Said>, expected: &Expected) {
    let mut so_far = Expected::new();
    for said in said {
        let sum = so_far.entry(*whole(said.place, expected).0).or_default();
        assert!(!said.ids.is_empty() && sum.is_disjoint(&said.ids));
        sum.extend(&said.ids);
    }
    assert_eq!(so_far, *expected);
}

/// What is taken back stood; what stands in the end is right. How often several sessions were taken back for one that a
/// late record has made of them.
fn take_back<'a>(said: impl Iterator<Item = &'a Said>, expected: &Expected) -> u64 {
    let mut stands = Expected::new();
    let (mut taken_back, mut merged_late) = (0, 0);
    for said in said {
        if said.pane.retracts {
            assert_eq!(stands.remove(&said.place), Some(said.ids.clone()));
            taken_back += 1;
            continue;
        }
        merged_late += u64::from(taken_back > 1 && said.pane.timing == Timing::Late);
        taken_back = 0;
        assert_eq!(stands.insert(said.place, said.ids.clone()), None);
    }
    assert_eq!(stands, *expected);
    merged_late
}

#[test]
fn of_tumbling_windows() {
    let expected = by_window(&facts(), |fact| fact.key, sliding(40, 40));
    say_in_the_end(Tumbling::of(seconds(40)), often(), expected);
}

#[test]
fn of_sliding_windows_made_of_slices() {
    let expected = by_window(&facts(), |fact| fact.key, sliding(45, 30));
    say_in_the_end(Sliding::of(seconds(45), seconds(30)), in_time(), expected);
}

/// A bit for each record: what can be added can be taken out again.
#[test]
fn of_sliding_windows_made_of_slices_that_are_taken_out_again() {
    let expected = by_window(&facts(), |fact| fact.key, sliding(45, 30));
    let bits = sum(|fact: &Fact| 1_i64 << (fact.id / 100 * 9 + fact.id % 100));
    let ids = |bits: i64| {
        let all = facts();
        let bit = |fact: &&Fact| bits >> (fact.id / 100 * 9 + fact.id % 100) & 1 == 1;
        all.iter().filter(bit).map(|fact| fact.id).collect()
    };
    let windows = Sliding::of(seconds(45), seconds(30));
    come_to(windows, in_time(), bits, ids, expected);
}

#[test]
fn of_sliding_windows_that_count_their_records() {
    let expected = by_window(&facts(), |fact| fact.key, sliding(45, 30));
    say_in_the_end(Sliding::of(seconds(45), seconds(30)), often(), expected);
}

#[test]
fn of_sessions() {
    say_in_the_end(Session::gap(seconds(18)), often(), by_session(&facts(), 18));
}
