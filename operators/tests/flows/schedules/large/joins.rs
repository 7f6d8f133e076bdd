//! Joins with many records that wait for the same watermark to rule a partner out.

use millstream::operators::Interval;
use millstream::prelude::*;

use super::super::facts::{Fact, by_window, sliding};
use super::{AT_ONCE, Bulky, SEEDS, bulky, facts, keyed, lead};
use crate::seeds::every_seed;

/// The pairs of records that are no more than 20 s apart, and those that are in none.
#[test]
fn interval_joins() {
    let (lefts, rights) = (facts(1), facts(2));
    let fits = |l: &Fact, r: &Fact| l.key == r.key && (l.at - r.at).abs() <= 20;
    let mut rows = Vec::new();
    for l in &lefts {
        let mut partners = rights.iter().filter(|r| fits(l, r)).peekable();
        if partners.peek().is_none() {
            rows.push((Some(l.id), None));
        }
        rows.extend(partners.map(|r| (Some(l.id), Some(r.id))));
    }
    let lonely = rights.iter().filter(|r| !lefts.iter().any(|l| fits(l, r)));
    rows.extend(lonely.map(|r| (None, Some(r.id))));
    join(rows, |l, r| {
        let near = Interval::around(seconds(20));
        l.interval_full_join("near", r, near, |_, l, r| pair(l, r))
    });
}

#[test]
fn window_joins() {
    let [lefts, rights] =
        [1, 2].map(|side| by_window(&facts(side), |fact| fact.key, sliding(100, 100)));
    let mut rows = Vec::new();
    for (place, l) in &lefts {
        match rights.get(place) {
            Some(r) => rows.extend(
                l.iter()
                    .flat_map(|l| r.iter().map(|r| (Some(l.id), Some(r.id)))),
            ),
            None => rows.extend(l.iter().map(|l| (Some(l.id), None))),
        }
    }
    let lonely = rights
        .iter()
        .filter(|(place, _)| !lefts.contains_key(place));
    rows.extend(lonely.flat_map(|(_, r)| r.iter().map(|r| (None, Some(r.id)))));
    join(rows, |l, r| {
        l.full_join("windows", r, Tumbling::of(seconds(100)), |_, l, r| {
            pair(l, r)
        })
    });
}

type Pair = (Option<u64>, Option<u64>);
type Side = KeyedStream<u64, Bulky<Fact>>;

fn pair(l: Option<&Bulky<Fact>>, r: Option<&Bulky<Fact>>) -> Bulky<Pair> {
    bulky((l.map(|l| l.0.id), r.map(|r| r.0.id)))
}

/// A join of two sides gives these pairs.
fn join(rows: Vec<Pair>, joined: fn(Side, Side) -> KeyedStream<u64, Bulky<Pair>>) {
    assert!(rows.len() > 5 * AT_ONCE, "{}", rows.len());
    every_seed(move |flow, out| {
        let told = joined(keyed(flow, "lefts", 1), keyed(flow, "rights", 2))
            .values()
            .map(|pair| pair.0)
            .erase();
        lead(told, out);
    })
    .under(SEEDS)
    .gives(rows);
}
