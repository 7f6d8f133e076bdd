//! Windows that go by the number of records. A key's records come from one partition, so in one order.

use millstream::operators::{Every, Global, Timing, Trigger};
use millstream::prelude::*;

use super::facts::{Fact, by_own_key, timed};
use crate::seeds::{EverySeed, every_seed};

/// Key, timing, number, how many, and their sum.
type Row = (u64, Timing, u32, u64, i64);

fn row(said: WindowResult<u64, (u64, i64)>) -> Row {
    let (count, sum) = said.value;
    (said.key, said.pane.timing, said.pane.number, count, sum)
}

/// Each key's values, in the order in which they come.
fn values() -> impl Iterator<Item = (u64, Vec<i64>)> {
    let value = |fact: Fact| fact.value;
    let all = by_own_key().into_iter();
    all.map(move |(key, facts)| (key, facts.into_iter().map(value).collect()))
}

fn totals() -> impl Aggregate<Fact, State: Clone, Out = (u64, i64)> {
    (count(), sum(|fact: &Fact| fact.value))
}

/// Windows of `size` that begin every `slide` records; those that are not full at the end say what they have.
fn count_windows(size: usize, slide: usize) {
    let expected = values().flat_map(|(key, values)| {
        let begins = (0..values.len()).step_by(slide);
        let windows = begins.map(|begin| {
            let window = &values[begin..values.len().min(begin + size)];
            let timing = match window.len() == size {
                true => Timing::OnTime,
                false => Timing::Early,
            };
            (key, timing, 0, window.len() as u64, window.iter().sum())
        });
        windows.collect::<Vec<_>>()
    });
    let flow: EverySeed<Row> = every_seed(move |flow, out| {
        timed(flow)
            .key_by(|fact| fact.own)
            .count_window(size as u64)
            .every(slide as u64)
            .aggregate("counts", totals())
            .values()
            .map(row)
            .sink("out", out);
    });
    flow.gives(expected.collect());
}

#[test]
fn one_behind_the_other() {
    count_windows(4, 4);
}

#[test]
fn that_overlap() {
    count_windows(5, 2);
}

#[test]
fn global_with_a_trigger() {
    let expected = values().flat_map(|(key, values)| {
        let early = (3..=values.len()).step_by(3);
        let early = early.map(|count| (Timing::Early, count));
        let all = early.chain([(Timing::OnTime, values.len())]);
        let panes = (0..).zip(all).map(|(number, (timing, count))| {
            let sum = values[..count].iter().sum();
            (key, timing, number, count as u64, sum)
        });
        panes.collect::<Vec<Row>>()
    });
    every_seed(move |flow, out| {
        timed(flow)
            .key_by(|fact| fact.own)
            .window(Global::new())
            .trigger(Trigger::at_watermark().early(Every::records(3)))
            .aggregate("totals", totals())
            .values()
            .map(row)
            .sink("out", out);
    })
    .gives(expected.collect());
}
