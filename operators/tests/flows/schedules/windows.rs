//! Windows of event time that speak once.

use std::collections::BTreeMap;

use millstream::operators::{Window, WindowAssigner};
use millstream::prelude::*;

use super::facts::{Fact, Span, by_session, by_window, facts, sliding, span, timed};
use crate::seeds::every_seed;

type ByWindow = BTreeMap<(u64, Span), Vec<Fact>>;
type Row<V> = (u64, Span, V);

fn row<V>(result: WindowResult<u64, V>) -> Row<V> {
    assert_eq!(result.pane.number, 0);
    (result.key, span(result.window), result.value)
}

fn rows<V>(expected: ByWindow, value: impl Fn(&[Fact]) -> V) -> Vec<Row<V>> {
    let rows = expected.into_iter();
    rows.map(|((key, span), facts)| (key, span, value(&facts)))
        .collect()
}

/// How many and what sum: what can be taken out again.
fn sums_are<W: WindowAssigner + Sync>(windows: W, expected: ByWindow) {
    every_seed(move |flow, out| {
        timed(flow)
            .key_by(|fact| fact.key)
            .window(windows.clone())
            .aggregate("sums", (count(), sum(|fact: &Fact| fact.value)))
            .values()
            .map(row)
            .sink("out", out);
    })
    .gives(rows(expected, |facts| {
        let sum = facts.iter().map(|fact| fact.value).sum::<i64>();
        (facts.len() as u64, sum)
    }));
}

/// The highest: what cannot.
fn highest_are<W: WindowAssigner + Sync>(windows: W, expected: ByWindow) {
    every_seed(move |flow, out| {
        timed(flow)
            .key_by(|fact| fact.key)
            .window(windows.clone())
            .aggregate("highest", max(|fact: &Fact| fact.value))
            .values()
            .map(row)
            .sink("out", out);
    })
    .gives(rows(expected, |facts| {
        facts.iter().map(|fact| fact.value).max().unwrap()
    }));
}

fn naive(windows: impl Fn(i64) -> Vec<Span>) -> ByWindow {
    by_window(&facts(), |fact| fact.key, windows)
}

#[test]
fn tumbling() {
    sums_are(Tumbling::of(seconds(20)), naive(sliding(20, 20)));
}

#[test]
fn sliding_that_take_out_again() {
    sums_are(
        Sliding::of(seconds(45), seconds(10)),
        naive(sliding(45, 10)),
    );
}

#[test]
fn sliding_that_combine() {
    highest_are(
        Sliding::of(seconds(45), seconds(10)),
        naive(sliding(45, 10)),
    );
}

#[test]
fn sessions() {
    sums_are(Session::gap(seconds(12)), by_session(&facts(), 12));
}

/// Ten seconds up to the epoch, twenty behind it.
#[derive(Clone)]
struct Uneven;

fn uneven(at: i64) -> Vec<Span> {
    sliding(if at < 0 { 10 } else { 20 }, if at < 0 { 10 } else { 20 })(at)
}

impl WindowAssigner for Uneven {
    fn assign(&self, time: Timestamp, give: &mut dyn FnMut(Window)) {
        for (start, end) in uneven(time.as_micros().div_euclid(1_000_000)) {
            let (start, end) = (Timestamp::from_secs(start), Timestamp::from_secs(end));
            give(Window { start, end });
        }
    }

    fn kind(&self) -> String {
        "uneven".to_owned()
    }
}

#[test]
fn those_of_ones_own() {
    sums_are(Uneven, naive(uneven));
}

#[test]
fn without_keys() {
    every_seed(move |flow, out| {
        timed(flow)
            .window_all(Sliding::of(seconds(20), seconds(10)))
            .aggregate("counts", count())
            .values()
            .map(|result| (0, span(result.window), result.value))
            .sink("out", out);
    })
    .gives(rows(by_window(&facts(), |_| 0, sliding(20, 10)), |facts| {
        facts.len() as u64
    }));
}
