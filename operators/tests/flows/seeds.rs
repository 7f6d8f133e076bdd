//! The scheduler may do what it likes: the output stays the same. So it does across a stop and another parallelism.

use std::collections::BTreeSet;

use millstream::prelude::*;
use millstream::runtime;

use crate::stopping::{parallelisms, stop_and_go_on};

type Row = (u64, i64, u64, i64);

/// Per key and window of 100 s: how many there were, joined with the highest of another stream; then looked up in a service.
fn flow(results: &Collect<Row>) -> Flow {
    let out = results.clone();
    Flow::new("counts-and-highest", move |flow| {
        let counts = flow
            .source(
                "left",
                from_iter((0..400).map(|n: i64| (n as u64 % 7, n * 3 - n * n % 40))),
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
                from_iter((0..300).map(|n: i64| (n as u64 % 5, n * 4))),
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
            .sink("rows", out.sink());
    })
}

/// The same, by going over all of it for each row.
fn naive() -> BTreeSet<Row> {
    let left: Vec<(u64, i64)> = (0..400)
        .map(|n: i64| (n as u64 % 7, n * 3 - n * n % 40))
        .collect();
    let right: Vec<(u64, i64, i64)> = (0..300)
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
fn a_thousand_seeds_give_one_output() {
    let results = Collect::new();
    let flow = flow(&results);
    let expected = naive();
    assert!(expected.len() > 30);
    for seed in 0..1_000 {
        let parallelism = 1 + seed as usize % 3;
        let report = flow
            .clone()
            .with_parallelism(parallelism)
            .simulate(seed)
            .unwrap();
        let rows = results.take();
        assert_eq!(
            (report.late(), rows.len()),
            (0, expected.len()),
            "seed {seed}"
        );
        assert_eq!(
            rows.into_iter().collect::<BTreeSet<_>>(),
            expected,
            "seed {seed}"
        );
    }
}

#[test]
fn stopped_anywhere_it_goes_on_with_another_parallelism() {
    let results = Collect::new();
    let flow = flow(&results);
    let expected = naive();
    let mut stopped = 0;
    for seed in 0..200 {
        let (before, after) = parallelisms(seed);
        let first = flow.clone().with_parallelism(before);
        let rest = flow.clone().with_parallelism(after);
        let until = runtime::sleep(millis(seed % 20) / 10);
        stopped += usize::from(stop_and_go_on(seed, first, rest, until).is_some());
        let rows = results.take();
        assert_eq!(rows.len(), expected.len(), "seed {seed}");
        assert_eq!(
            rows.into_iter().collect::<BTreeSet<_>>(),
            expected,
            "seed {seed}"
        );
    }
    assert!(
        stopped > 100,
        "only {stopped} were stopped before their end"
    );
}
