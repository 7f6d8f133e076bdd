//! What hot keys cost, and what aggregating before the shuffle spares: counts and sums per key and second, at
//! parallelism 2, from a generator.
//!
//! Each draw of keys runs with and without it. "As it decides" is the default: it steps aside where keys do not come
//! again.

#![allow(clippy::expect_used)] // A bench that cannot run has to stop.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Contest, argument, nanos_each, verdict};
use millstream::connectors::generator::Random;
use millstream::prelude::*;

const KEYS: u64 = 100_000;
/// Records of a second of event time.
const RATE: u64 = 1_000_000;

/// Draws the key of a record.
type Draw = fn(&mut Random) -> u64;

const DRAWS: [(&str, Draw); 4] = [
    ("one key has half", |random| match random.below(2) {
        0 => 7,
        _ => random.below(KEYS),
    }),
    // Of Zipf's law with exponent 1, by inversion of its continuous form.
    ("Zipf", |random| (KEYS as f64).powf(random.unit()) as u64),
    ("all alike", |random| random.below(KEYS)),
    ("hardly one twice", |random| random.number()),
];

/// Runs the flow; gives how many records and states went over the shuffle.
fn run(records: u64, draw: Draw, preaggregated: Option<bool>) -> u64 {
    let seen = Arc::new(AtomicU64::new(0));
    let seen_by_sink = seen.clone();
    let flow = Flow::new("hot keys", move |flow| {
        let seen = seen_by_sink.clone();
        let source = Generator::new(move |n, random| (draw(random), n)).with_count(records);
        let windows = flow
            .source("clicks", source)
            .event_time(
                |(_, n)| Timestamp::from_micros((n * (1_000_000 / RATE)) as i64),
                Lateness::bounded(seconds(1)),
            )
            .key_by(|(key, _)| *key)
            .window(Tumbling::of(seconds(1)));
        let windows = match preaggregated {
            Some(preaggregated) => windows.preaggregated(preaggregated),
            None => windows,
        };
        windows
            .aggregate("counts", (count(), sum(|(_, n): &(u64, u64)| *n)))
            .map(|_, result| result.value.0)
            .sink(
                "out",
                for_each(move |count| {
                    seen.fetch_add(count, Ordering::Relaxed);
                }),
            );
    });
    let report = flow.with_parallelism(2).run_blocking().expect("it runs");
    assert_eq!(seen.load(Ordering::Relaxed), records);
    report
        .vertex("counts")
        .map_or(0, |counts| counts.records_in)
}

fn main() {
    let records = argument("records", 5_000_000);
    let rounds = argument("rounds", 7) as usize;
    for (name, draw) in DRAWS {
        let mut contest = Contest::new();
        let without = contest.add("at the window only", || {
            run(records, draw, Some(false));
        });
        let with = contest.add("before the shuffle, as it decides", || {
            run(records, draw, None);
        });
        contest.run(rounds);
        contest.print(name, records);
        let share = run(records, draw, None) as f64 / records as f64;
        println!("over the shuffle: {share:.3} of the records");
        let wall = contest
            .middle(|costs| costs[without].wall.as_secs_f64() / costs[with].wall.as_secs_f64());
        println!("{name}, speed with : without, wall: {wall}");
        let spared = contest.middle(|costs| {
            nanos_each(costs[with].cpu, records) - nanos_each(costs[without].cpu, records)
        });
        verdict(
            &format!("{name}, CPU ns per record more than without"),
            spared,
            spared.median <= 5.0,
            "<= 5",
        );
    }
}
