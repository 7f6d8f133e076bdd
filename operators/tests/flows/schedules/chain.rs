//! One operator behind the other: windows, a join of what they say, calls.

use std::collections::BTreeSet;

use millstream::connectors::memory::CollectSink;
use millstream::prelude::*;
use millstream::runtime;

use crate::seeds::every_seed;

type Row = (u64, i64, u64, i64);

const LEFT: i64 = 160;
const RIGHT: i64 = 120;

/// Per key and window of 100 s: how many there were, joined with the highest of another stream; then looked up in a service.
fn flow(flow: &Scope, out: CollectSink<Row>) {
    let counts = flow
        .source(
            "left",
            from_iter((0..LEFT).map(|n: i64| (n as u64 % 7, n * 3 - n * n % 40))),
        )
        .event_time(
            |(_, at)| Timestamp::from_secs(*at),
            Lateness::bounded(seconds(40)),
        )
        .key_by(|(key, _)| *key)
        .window(Tumbling::of(seconds(100)))
        .aggregate("counts", count());
    let highest = flow
        .source(
            "right",
            from_iter((0..RIGHT).map(|n: i64| (n as u64 % 5, n * 4))),
        )
        .map(|(key, at)| (key, at, at * 7 % 50))
        .event_time(|(_, at, _)| Timestamp::from_secs(*at), Lateness::none())
        .key_by(|(key, ..)| *key)
        .window(Tumbling::of(seconds(100)))
        .aggregate("highest", max(|(_, _, value): &(u64, i64, i64)| *value));
    counts
        .join(
            "joined",
            highest,
            Tumbling::of(seconds(100)),
            |key, count, highest| {
                (
                    *key,
                    count.window.start.as_millis() / 1000,
                    count.value,
                    highest.value,
                )
            },
        )
        .values()
        .map_async("looked-up", Unordered::up_to(10), |row: Row| async move {
            runtime::sleep(millis(row.0)).await;
            row
        })
        .sink("rows", out);
}

/// The same, by going over all of it for each row.
fn naive() -> BTreeSet<Row> {
    let left: Vec<(u64, i64)> = (0..LEFT)
        .map(|n: i64| (n as u64 % 7, n * 3 - n * n % 40))
        .collect();
    let right: Vec<(u64, i64, i64)> = (0..RIGHT)
        .map(|n: i64| (n as u64 % 5, n * 4, n * 4 * 7 % 50))
        .collect();
    let mut rows = BTreeSet::new();
    for key in 0..7 {
        for start in (-100..2_000).step_by(100) {
            let within = |at: i64| (start..start + 100).contains(&at);
            let count = left
                .iter()
                .filter(|(k, at)| *k == key && within(*at))
                .count() as u64;
            let highest = right
                .iter()
                .filter(|(k, at, _)| *k == key && within(*at))
                .map(|row| row.2)
                .max();
            if let Some(highest) = highest
                && count > 0
            {
                rows.insert((key, start, count, highest));
            }
        }
    }
    rows
}

#[test]
fn windows_joined_and_looked_up() {
    let expected: Vec<Row> = naive().into_iter().collect();
    assert!(expected.len() > 20, "{}", expected.len());
    every_seed(flow).lasting(millis(2)).gives(expected);
}
