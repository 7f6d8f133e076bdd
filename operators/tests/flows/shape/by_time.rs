//! What goes by event time or by keys alone is the same whatever the schedule: `sort`, `zip_latest`, `dedup`, `sample`.

use std::collections::{BTreeMap, BTreeSet};

use millstream::operators::Ttl;
use millstream::prelude::*;

use crate::seeds::{EverySeed, every_seed};

const RECORDS: u64 = 20;
const KEYS: u64 = 3;

/// Number, key, second: within 20 seconds out of order, no two at the same time.
type Row = (u64, u64, i64);

fn row(n: u64) -> Row {
    (
        n,
        n * n / 5 % KEYS,
        (n * 3) as i64 - (n * 7 % 13) as i64 * 3 / 2,
    )
}

/// How they come: as fast as they are taken or so many a second, and so many seconds out of order without being late.
#[derive(Clone, Copy)]
struct Coming {
    rate: Option<u32>,
    lateness: u64,
}

const NONE_LATE: Coming = Coming {
    rate: None,
    lateness: 80,
};

fn rows(flow: &Scope, name: &str, shift: i64, coming: Coming) -> KeyedStream<u64, Row> {
    let rows = Generator::new(move |n, _| {
        let (n, key, at) = row(n);
        (n, key, at * 4 + shift)
    });
    let rows = rows.with_count(RECORDS);
    let rows = match coming.rate {
        Some(rate) => rows.with_rate(rate),
        None => rows,
    };
    flow.source(name, rows)
        .event_time(
            |row| Timestamp::from_secs(row.2),
            Lateness::bounded(seconds(coming.lateness)),
        )
        .key_by(|row| row.1)
}

/// The rows of a stream.
fn all(shift: i64) -> Vec<Row> {
    let rows = (0..RECORDS).map(row);
    rows.map(|(n, key, at)| (n, key, at * 4 + shift)).collect()
}

/// Of both streams together, what each key has in order; and what each record of either meets in the other.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Sorted(u64, Row),
    Zipped(u64, (u64, u64)),
    Late(Late),
}

/// A record that came too late for the one or for the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Late {
    Unsorted(Row),
    Unzipped(Row),
}

/// For how many seconds the latest of each is remembered.
const TTL: i64 = 40;

fn sorted_and_zipped(coming: Coming) -> EverySeed<Told> {
    every_seed(move |flow, out| {
        let (left, right) = (
            rows(flow, "left", 0, coming),
            rows(flow, "right", 1, coming),
        );
        let both = left.clone().values().union(right.clone().values());
        let (sorted, unsorted) = both.key_by(|row| row.1).sort_with_late("in-order");
        let ttl = Ttl::event_time(seconds(TTL as u64));
        let (zipped, unzipped) =
            left.zip_latest_with_late("both", right, ttl, |_, left, right| (left.0, right.0));
        let unzipped = unzipped.values().map(|late| match late {
            Either::Left(row) | Either::Right(row) => Late::Unzipped(row),
        });
        let late = unsorted.values().map(Late::Unsorted).union(unzipped);
        sorted
            .entries()
            .map(|(key, row)| Told::Sorted(key, row))
            .union(zipped.entries().map(|(key, pair)| Told::Zipped(key, pair)))
            .union(late.map(Told::Late))
            .sink("out", out);
    })
}

/// Each key's rows sorted, and its pairs.
type ByKey = BTreeMap<u64, (Vec<Row>, Vec<(u64, u64)>)>;

fn by_key(told: impl IntoIterator<Item = Told>) -> ByKey {
    let mut all = ByKey::new();
    for told in told {
        match told {
            Told::Sorted(key, row) => all.entry(key).or_default().0.push(row),
            Told::Zipped(key, pair) => all.entry(key).or_default().1.push(pair),
            Told::Late(_) => {}
        }
    }
    all
}

/// What comes of all but the late ones.
fn naive(late: &BTreeSet<Late>) -> ByKey {
    let mut both: Vec<_> = all(0).into_iter().map(|row| (row.2, 0, row)).collect();
    both.extend(all(1).into_iter().map(|row| (row.2, 1, row)));
    both.sort_unstable();
    assert!(both.is_sorted_by(|a, b| a.0 < b.0), "two at a time");
    let mut latest = BTreeMap::<u64, [Option<Row>; 2]>::new();
    let (mut told, mut forgotten) = (Vec::new(), 0);
    for (at, side, row) in both {
        if !late.contains(&Late::Unsorted(row)) {
            told.push(Told::Sorted(row.1, row));
        }
        if late.contains(&Late::Unzipped(row)) {
            continue;
        }
        let latest = latest.entry(row.1).or_default();
        latest[side] = Some(row);
        if let [Some(left), Some(right)] = latest {
            match left.2.min(right.2) + TTL > at {
                true => told.push(Told::Zipped(row.1, (left.0, right.0))),
                false => forgotten += 1,
            }
        }
    }
    assert!(
        !late.is_empty() || (told.len() > 50 && forgotten > 2),
        "{} and {forgotten}",
        told.len()
    );
    by_key(told)
}

