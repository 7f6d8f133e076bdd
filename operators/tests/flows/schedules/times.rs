//! How event time comes to be: by punctuation, past partitions that are silent, along the wall clock, and with sources that
//! wait for each other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use millstream::operators::Watermarks;
use millstream::prelude::*;
use millstream::runtime;

use super::facts::{Fact, LANES, Span, by_window, facts, in_time, of_lane, sliding, span};
use super::lanes::{Lanes, since_start};
use crate::seeds::{EverySeed, every_seed};

fn counted(facts: &[Fact], size: i64) -> BTreeMap<Span, u64> {
    let windows = by_window(facts, |_| 0, sliding(size, size)).into_iter();
    windows
        .map(|((_, span), facts)| (span, facts.len() as u64))
        .collect()
}

#[test]
fn punctuation() {
    // Every third record knows the earliest that is still to come of its lane.
    let promises: BTreeMap<u64, i64> = (0..LANES)
        .flat_map(|lane| {
            let facts = of_lane(lane);
            let promises = (2..facts.len() - 1).step_by(3).map(|place| {
                let rest = facts[place + 1..].iter().map(|fact| fact.at);
                (facts[place].id, rest.min().unwrap())
            });
            promises.collect::<Vec<_>>()
        })
        .collect();
    let promises = Arc::new(promises);
    every_seed(move |flow, out| {
        let promises = promises.clone();
        let punctuation = Watermarks::by(move |fact: &Fact, _| {
            let promise = promises.get(&fact.id)?;
            Some(Timestamp::from_secs(*promise))
        });
        flow.source("facts", super::facts::lanes())
            .event_time(Fact::time, punctuation)
            .window_all(Tumbling::of(seconds(10)))
            .aggregate("counts", count())
            .map(|(), said| (span(said.window), said.value))
            .sink("out", out);
    })
    .gives(counted(&facts(), 10).into_iter().collect());
}

#[test]
fn time_goes_on_without_a_partition_that_is_silent() {
    const CLOSES: Duration = seconds(3);
    // The third gives one record, the others one each 300 ms.
    let lanes = vec![of_lane(0), of_lane(1), of_lane(2)[..1].to_vec()];
    let all: Vec<Fact> = lanes.iter().flatten().copied().collect();
    let latest = |lane: u64| of_lane(lane).iter().map(|fact| fact.at).max();
    let stands_at = latest(0).min(latest(1)).unwrap() - 30;
    let lanes = Lanes::new(lanes)
        .due_at(|fact| millis(1 + fact.id % 100 * 300))
        .open_until(CLOSES);
    let flow: EverySeed<(Span, u64, bool)> = every_seed(move |flow, out| {
        flow.source("facts", lanes.clone())
            .event_time(Fact::time, in_time())
            .window_all(Tumbling::of(seconds(10)))
            .aggregate("counts", count())
            .map(|(), said| (span(said.window), said.value, since_start() < CLOSES))
            .sink("out", out);
    });
    let expected = counted(&all, 10).into_iter();
    let expected: Vec<_> = expected
        .map(|(span, count)| (span, count, span.1 <= stands_at))
        .collect();
    let said_early = expected.iter().filter(|(.., early)| *early).count();
    assert!(said_early >= 3, "{expected:?}");
    flow.with(|flow| flow.with_idle_after(seconds(1)))
        .without_a_stop()
        .gives(expected);
}

/// Live records: three of each lane, then silence. They are up to 50 ms old when they come.
fn due(fact: &Fact) -> Duration {
    let (lane, n) = (fact.id / 100, fact.id % 100);
    millis(60 + lane * 7 + n * 20 + n / 3 * 600)
}

#[test]
fn time_follows_the_wall_clock_where_all_is_silent() {
    let begins = Timestamp::from_secs(1_577_836_800);
    let time = move |fact: &Fact| begins + due(fact) - millis(fact.id * 7 % 50);
    let mut expected = BTreeMap::<i64, u64>::new();
    for fact in facts() {
        let since = time(&fact).as_millis() - begins.as_millis();
        *expected.entry(since / 100).or_default() += 1;
    }
    let lanes = super::facts::lanes().due_at(due).open_until(seconds(3));
    let flow: EverySeed<(i64, u64)> = every_seed(move |flow, out| {
        let live = Lateness::bounded(millis(100)).with_wall_clock_advance(millis(50));
        flow.source("facts", lanes.clone())
            .event_time(time, live)
            .window_all(Tumbling::of(millis(100)))
            .aggregate("counts", count())
            .map(move |(), said| {
                let waited = runtime::wall().as_millis() - said.window.end.as_millis();
                assert!(
                    (100..300).contains(&waited),
                    "said {waited} ms behind its end"
                );
                let since = said.window.start.as_millis() - begins.as_millis();
                (since / 100, said.value)
            })
            .sink("out", out);
    });
    flow.without_a_stop().gives(expected.into_iter().collect());
}

#[test]
fn sources_wait_for_each_other() {
    /// Seconds of event time from record to record, in the source that is slow.
    const STEP: i64 = 12;
    const DRIFT: i64 = 30;
    /// The slow one gives one record at a time, the quick one up to six (a second apart) before it hears of it.
    const BATCHES: i64 = STEP + 6;
    let furthest = Arc::new(AtomicI64::new(0));
    let widest = furthest.clone();
    let flow: EverySeed<(Span, u64)> = every_seed(move |flow, out| {
        let slow_at = Arc::new(AtomicI64::new(0));
        let (slow_is_at, widest) = (slow_at.clone(), widest.clone());
        let slow = Lanes::new(vec![(0..12).map(|n| n * STEP).collect()])
            .due_at(|at: &i64| millis(1 + at.unsigned_abs() / 3));
        let slow = flow
            .source("slow", slow)
            .inspect(move |at| slow_is_at.store(*at, Ordering::Relaxed))
            .event_time(|at| Timestamp::from_secs(*at), Lateness::none());
        let quick = flow
            .source("quick", Lanes::new(vec![(0..11 * STEP).collect()]))
            .inspect(move |at| {
                let ahead = at - slow_at.load(Ordering::Relaxed);
                widest.fetch_max(ahead, Ordering::Relaxed);
            })
            .event_time(|at| Timestamp::from_secs(*at), Lateness::none());
        slow.union(quick)
            .window_all(Tumbling::of(seconds(12)))
            .aggregate("counts", count())
            .map(|(), said| (span(said.window), said.value))
            .sink("out", out);
    });
    let expected = (0..12).map(|n| {
        let count = if n < 11 { 1 + STEP } else { 1 };
        ((n * STEP, (n + 1) * STEP), count as u64)
    });
    let expected: Vec<_> = expected.collect();
    let mut runs = 0;
    flow.with(|flow| flow.with_alignment(seconds(DRIFT as u64)))
        .without_a_stop()
        .holds(|mut rows, run| {
            rows.sort();
            assert_eq!((run.late(), &rows), (0, &expected));
            let most = furthest.swap(0, Ordering::Relaxed);
            assert!(most <= DRIFT + BATCHES, "{most} s ahead");
            runs += i64::from(most > DRIFT / 2);
        });
    assert!(runs > 500, "it was ahead in {runs} runs");
}
