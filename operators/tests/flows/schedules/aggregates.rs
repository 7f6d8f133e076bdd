//! All aggregates at once: what they come to does not depend on the order in which records and parts meet.

use std::collections::BTreeMap;

use millstream::operators::{
    Collected, WindowAssigner, approx_count_distinct, arg_max, arg_min, collect_up_to,
    count_distinct, distinct, first_by, last_by, quantiles, std_dev, top_n, variance,
};
use millstream::prelude::*;

use super::facts::{Fact, Span, by_window, facts, sliding, span, timed};
use crate::seeds::every_seed;

type ByWindow = BTreeMap<(u64, Span), Vec<Fact>>;

fn value(fact: &Fact) -> i64 {
    fact.value
}

fn id(fact: &Fact) -> u64 {
    fact.id
}

/// Each fact has its own.
fn order(fact: &Fact) -> (i64, u64) {
    (fact.value, fact.id)
}

fn float(fact: &Fact) -> f64 {
    fact.value as f64
}

type Out = (
    (u64, i64, i64, i64),
    (u64, u64, u64, u64),
    (u64, Vec<i64>, u64, Vec<u64>, Collected<u64>),
    ([f64; 3], f64, f64, f64),
);

fn all() -> impl Aggregate<Fact, State: Clone, Out = Out> {
    let time = |fact: &Fact| (fact.at, fact.id);
    (
        (count(), sum(value), min(value), max(value)),
        (
            arg_min(order, id),
            arg_max(order, id),
            first_by(time, id),
            last_by(time, id),
        ),
        (
            count_distinct(value),
            distinct(value),
            approx_count_distinct(value),
            top_n(3, order, id),
            collect_up_to(100, id),
        ),
        (
            quantiles([0.0, 0.5, 1.0], float),
            mean(float),
            variance(float),
            std_dev(float),
        ),
    )
}

/// Key and window, and what they came to, without what the order of arrival may change: rounding, and who comes first.
type Row = (
    (u64, Span),
    [i64; 4],
    [u64; 4],
    [u64; 2],
    [Vec<u64>; 2],
    Vec<i64>,
    [i64; 6],
);

fn row(said: WindowResult<u64, Out>) -> Row {
    let (simple, picked, (different, values, about, top, collected), floats) = said.value;
    let (quantiles, mean, variance, std_dev) = floats;
    let mut ids = collected.values;
    ids.sort();
    let [lowest, median, highest] = quantiles.map(|value| value.round() as i64);
    let rounded = |value: f64| (value * 1e6).round() as i64;
    (
        (said.key, span(said.window)),
        [simple.0 as i64, simple.1, simple.2, simple.3],
        [picked.0, picked.1, picked.2, picked.3],
        [different, about],
        [top, ids],
        values,
        [
            lowest,
            median,
            highest,
            rounded(mean),
            rounded(variance),
            rounded(std_dev),
        ],
    )
}

/// The same of all records of a window.
fn naive((place, facts): ((u64, Span), Vec<Fact>)) -> Row {
    let by = |key: fn(&Fact) -> (i64, u64)| {
        let mut sorted = facts.clone();
        sorted.sort_by_key(key);
        sorted.iter().map(id).collect::<Vec<_>>()
    };
    let (by_value, by_time) = (by(order), by(|fact| (fact.at, fact.id)));
    let mut values: Vec<i64> = facts.iter().map(value).collect();
    values.sort();
    let (count, sum) = (values.len(), values.iter().sum::<i64>());
    let (lowest, highest) = (values[0], values[count - 1]);
    let median = values[count.div_ceil(2) - 1];
    let mean = sum as f64 / count as f64;
    let squares = values.iter().map(|value| (*value as f64 - mean).powi(2));
    let variance = squares.sum::<f64>() / count as f64;
    let rounded = |value: f64| (value * 1e6).round() as i64;
    values.dedup();
    let different = values.len() as u64;
    let mut ids = by_value.clone();
    ids.sort();
    (
        place,
        [count as i64, sum, lowest, highest],
        [
            by_value[0],
            by_value[count - 1],
            by_time[0],
            by_time[count - 1],
        ],
        [different, different],
        [by_value.into_iter().rev().take(3).collect(), ids],
        values,
        [
            lowest,
            median,
            highest,
            rounded(mean),
            rounded(variance),
            rounded(variance.sqrt()),
        ],
    )
}

fn come_to<W: WindowAssigner + Sync>(windows: W, expected: ByWindow) {
    every_seed(move |flow, out| {
        timed(flow)
            .key_by(|fact| fact.key % 2)
            .window(windows.clone())
            .aggregate("all", all())
            .values()
            .map(row)
            .sink("out", out);
    })
    .gives(expected.into_iter().map(naive).collect());
}

#[test]
fn of_a_window() {
    let expected = by_window(&facts(), |fact| fact.key % 2, sliding(20, 20));
    come_to(Tumbling::of(seconds(20)), expected);
}

#[test]
fn of_slices_that_are_combined() {
    let expected = by_window(&facts(), |fact| fact.key % 2, sliding(50, 20));
    come_to(Sliding::of(seconds(50), seconds(20)), expected);
}
