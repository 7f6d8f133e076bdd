//! Timers of many keys that go off at once, and records that wait for the same moment.

use std::collections::BTreeMap;

use millstream::operators::{Timer, Turn};
use millstream::prelude::*;

use super::super::facts::{Fact, by_window, in_time, many, sliding};
use super::super::lanes::Lanes;
use super::{Bulky, SEEDS, assert_many_at_once, bulky, facts, lead, timed};
use crate::seeds::{EverySeed, every_seed};

/// What a key has had of the times up to a timer, at that; and all of it, on the wall clock and at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Until(u64, i64, Vec<u64>),
    ByClock(u64, usize),
}

#[test]
fn timers_of_both_clocks() {
    let hundreds = by_window(&facts(0), |fact| fact.key, sliding(100, 100));
    assert_many_at_once(&hundreds);
    let ids = |facts: &[Fact]| {
        let mut ids: Vec<_> = facts.iter().map(|fact| fact.id).collect();
        ids.sort();
        ids
    };
    let rows = hundreds.iter();
    let rows = rows.map(|((key, span), facts)| Told::Until(*key, span.1, ids(facts)));
    let mut expected: Vec<_> = rows.collect();
    let all = by_window(&facts(0), |fact| fact.key, |_| vec![(0, 0)]);
    let rows = all.into_iter();
    expected.extend(rows.map(|((key, _), facts)| Told::ByClock(key, facts.len())));
    every_seed(|flow, out| {
        let lanes = Lanes::new(many(0)).giving_up_to(150);
        // All have come long before the second is over in which the timers go off.
        let told = flow
            .source("facts", lanes.open_until(seconds(2)))
            .event_time(Fact::time, in_time())
            .map(bulky)
            .key_by(|fact| fact.0.key)
            .process_fn(
                "timers",
                |fact: Bulky<Fact>, heard: &mut Heard, turn: &mut Turn<'_, u64, Bulky<Told>>| {
                    let until = (fact.0.at.div_euclid(100) + 1) * 100;
                    heard.0.entry(until).or_default().push(fact.0.id);
                    heard.1 += 1;
                    turn.set_timer(Timer::EventTime(Timestamp::from_secs(until)));
                    if heard.1 == 1 {
                        let second = turn.processing_time().as_millis() / 1_000 + 1;
                        turn.set_timer(Timer::ProcessingTime(Timestamp::from_secs(second)));
                    }
                },
                |timer, heard, turn| {
                    let key = *turn.key();
                    turn.emit(bulky(match timer {
                        Timer::EventTime(time) => {
                            let until = time.as_millis() / 1_000;
                            let mut ids = heard.0.remove(&until).unwrap();
                            ids.sort();
                            Told::Until(key, until, ids)
                        }
                        Timer::ProcessingTime(_) => Told::ByClock(key, heard.1),
                    }));
                },
            )
            .values()
            .map(|told| told.0)
            .erase();
        lead(told, out);
    })
    .under(SEEDS)
    .gives(expected);
}

/// By the time they are told at, and how many in all.
type Heard = (BTreeMap<i64, Vec<u64>>, usize);

/// Those of each key in the order of their times; and all, a moment later.
#[test]
fn sorted_and_delayed() {
    let mut sorted = facts(0);
    sorted.sort_by_key(|fact| (fact.key, fact.at));
    let by_key = |facts: &[Fact]| {
        let mut all = BTreeMap::<u64, Vec<i64>>::new();
        for fact in facts {
            all.entry(fact.key).or_default().push(fact.at);
        }
        all
    };
    let expected = by_key(&sorted);
    let flow: EverySeed<(bool, Fact)> = every_seed(|flow, out| {
        let facts = timed(flow, "facts", 0);
        let delayed = facts.clone().delay("later", millis(5), 2_000);
        let in_order = facts.key_by(|fact| fact.0.key).sort("sorted").values();
        let told = delayed
            .map(|fact| (false, fact.0))
            .union(in_order.map(|fact| (true, fact.0)))
            .erase();
        lead(told, out);
    });
    flow.under(SEEDS).holds(|rows, run| {
        assert_eq!(run.late(), 0);
        let of = |is_sorted| {
            let rows = rows.iter().filter(move |row| row.0 == is_sorted);
            rows.map(|row| row.1).collect::<Vec<_>>()
        };
        assert_eq!(by_key(&of(true)), expected);
        let mut delayed = of(false);
        delayed.sort();
        let mut all = facts(0);
        all.sort();
        assert_eq!(delayed, all);
    });
}
