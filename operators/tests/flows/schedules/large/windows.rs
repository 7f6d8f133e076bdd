//! Windows of many keys that end with one watermark.

use millstream::operators::WindowAssigner;
use millstream::prelude::*;

use super::super::facts::{Fact, Span, by_session, by_window, sliding, span};
use super::{AT_ONCE, Bulkily, ByWindow, SEEDS, assert_many_at_once, facts, keyed, lead};
use crate::seeds::{EverySeed, every_seed};

/// The windows come to what all of their records do.
fn come_to<W, A>(windows: W, aggregate: A, expected: ByWindow, naive: fn(&[Fact]) -> A::Out)
where
    W: WindowAssigner + Sync,
    A: Aggregate<Fact, State: Clone, Out: Clone + Ord + std::fmt::Debug> + Sync,
{
    let rows = expected.into_iter();
    let rows = rows.map(|((key, span), facts)| (key, span, naive(&facts)));
    let flow: EverySeed<(u64, Span, A::Out)> = every_seed(move |flow, out| {
        let told = keyed(flow, "facts", 0)
            .window(windows.clone())
            .aggregate("windows", Bulkily(aggregate.clone()))
            .values()
            .map(|said| (said.key, span(said.window), said.value.0))
            .erase();
        lead(told, out);
    });
    flow.under(SEEDS).gives(rows.collect());
}

fn count_and_sum(facts: &[Fact]) -> (u64, i64) {
    (
        facts.len() as u64,
        facts.iter().map(|fact| fact.value).sum(),
    )
}

fn naive(size: i64, slide: i64) -> ByWindow {
    let expected = by_window(&facts(0), |fact| fact.key, sliding(size, slide));
    assert_many_at_once(&expected);
    expected
}

#[test]
fn tumbling_windows() {
    let sums = (count(), sum(|fact: &Fact| fact.value));
    come_to(
        Tumbling::of(seconds(100)),
        sums,
        naive(100, 100),
        count_and_sum,
    );
}

#[test]
fn slices_that_are_taken_out_again() {
    let sums = (count(), sum(|fact: &Fact| fact.value));
    let windows = Sliding::of(seconds(120), seconds(70));
    come_to(windows, sums, naive(120, 70), count_and_sum);
}

#[test]
fn slices_that_are_combined() {
    let windows = Sliding::of(seconds(120), seconds(70));
    come_to(
        windows,
        max(|fact: &Fact| fact.value),
        naive(120, 70),
        |facts| facts.iter().map(|fact| fact.value).max().unwrap(),
    );
}

#[test]
fn sessions() {
    // No watermark comes as far before the end.
    let expected = by_session(&facts(0), 90);
    let at_the_end = expected.keys().filter(|(_, span)| span.1 > 270);
    assert!(at_the_end.count() > AT_ONCE);
    let sums = (count(), sum(|fact: &Fact| fact.value));
    come_to(Session::gap(seconds(90)), sums, expected, count_and_sum);
}

#[test]
fn count_windows_at_the_end() {
    let all = by_window(&facts(0), |fact| fact.key, |_| vec![(0, 0)]);
    assert_many_at_once(&all);
    let rows = all.into_iter();
    let rows = rows.map(|((key, _), facts)| (key, count_and_sum(&facts)));
    let flow: EverySeed<(u64, (u64, i64))> = every_seed(|flow, out| {
        let sums = (count(), sum(|fact: &Fact| fact.value));
        let told = keyed(flow, "facts", 0)
            .count_window(1_000)
            .aggregate("windows", Bulkily(sums))
            .map(|key, said| (key, said.value.0))
            .erase();
        lead(told, out);
    });
    flow.under(SEEDS).gives(rows.collect());
}
