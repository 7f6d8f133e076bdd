//! Each join under a thousand seeds: the output stays the same, whichever input comes first.

use std::time::Duration;

use millstream::operators::{
    AsOf, BroadcastTable, Interval, LookupCache, Session, Sliding, TableLoad,
};
use millstream::prelude::*;
use millstream::runtime;

use super::{
    GAP, Rates, Record, all, looked_up, name_of, pair, pairs, pairs_in_sessions, sides, within,
};
use crate::seeds::varied;

/// Of the windows, in seconds.
const SIZE: i64 = 30;
const SLIDE: i64 = 20;

/// What a join is called that keeps records without a partner of the left side, and of the right one.
const KINDS: [(&str, (bool, bool)); 4] = [
    ("inner", (false, false)),
    ("left", (true, false)),
    ("right", (false, true)),
    ("full", (true, true)),
];

fn starts() -> impl Iterator<Item = i64> {
    (-100..200).step_by(SLIDE as usize)
}

fn windows() -> Sliding {
    Sliding::of(seconds(SIZE as u64), seconds(SLIDE as u64))
}

type Side = KeyedStream<u64, Record>;
type Rows = KeyedStream<u64, String>;

/// A flow of the two sides gives these rows and no others, under every seed.
fn check(joins: fn(&Scope, Stream<Record>, Side) -> Stream<String>, expected: Vec<String>) {
    varied(move |seed, flow, out| {
        let (lefts, rights) = sides(flow, Rates::of(seed));
        joins(flow, lefts, rights.key_by(|record| record.0)).sink("out", out);
    })
    .without_a_stop()
    .gives(expected);
}

/// All of these in one.
fn united(all: impl IntoIterator<Item = Rows>) -> Stream<String> {
    let all = all.into_iter().reduce(KeyedStream::union);
    all.unwrap().values().erase()
}

#[test]
fn window_joins() {
    let (lefts, rights) = all();
    let mut expected = Vec::new();
    for (of, outer) in KINDS {
        for start in starts() {
            let (lefts, rights) = (within(&lefts, start, SIZE), within(&rights, start, SIZE));
            expected.extend(pairs(of, &lefts, &rights, outer, &|_, _| true));
        }
    }
    check(
        |_, l, r| {
            let l = l.key_by(|record| record.0);
            let (first, second, third) = (l.clone(), l.clone(), l.clone());
            united([
                first.join("inner", r.clone(), windows(), |_, l, r| {
                    pair("inner", Some(l), Some(r))
                }),
                second.left_join("left", r.clone(), windows(), |_, l, r| {
                    pair("left", Some(l), r)
                }),
                third.right_join("right", r.clone(), windows(), |_, l, r| {
                    pair("right", l, Some(r))
                }),
                l.full_join("full", r, windows(), |_, l, r| pair("full", l, r)),
            ])
        },
        expected,
    );
}

#[test]
fn session_joins() {
    let (lefts, rights) = all();
    let expected = pairs_in_sessions("full", &lefts, &rights);
    check(
        |_, l, r| {
            let l = l.key_by(|record| record.0);
            let full = l.full_join("full", r, Session::gap(seconds(GAP as u64)), |_, l, r| {
                pair("full", l, r)
            });
            united([full])
        },
        expected,
    );
}

#[test]
fn interval_joins() {
    let (lefts, rights) = all();
    let near = |l, r| (l - 4..=l + 9).contains(&r);
    let mut expected = Vec::new();
    for (of, outer) in KINDS {
        expected.extend(pairs(of, &lefts, &rights, outer, &near));
    }
    check(
        |_, l, r| {
            let l = l.key_by(|record| record.0);
            let (first, second, third) = (l.clone(), l.clone(), l.clone());
            let near = Interval::before_and_after(seconds(4), seconds(9));
            united([
                first.interval_join("inner", r.clone(), near, |_, l, r| {
                    pair("inner", Some(l), Some(r))
                }),
                second.interval_left_join("left", r.clone(), near, |_, l, r| {
                    pair("left", Some(l), r)
                }),
                third.interval_right_join("right", r.clone(), near, |_, l, r| {
                    pair("right", l, Some(r))
                }),
                l.interval_full_join("full", r, near, |_, l, r| pair("full", l, r)),
            ])
        },
        expected,
    );
}

/// For how long a version holds: some have run out by then.
const TTL: Duration = seconds(7);

