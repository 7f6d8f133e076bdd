//! Windows of processing time. Records are due a few milliseconds behind the windows' borders, and no schedule takes
//! longer, so it is known into which they fall.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::operators::WindowAssigner;
use millstream::prelude::*;
use millstream::runtime;

use super::facts::{Fact, LANES, Span, facts, lanes, of_lane};
use crate::seeds::{EverySeed, every_seed};

/// Every 100 ms of each lane, which begin 20 ms one after the other; behind every third there is a pause.
fn due_millis(fact: &Fact) -> i64 {
    let (lane, n) = (fact.id as i64 / 100, fact.id as i64 % 100);
    5 + lane * 20 + n * 100 + n / 3 * 400
}

fn due(fact: &Fact) -> Duration {
    millis(due_millis(fact).unsigned_abs())
}

/// In milliseconds since the simulation began.
fn span(window: Window) -> Span {
    let began = runtime::wall().as_millis() - super::lanes::since_start().as_millis() as i64;
    (
        window.start.as_millis() - began,
        window.end.as_millis() - began,
    )
}

/// Key, window in milliseconds, how many, and their sum.
type Row = (u64, Span, u64, i64);

fn flow<W: WindowAssigner + Sync>(
    windows: W,
    span: fn(Window) -> Span,
    key: fn(&Fact) -> u64,
) -> EverySeed<Row> {
    let last = of_lane(LANES - 1).last().map(due).unwrap();
    every_seed(move |flow, out| {
        flow.source("facts", lanes().due_at(due))
            .key_by(key)
            .window(windows.clone())
            .processing_time()
            .aggregate("totals", (count(), sum(|fact: &Fact| fact.value)))
            .values()
            .map(move |said| {
                let (count, sum) = said.value;
                let span = span(said.window);
                let now = super::lanes::since_start();
                assert!(now >= millis(span.1.unsigned_abs()).min(last), "too early");
                (said.key, span, count, sum)
            })
            .sink("out", out);
    })
    .lasting(last)
}

fn rows(windows: impl Fn(i64) -> Vec<Span>) -> Vec<Row> {
    let mut all = BTreeMap::<(u64, Span), (u64, i64)>::new();
    for fact in facts() {
        for span in windows(due_millis(&fact)) {
            let (count, sum) = all.entry((fact.key, span)).or_default();
            *count += 1;
            *sum += fact.value;
        }
    }
    let rows = all.into_iter();
    rows.map(|((key, span), (count, sum))| (key, span, count, sum))
        .collect()
}

#[test]
fn tumbling() {
    let windows = super::facts::sliding(200, 200);
    flow(Tumbling::of(millis(200)), span, |fact| fact.key).gives(rows(windows));
}

#[test]
fn sliding() {
    let windows = super::facts::sliding(400, 100);
    flow(Sliding::of(millis(400), millis(100)), span, |fact| fact.key).gives(rows(windows));
}

#[test]
fn sessions() {
    // Where they begin and end depends on the clock, a little; which records they have does not.
    let rounded = |window| {
        let (start, end) = span(window);
        (start / 20, end / 20)
    };
    let mut expected = Vec::<Row>::new();
    for lane in 0..LANES {
        for session in of_lane(lane).chunks(3) {
            let ends = |fact: &Fact, more| (due_millis(fact) + more) / 20;
            let span = (ends(&session[0], 0), ends(&session[2], 150));
            let sum = session.iter().map(|fact| fact.value).sum();
            expected.push((lane, span, 3, sum));
        }
    }
    let lane = |fact: &Fact| fact.id / 100;
    flow(Session::gap(millis(150)), rounded, lane).gives(expected);
}

#[test]
fn they_speak_while_the_flow_runs() {
    for seed in 0..20 {
        let results = Collect::new();
        let out = results.clone();
        let flow = Flow::new("by-the-clock", move |flow| {
            flow.source(
                "numbers",
                Generator::new(|n, _| n).with_rate(10).with_count(95),
            )
            .window_all(Tumbling::of(seconds(1)))
            .processing_time()
            .aggregate("per-second", count())
            .map(|(), second| (second.window, second.value))
            .sink("out", out.sink());
        });
        let seen = runtime::simulate(seed, async {
            let running = flow.with_parallelism(2).start().await.unwrap();
            runtime::sleep(millis(3_500)).await;
            let seen = results.take();
            running.join().await.unwrap();
            seen
        })
        .unwrap();
        assert!(
            seen.len() >= 3,
            "those that have ended have spoken: {seen:?}"
        );
        let all = seen.into_iter().chain(results.take());
        let counts: Vec<u64> = all.map(|(_, count)| count).collect();
        assert_eq!(counts.iter().sum::<u64>(), 95);
        let whole = &counts[1..counts.len() - 1];
        assert!(whole.iter().all(|count| *count == 10), "{counts:?}");
    }
}
