//! What comes too late for a join: each record is in its results or among the late ones, and in one of them alone.

use std::collections::BTreeSet;

use millstream::operators::{AsOf, Interval, OneOf3, OneOf4};
use millstream::prelude::*;

use super::{Rates, Record};
use crate::seeds::varied;

const COUNT: u64 = 10;

type Side = KeyedStream<u64, Record>;

/// Key, number, and second: some are a minute behind those before them.
fn left(n: u64) -> Record {
    (n % 2, n, 10 * n as i64 - (n % 4 / 3 * 60) as i64)
}

fn right(n: u64) -> Record {
    (n % 3, 100 + n, 12 * n as i64 - (n % 5 / 4 * 70) as i64)
}

fn numbers<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<u64> {
    records.into_iter().map(|record| record.1).collect()
}

fn windows() -> Tumbling {
    Tumbling::of(seconds(30))
}

/// A join, as the numbers of the records in each result, and those of the late ones.
type Join = fn(Side, Side) -> (KeyedStream<u64, Vec<u64>>, Stream<u64>);

/// Which late records a join counts.
#[derive(PartialEq)]
enum Counts {
    /// Those it gives, and no others.
    Given,
    /// Others as well: those of a stream that is in it twice.
    Others,
}

/// A record as the join has it: in a result, or late.
enum Came {
    Joined(Vec<u64>),
    Late(u64),
}

/// Of the numbers that `of` holds for, each is in the results or late, and never both, under every seed.
fn check(of: impl Fn(u64) -> bool, counts: Counts, join: Join) {
    let all = (0..COUNT).chain(100..100 + COUNT);
    let all: BTreeSet<u64> = all.filter(|number| of(*number)).collect();
    let mut missed = [0; 2];
    let flow = varied(move |seed, flow, out| {
        let rates = Rates::of(seed);
        let side = |name: &str, of: fn(u64) -> Record, rate| {
            let records = Generator::new(move |n, _| of(n)).with_count(COUNT);
            flow.source(name, records.with_rate(rate))
                .event_time(|record| Timestamp::from_secs(record.2), Lateness::none())
                .key_by(|record| record.0)
        };
        let (left, right) = (
            side("lefts", left, rates.left),
            side("rights", right, rates.right),
        );
        let (results, late) = join(left, right);
        let late = late.map(Came::Late);
        results
            .values()
            .map(Came::Joined)
            .union(late)
            .sink("out", out);
    });
    flow.without_a_stop().holds(|came, run| {
        let (mut seen, mut late) = (BTreeSet::new(), Vec::new());
        for came in came {
            match came {
                Came::Joined(numbers) => seen.extend(numbers),
                Came::Late(number) => late.push(number),
            }
        }
        match counts {
            Counts::Given => assert_eq!(run.late(), late.len() as u64),
            Counts::Others => assert!(run.late() >= late.len() as u64),
        }
        seen.retain(|number| of(*number));
        for number in late {
            missed[usize::from(number >= 100)] += 1;
            assert!(!of(number) || seen.insert(number), "{number} is in both");
        }
        assert_eq!(seen, all);
    });
    let of_both = of(0) && of(100);
    assert!(
        missed[0] > 500 && (missed[1] > 500 || !of_both),
        "{missed:?}"
    );
}

/// The number of a late record of either side.
fn number(late: &Either<Record, Record>) -> u64 {
    let (Either::Left(record) | Either::Right(record)) = late;
    record.1
}

#[test]
fn of_window_joins() {
    check(
        |_| true,
        Counts::Given,
        |left, right| {
            let (pairs, late) = left.join_with_late("pairs", right, windows(), |_, l, r| {
                Some(numbers(l.into_iter().chain(r)))
            });
            (pairs, late.map(|_, late| number(&late)).erase())
        },
    );
}

#[test]
fn of_joins_of_sessions() {
    check(
        |_| true,
        Counts::Given,
        |left, right| {
            let gap = Session::gap(seconds(8));
            let (pairs, late) = left.join_with_late("pairs", right, gap, |_, l, r| {
                Some(numbers(l.into_iter().chain(r)))
            });
            (pairs, late.map(|_, late| number(&late)).erase())
        },
    );
}

#[test]
fn of_interval_joins() {
    check(
        |_| true,
        Counts::Given,
        |left, right| {
            let near = Interval::around(seconds(10));
            let (pairs, late) = left.interval_join_with_late("near", right, near, |_, l, r| {
                Some(numbers(l.into_iter().chain(r)))
            });
            (pairs, late.map(|_, late| number(&late)).erase())
        },
    );
}

#[test]
fn of_as_of_joins_whose_versions_need_not_be_met() {
    check(
        |number| number < 100,
        Counts::Given,
        |left, right| {
            let exact = AsOf::caught_up();
            let (answers, late) =
                left.as_of_join_with_late("as-of", right, exact, |_, l, _| Some(vec![l.1]));
            (answers, late.map(|_, late| number(&late)).erase())
        },
    );
}

#[test]
fn of_cogroups() {
    check(
        |_| true,
        Counts::Given,
        |left, right| {
            let both = left.cogroup(right);
            let (groups, late) = both.window_with_late("groups", windows(), |_, _, l, r| {
                numbers(l.iter().chain(r.iter()))
            });
            (groups, late.map(|_, late| number(&late)).erase())
        },
    );
    // A stream that is in it twice has each of its late records there twice: one of them is enough.
    check(
        |_| true,
        Counts::Others,
        |left, right| {
            let three = left.cogroup(right.clone()).and(right);
            let (groups, late) = three.window_with_late("groups", windows(), |_, _, l, r, _| {
                numbers(l.iter().chain(r.iter()))
            });
            let first = late.values().filter_map(|late| match late {
                OneOf3::First(record) | OneOf3::Second(record) => Some(record.1),
                OneOf3::Third(_) => None,
            });
            (groups, first.erase())
        },
    );
    check(
        |_| true,
        Counts::Others,
        |left, right| {
            let four = right.clone().cogroup(left.clone()).and(left).and(right);
            let (groups, late) = four.window_with_late("groups", windows(), |_, _, _, _, l, r| {
                numbers(l.iter().chain(r.iter()))
            });
            let last = late.values().filter_map(|late| match late {
                OneOf4::Third(record) | OneOf4::Fourth(record) => Some(record.1),
                OneOf4::First(_) | OneOf4::Second(_) => None,
            });
            (groups, last.erase())
        },
    );
}