/// What each left record makes with the version of its time.
fn versions(of: &str, outer: bool, ttl: i64) -> Vec<String> {
    let (lefts, rights) = all();
    let mut rows = Vec::new();
    for l in &lefts {
        let versions = rights.iter().filter(|r| r.0 == l.0 && r.2 <= l.2);
        let version = versions.max_by_key(|r| r.2).filter(|r| l.2 <= r.2 + ttl);
        if outer || version.is_some() {
            rows.push(pair(of, Some(l), version));
        }
    }
    rows
}

#[test]
fn as_of_joins_that_wait() {
    let mut expected = versions("inner", false, 1_000);
    expected.extend(versions("left", true, 7));
    check(
        |_, l, r| {
            let l = l.key_by(|record| record.0);
            let exact = AsOf::caught_up();
            united([
                l.clone().as_of_join("inner", r.clone(), exact, |_, l, r| {
                    pair("inner", Some(l), Some(r))
                }),
                l.as_of_left_join("left", r, exact.with_ttl(TTL), |_, l, r| {
                    pair("left", Some(l), r)
                }),
            ])
        },
        expected,
    );
}

#[test]
fn as_of_joins_that_do_not_wait_for_a_table_that_is_there() {
    let mut expected = versions("at-once", true, 1_000);
    expected.extend(versions("recent", true, 7));
    check(
        |_, l, r| {
            // By then the table has come, however slow it is.
            let later = l.map_async("later", Ordered::up_to(100), |record| async move {
                runtime::sleep(seconds(1)).await;
                record
            });
            let later = later.key_by(|record| record.0);
            let at_once = AsOf::immediate();
            united([
                later
                    .clone()
                    .as_of_left_join("at-once", r.clone(), at_once, |_, l, r| {
                        pair("at-once", Some(l), r)
                    }),
                later.as_of_left_join("recent", r, at_once.with_ttl(TTL), |_, l, r| {
                    pair("recent", Some(l), r)
                }),
            ])
        },
        expected,
    );
}

#[test]
fn joins_with_tables_and_services() {
    let (lefts, _) = all();
    let mut expected = Vec::new();
    for record in &lefts {
        for of in ["ended", "loaded", "asked"] {
            expected.push(format!("{of} {} {:?}", record.1, name_of(record.0)));
        }
    }
    check(
        |flow, l, r| {
            r.discard();
            let names = |name: &str| {
                let names = Generator::new(|n, _| (n, name_of(n))).with_count(4);
                flow.source(name, names.with_rate(300))
            };
            let ended = l.clone().join_table(
                "ended",
                names("names"),
                BroadcastTable::up_to(9, TableLoad::AtEnd),
                |record| record.0,
                |record, name| format!("ended {} {name:?}", record.1),
            );
            let loaded = l.clone().join_table(
                "loaded",
                names("timed-names").event_time(|_| Timestamp::from_secs(-100), Lateness::none()),
                BroadcastTable::up_to(9, TableLoad::At(Timestamp::from_secs(0))),
                |record| record.0,
                |record, name| format!("loaded {} {name:?}", record.1),
            );
            let cache = LookupCache::up_to(1).with_ttl(millis(5));
            let asked = looked_up(l, "asked", Unordered::up_to(3), cache);
            ended.union(loaded).union(asked)
        },
        expected,
    );
}

#[test]
fn cogroups_of_two_to_four() {
    let (lefts, rights) = all();
    let mut expected = Vec::new();
    for start in starts() {
        let (lefts, rights) = (within(&lefts, start, SIZE), within(&rights, start, SIZE));
        for key in 0..3 {
            let count = |all: &[Record]| all.iter().filter(|record| record.0 == key).count();
            let (l, r) = (count(&lefts), count(&rights));
            for counts in [&[l, r] as &[_], &[l, r, l], &[l, r, l, r]] {
                if l + r > 0 {
                    expected.push(format!("{key} {start} {counts:?}"));
                }
            }
        }
    }
    fn row(key: &u64, window: Window, counts: &[usize]) -> String {
        format!("{key} {} {counts:?}", window.start.as_millis() / 1_000)
    }
    check(
        |_, l, r| {
            let l = l.key_by(|record| record.0);
            let two = l.clone().cogroup(r.clone());
            let three = l.clone().cogroup(r.clone()).and(l.clone());
            let four = l.clone().cogroup(r.clone()).and(l).and(r);
            united([
                two.window("two", windows(), |key, window, a, b| {
                    row(key, window, &[a.len(), b.len()])
                }),
                three.window("three", windows(), |key, window, a, b, c| {
                    row(key, window, &[a.len(), b.len(), c.len()])
                }),
                four.window("four", windows(), |key, window, a, b, c, d| {
                    row(key, window, &[a.len(), b.len(), c.len(), d.len()])
                }),
            ])
        },
        expected,
    );
}
