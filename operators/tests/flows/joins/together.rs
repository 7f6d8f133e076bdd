//! Every join in one flow: whichever input comes first, and wherever it is stopped, the output stays the same.

use millstream::latency::LatencySettings;
use millstream::operators::{AsOf, BroadcastTable, Interval, LookupCache, Sliding, TableLoad};
use millstream::prelude::*;
use millstream::runtime;

use super::{Rates, Record, looked_up, name_of, pair, pairs, side, sorted, within};
use crate::stopping::{parallelisms, stop_and_go_on};

const LEFT: u64 = 40;
const RIGHT: u64 = 30;
const TTL: i64 = 30;

/// Out of order by less than 20 s, and now and then at the same time.
fn left(n: u64) -> Record {
    (n % 5, n, 3 * n as i64 - (n * n % 20) as i64 - 30)
}

fn right(n: u64) -> Record {
    (n % 4, 100 + n, 4 * n as i64 - (7 * n % 11) as i64 - 40)
}

fn flow(results: &Collect<String>, rates: Rates) -> Flow {
    let out = results.clone();
    let flow = Flow::new("joins", move |flow| {
        let side =
            |name: &str, of: fn(u64) -> Record, count, rate| side(flow, name, of, count, rate);
        let lefts = side("left", left, LEFT, rates.left);
        let left = lefts.clone().key_by(|record| record.0);
        let right = side("right", right, RIGHT, rates.right).key_by(|record| record.0);
        let names = Generator::new(|n, _| (n, name_of(n)))
            .with_count(9)
            .with_rate(rates.table);

        let windows = left.clone().full_join(
            "windows",
            right.clone(),
            Sliding::of(seconds(30), seconds(10)),
            |_, l, r| pair("window", l, r),
        );
        let near = Interval::before_and_after(seconds(5), seconds(12));
        let intervals = left
            .clone()
            .interval_full_join("near", right.clone(), near, |_, l, r| pair("near", l, r));
        let versions = left.clone().as_of_left_join(
            "as-of",
            right.clone(),
            AsOf::caught_up().with_ttl(seconds(TTL as u64)),
            |_, l, r| pair("as-of", Some(l), r),
        );
        let groups = left.clone().cogroup(right).and(left).window(
            "groups",
            Tumbling::of(seconds(20)),
            |key, window, a, b, c| {
                let (start, a, b, c) =
                    (window.start.as_millis() / 1_000, a.len(), b.len(), c.len());
                format!("group {key} {start} {a} {b} {c}")
            },
        );
        let table = lefts.clone().join_table(
            "table",
            flow.source("names", names),
            BroadcastTable::up_to(9, TableLoad::AtEnd),
            |record| record.0,
            |record, name| format!("table {} {name:?}", record.1),
        );
        let cache = LookupCache::up_to(4).with_ttl(millis(50));
        let looked_up = looked_up(lefts, "look-up", Unordered::up_to(8), cache);
        windows
            .union(intervals)
            .union(versions)
            .union(groups)
            .values()
            .union(table)
            .union(looked_up)
            .sink("out", out.sink());
    });
    // Histograms would be most of the work.
    flow.with_latency(LatencySettings::off())
}

/// The same by going over all of it again and again.
fn naive() -> Vec<String> {
    let lefts: Vec<Record> = (0..LEFT).map(left).collect();
    let rights: Vec<Record> = (0..RIGHT).map(right).collect();
    let mut rows = Vec::new();
    let mut join =
        |of: &str, lefts: &[Record], rights: &[Record], fits: &dyn Fn(i64, i64) -> bool| {
            rows.extend(pairs(of, lefts, rights, (true, true), fits));
        };
    for start in (-100..300).step_by(10) {
        join(
            "window",
            &within(&lefts, start, 30),
            &within(&rights, start, 30),
            &|_, _| true,
        );
    }
    join("near", &lefts, &rights, &|l, r| {
        (l - 5..=l + 12).contains(&r)
    });
    for start in (-100..300).step_by(20) {
        let (a, b) = (within(&lefts, start, 20), within(&rights, start, 20));
        for key in 0..5 {
            let count = |all: &[Record]| all.iter().filter(|record| record.0 == key).count();
            if count(&a) + count(&b) > 0 {
                rows.push(format!(
                    "group {key} {start} {} {} {}",
                    count(&a),
                    count(&b),
                    count(&a)
                ));
            }
        }
    }
    for l in &lefts {
        let versions = rights.iter().filter(|r| r.0 == l.0 && r.2 <= l.2);
        let version = versions.max_by_key(|r| r.2).filter(|r| l.2 <= r.2 + TTL);
        rows.push(pair("as-of", Some(l), version));
        rows.push(format!("table {} {:?}", l.1, name_of(l.0)));
        rows.push(format!("look-up {} {:?}", l.1, name_of(l.0)));
    }
    rows.sort();
    rows
}

#[test]
fn whichever_input_comes_first_the_output_is_the_same() {
    let expected = naive();
    for of in ["window", "near", "as-of", "group", "table", "look-up"] {
        assert!(
            expected.iter().filter(|row| row.starts_with(of)).count() >= 20,
            "{of}"
        );
    }
    let results = Collect::new();
    for seed in 0..200 {
        let flow = flow(&results, Rates::of(seed)).with_parallelism(1 + seed as usize % 3);
        let report = flow.simulate(seed).unwrap();
        assert_eq!(report.late(), 0, "seed {seed}");
        assert!(sorted(results.take()) == expected, "seed {seed}");
    }
}

#[test]
fn stopped_anywhere_it_goes_on_with_another_parallelism() {
    let (expected, results) = (naive(), Collect::new());
    let mut stopped = 0;
    for seed in 0..60 {
        let (before, after) = parallelisms(seed);
        let flow = flow(&results, Rates::of(seed));
        let first = flow.clone().with_parallelism(before);
        let rest = flow.with_parallelism(after);
        let until = runtime::sleep(millis(seed * 13 % 150));
        stopped += usize::from(stop_and_go_on(seed, first, rest, until).is_some());
        assert!(sorted(results.take()) == expected, "seed {seed}");
    }
    assert!(stopped > 20, "only {stopped} were stopped before their end");
}
