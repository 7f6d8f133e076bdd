//! Joins in whole flows: alone and together, late records, and what they say of event time.

mod each;
mod late;
mod together;
mod why;

use std::convert::Infallible;

use millstream::operators::{Calls, LookupCache};
use millstream::prelude::*;
use millstream::runtime;
use millstream_engine::random::SplitMix64;

/// Key, number, and second.
type Record = (u64, u64, i64);

/// What a place is called; some are not.
fn name_of(key: u64) -> Option<String> {
    (key != 3).then(|| format!("<{key}>"))
}

fn number(record: Option<&Record>) -> String {
    record.map_or("-".to_owned(), |record| record.1.to_string())
}

fn pair(of: &str, l: Option<&Record>, r: Option<&Record>) -> String {
    format!("{of} {} {}", number(l), number(r))
}

/// How many records of each input come in a second.
#[derive(Clone, Copy)]
struct Rates {
    left: u32,
    right: u32,
    table: u32,
}

impl Rates {
    /// Each input is at times the slow one, and at times the fast one.
    fn of(seed: u64) -> Rates {
        let mut drawn = SplitMix64::new(seed);
        let mut rate = || [200, 2_000, 20_000][drawn.below(3) as usize];
        Rates {
            left: rate(),
            right: rate(),
            table: rate(),
        }
    }
}

const LEFT: u64 = 8;
const RIGHT: u64 = 7;

/// Out of order by less than 20 s.
fn left(n: u64) -> Record {
    (n % 2, n, 7 * n as i64 - (n * n % 20) as i64 - 10)
}

fn right(n: u64) -> Record {
    (n % 3, 10 + n, 8 * n as i64 - (5 * n % 11) as i64 - 10)
}

/// All records of both sides.
fn all() -> (Vec<Record>, Vec<Record>) {
    (
        (0..LEFT).map(left).collect(),
        (0..RIGHT).map(right).collect(),
    )
}

/// Streams of them.
fn sides(flow: &Scope, rates: Rates) -> (Stream<Record>, Stream<Record>) {
    let side = |name: &str, of: fn(u64) -> Record, count, rate| {
        let records = Generator::new(move |n, _| of(n)).with_count(count);
        flow.source(name, records.with_rate(rate))
            .event_time(
                |record| Timestamp::from_secs(record.2),
                Lateness::bounded(seconds(20)),
            )
            .erase()
    };
    (
        side("lefts", left, LEFT, rates.left),
        side("rights", right, RIGHT, rates.right),
    )
}

/// Records with what their places are called, which takes a while to learn.
fn looked_up(
    records: Stream<Record>,
    of: &'static str,
    calls: Calls,
    cache: LookupCache,
) -> Stream<String> {
    records.lookup(
        of,
        calls,
        cache,
        |record| record.0,
        |key| async move {
            runtime::sleep(millis(key)).await;
            Ok::<_, Infallible>(name_of(key))
        },
        move |record, name| format!("{of} {} {:?}", record.1, name.unwrap()),
    )
}

/// What a join of all these makes: a row for each pair of a key that `fits` by its times, and for each record without
/// a partner of a side that is outer.
fn pairs(
    of: &str,
    lefts: &[Record],
    rights: &[Record],
    outer: (bool, bool),
    fits: &dyn Fn(i64, i64) -> bool,
) -> Vec<String> {
    let fits = |l: &Record, r: &Record| l.0 == r.0 && fits(l.2, r.2);
    let mut rows = Vec::new();
    for l in lefts {
        let partners = rights.iter().filter(|r| fits(l, r));
        rows.extend(partners.map(|r| pair(of, Some(l), Some(r))));
        if outer.0 && !rights.iter().any(|r| fits(l, r)) {
            rows.push(pair(of, Some(l), None));
        }
    }
    let lonely = rights.iter().filter(|r| !lefts.iter().any(|l| fits(l, r)));
    rows.extend(lonely.filter(|_| outer.1).map(|r| pair(of, None, Some(r))));
    rows
}

/// Those of a window that starts at a second and is so long.
fn within(all: &[Record], start: i64, size: i64) -> Vec<Record> {
    let within = |record: &&Record| (start..start + size).contains(&record.2);
    all.iter().filter(within).copied().collect()
}

/// Of sessions, in seconds.
const GAP: i64 = 10;

/// What a full join by sessions makes of all these.
fn pairs_in_sessions(of: &str, lefts: &[Record], rights: &[Record]) -> Vec<String> {
    let mut rows = Vec::new();
    for key in 0..3 {
        let of_key = |records: &[Record]| -> Vec<Record> {
            let records = records.iter().filter(|record| record.0 == key);
            records.copied().collect()
        };
        let (lefts, rights) = (of_key(lefts), of_key(rights));
        let mut times: Vec<i64> = lefts.iter().chain(&rights).map(|record| record.2).collect();
        times.sort_unstable();
        // How many sessions were over before a time.
        let over = |time| {
            let gaps = times.windows(2).filter(|pair| pair[1] - pair[0] >= GAP);
            gaps.filter(|pair| pair[1] <= time).count()
        };
        rows.extend(pairs(of, &lefts, &rights, (true, true), &|l, r| {
            over(l) == over(r)
        }));
    }
    assert!(rows.iter().any(|row| row.contains('-')) && rows.len() > 10);
    rows
}
