//! Every join in one flow, stopped somewhere under each of a thousand seeds: the output stays the same.

use millstream::connectors::memory::CollectSink;
use millstream::operators::{AsOf, BroadcastTable, Interval, LookupCache, Sliding, TableLoad};
use millstream::prelude::*;

use super::{
    GAP, Rates, Record, all, looked_up, name_of, pair, pairs, pairs_in_sessions, sides, within,
};
use crate::seeds::varied;

const TTL: i64 = 15;

fn flow(seed: u64, flow: &Scope, out: CollectSink<String>) {
    let rates = Rates::of(seed);
    let (lefts, rights) = sides(flow, rates);
    let left = lefts.clone().key_by(|record| record.0);
    let right = rights.key_by(|record| record.0);
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
    let sessions = left.clone().full_join(
        "sessions",
        right.clone(),
        Session::gap(seconds(GAP as u64)),
        |_, l, r| pair("session", l, r),
    );
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
            let (start, a, b, c) = (window.start.as_millis() / 1_000, a.len(), b.len(), c.len());
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
        .union(sessions)
        .union(versions)
        .union(groups)
        .values()
        .union(table)
        .union(looked_up)
        .sink("out", out);
}

/// The same by going over all of it again and again.
fn naive() -> Vec<String> {
    let (lefts, rights) = all();
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
    rows.extend(pairs_in_sessions("session", &lefts, &rights));
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
    rows
}

#[test]
fn stopped_anywhere_they_go_on_with_another_parallelism() {
    let expected = naive();
    for of in [
        "window", "session", "near", "as-of", "group", "table", "look-up",
    ] {
        let rows = expected.iter().filter(|row| row.starts_with(of));
        assert!(rows.count() >= 8, "{of}");
    }
    varied(flow)
        .lasting(millis(40))
        .always_stopped()
        .gives(expected);
}