#[test]
fn order_and_the_latest_of_both_are_the_same_whatever_the_schedule() {
    let expected = naive(&BTreeSet::new());
    let quick = sorted_and_zipped(NONE_LATE).without_a_stop();
    quick.holds(|told, run| {
        assert_eq!((&by_key(told), run.late()), (&expected, 0));
    });
    let coming = Coming {
        rate: Some(1_000),
        ..NONE_LATE
    };
    let slow = sorted_and_zipped(coming).lasting(millis(RECORDS));
    slow.always_stopped().under(100).holds(|told, _| {
        assert_eq!(by_key(told), expected);
    });
}

#[test]
fn what_is_late_is_given_apart_and_the_rest_is_as_if_it_had_never_come() {
    let coming = Coming {
        rate: Some(1_000),
        lateness: 20,
    };
    let (mut unsorted, mut unzipped) = (0, 0);
    sorted_and_zipped(coming)
        .without_a_stop()
        .holds(|told, run| {
            let given = told.iter().filter_map(|told| match told {
                Told::Late(late) => Some(late.clone()),
                Told::Sorted(..) | Told::Zipped(..) => None,
            });
            let late: BTreeSet<_> = given.clone().collect();
            assert_eq!((late.len(), run.late()), (given.count(), late.len() as u64));
            let is_unsorted = |late: &&Late| matches!(late, Late::Unsorted(_));
            let of_sort = late.iter().filter(is_unsorted).count();
            (unsorted, unzipped) = (unsorted + of_sort, unzipped + late.len() - of_sort);
            assert_eq!(by_key(told), naive(&late));
        });
    assert!(
        unsorted > 1_000 && unzipped > 1_000,
        "{unsorted} and {unzipped}"
    );
}

#[test]
fn the_first_of_equal_ones_are_the_same_whatever_the_schedule() {
    const TTL: i64 = 60;
    let flow: EverySeed<Row> = every_seed(|flow, out| {
        flow.source("rows", from_iter(all(0)))
            .event_time(
                |row| Timestamp::from_secs(row.2),
                Lateness::bounded(seconds(80)),
            )
            .key_by(|row| row.1)
            .dedup("once", Ttl::event_time(seconds(TTL as u64)))
            .values()
            .sink("out", out);
    });
    let (mut until, mut expected) = (BTreeMap::<u64, i64>::new(), BTreeSet::new());
    for row in all(0) {
        // None is late, and the watermark is behind the life of each.
        if until.get(&row.1).is_none_or(|until| *until <= row.2) {
            until.insert(row.1, row.2 + TTL);
            expected.insert(row);
        }
    }
    assert!(expected.len() > 3, "{expected:?}");
    flow.without_a_stop().holds(|rows, run| {
        assert_eq!(run.repeats(), RECORDS - expected.len() as u64);
        assert_eq!(rows.len(), expected.len());
        assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), expected);
    });
}

/// The same keys in every run, those of a smaller part among those of a larger.
#[test]
fn samples_are_the_same_whatever_the_schedule() {
    let flow: EverySeed<(u64, u64)> = every_seed(|flow, out| {
        let numbers = flow.source("numbers", from_iter(0..100_u64)).rebalance();
        numbers
            .clone()
            .sample(0.2, |n| n / 2)
            .map(|n| (2, n))
            .union(numbers.sample(0.5, |n| n / 2).map(|n| (5, n)))
            .sink("out", out);
    });
    let mut expected = None;
    flow.without_a_stop().holds(|rows, _| {
        let of = |part| {
            rows.iter()
                .filter(move |row| row.0 == part)
                .map(|row| row.1)
        };
        let (few, many): (BTreeSet<u64>, BTreeSet<u64>) = (of(2).collect(), of(5).collect());
        assert!(few.is_subset(&many) && rows.len() == few.len() + many.len());
        assert!(
            few.iter().all(|n| few.contains(&(n ^ 1))),
            "not a whole key"
        );
        assert!((6..40).contains(&few.len()) && (30..70).contains(&many.len()));
        let expected = expected.get_or_insert((few.clone(), many.clone()));
        assert_eq!((few, many), *expected);
    });
}
