//! Asynchronous calls: slow ones, such as fail at first or for good, and no more of them than allowed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::operators::{CallError, RateLimit, Retry, StateGuard};
use millstream::prelude::*;
use millstream::runtime::{self, Instant};

use super::facts::{Fact, LANES, facts, lanes, of_lane, timed};
use crate::seeds::{EverySeed, every_seed};

/// A service that is slow at some, and takes longer for others under another schedule.
async fn ask(fact: Fact) -> Fact {
    let micros = fact.id * 37 % 90 + super::lanes::drawn_now().below(60);
    runtime::sleep(Duration::from_micros(micros)).await;
    fact
}

/// How often each record was asked for.
#[derive(Clone)]
struct Attempts(Arc<Mutex<BTreeMap<u64, u64>>>);

impl Attempts {
    fn new() -> Self {
        Attempts(Arc::default())
    }

    /// Fails once, twice or not at all; every eleventh always does.
    fn ask(&self, fact: Fact) -> impl Future<Output = Result<Fact, u64>> + Send + use<> {
        let mut attempts = self.0.lock().unwrap();
        let attempt = attempts.entry(fact.id).or_default();
        *attempt += 1;
        let fails = fact.id % 11 == 5 || *attempt <= fact.id % 3;
        async move {
            let fact = ask(fact).await;
            if fails { Err(fact.id) } else { Ok(fact) }
        }
    }

    /// Takes too long at first; for some always.
    fn dawdle(&self, fact: Fact) -> impl Future<Output = Result<Fact, u64>> + Send + use<> {
        let mut attempts = self.0.lock().unwrap();
        let attempt = attempts.entry(fact.id).or_default();
        *attempt += 1;
        let lasts_too_long = fact.id % 7 == 3 || fact.id % 7 == 4 && *attempt == 1;
        async move {
            let fact = ask(fact).await;
            if lasts_too_long {
                runtime::sleep(seconds(1)).await;
                // It should have been dropped.
                return Err(fact.id);
            }
            Ok(fact)
        }
    }
}

/// Calls that take longer are given up. The service answers sooner, if at all.
const PATIENCE: Duration = Duration::from_micros(300);

fn ids(facts: impl IntoIterator<Item = Fact>) -> Vec<u64> {
    facts.into_iter().map(|fact| fact.id).collect()
}

/// Those of each lane, in the order in which they came.
fn by_lane(ids: &[u64]) -> Vec<Vec<u64>> {
    let of = |lane| ids.iter().copied().filter(move |id| id / 100 == lane);
    (0..LANES).map(|lane| of(lane).collect()).collect()
}

fn expected_by_lane() -> Vec<Vec<u64>> {
    (0..LANES).map(|lane| ids(of_lane(lane))).collect()
}

#[test]
fn in_order_each_partition_stays_in_order() {
    let flow: EverySeed<u64> = every_seed(|flow, out| {
        flow.source("facts", lanes())
            .map_async("ask", Ordered::up_to(8), ask)
            .map(|fact| fact.id)
            .sink("out", out);
    });
    flow.holds(|ids, _| assert_eq!(by_lane(&ids), expected_by_lane()));
}

#[test]
fn out_of_order_all_come_and_no_watermark_overtakes_them() {
    let mut out_of_order = 0;
    let flow: EverySeed<u64> = every_seed(|flow, out| {
        let asked = timed(flow)
            .map_async("ask", Unordered::up_to(8), ask)
            .erase();
        asked
            .clone()
            .window_all(Tumbling::of(seconds(10)))
            .aggregate("windows", count())
            .discard();
        asked.map(|fact| fact.id).sink("out", out);
    });
    flow.holds(|mut ids, run| {
        assert_eq!(run.late(), 0);
        out_of_order += u64::from(by_lane(&ids) != expected_by_lane());
        ids.sort();
        assert_eq!(ids, self::ids(facts()));
    });
    assert!(out_of_order > 500, "{out_of_order}");
}

#[test]
fn by_key_each_key_stays_in_order_with_all_attempts() {
    let attempts = Attempts::new();
    let asked = attempts.clone();
    let flow: EverySeed<(u64, u64)> = every_seed(move |flow, out| {
        let asked = asked.clone();
        let retry = Retry::exponential(Duration::from_micros(20)).up_to(3);
        let calls = Ordered::up_to(8).with_retry(retry).skip_failures();
        timed(flow)
            .key_by(|fact| fact.own)
            .try_map_async("ask", calls, move |fact| {
                let asked = asked.ask(fact);
                async move { asked.await.map_err(|id| format!("not {id}")) }
            })
            .map(|key, fact| (key, fact.id))
            .sink("out", out);
    });
    let by_key = |rows: Vec<(u64, u64)>| {
        let mut all = BTreeMap::<u64, Vec<u64>>::new();
        for (key, id) in rows {
            all.entry(key).or_default().push(id);
        }
        all
    };
    let answered = facts().into_iter().filter(|fact| fact.id % 11 != 5);
    let expected = by_key(answered.map(|fact| (fact.own, fact.id)).collect());
    // What is asked again after a stop was asked before.
    flow.without_a_stop().holds(|rows, _| {
        assert_eq!(by_key(rows), expected);
        let attempts = std::mem::take(&mut *attempts.0.lock().unwrap());
        for (id, made) in attempts {
            let needed = if id % 11 == 5 { 3 } else { id % 3 + 1 };
            assert_eq!(made, needed, "attempts of {id}");
        }
    });
}

#[test]
fn what_fails_for_good_goes_the_other_way() {
    let attempts = Attempts::new();
    let asked = attempts.clone();
    let flow: EverySeed<(u64, bool)> = every_seed(move |flow, out| {
        let asked = asked.clone();
        let retry = Retry::exponential(Duration::from_micros(20)).up_to(2);
        let calls = Unordered::up_to(8).with_retry(retry);
        let (answered, failed) =
            flow.source("facts", lanes())
                .try_map_async_with_failed("ask", calls, move |fact| asked.ask(fact));
        let failed = failed.map(|failed| (failed.record.id, false));
        answered
            .map(|fact| (fact.id, true))
            .union(failed)
            .sink("out", out);
    });
    let is_answered = |id: u64| id % 11 != 5 && id % 3 < 2;
    let mut expected: Vec<_> = facts()
        .iter()
        .map(|fact| (fact.id, is_answered(fact.id)))
        .collect();
    expected.sort();
    flow.without_a_stop().holds(|mut rows, _| {
        attempts.0.lock().unwrap().clear();
        rows.sort();
        assert_eq!(rows, expected);
    });
}

#[test]
fn calls_that_take_too_long_are_made_again_and_then_given_up() {
    let attempts = Attempts::new();
    let asked = attempts.clone();
    let flow: EverySeed<(u64, Option<u32>)> = every_seed(move |flow, out| {
        let asked = asked.clone();
        let retry = Retry::exponential(Duration::from_micros(20)).up_to(2);
        let calls = Unordered::up_to(8).with_timeout(PATIENCE).with_retry(retry);
        let (answered, failed) =
            flow.source("facts", lanes())
                .try_map_async_with_failed("ask", calls, move |fact| asked.dawdle(fact));
        let failed = failed.map(|failed| {
            assert_eq!(failed.error, CallError::TimedOut);
            (failed.record.id, Some(failed.attempts))
        });
        answered
            .map(|fact| (fact.id, None))
            .union(failed)
            .sink("out", out);
    });
    let expected = facts().into_iter();
    let mut expected: Vec<_> = expected
        .map(|fact| (fact.id, (fact.id % 7 == 3).then_some(2)))
        .collect();
    expected.sort();
    let given_up = expected.iter().filter(|(_, failed)| failed.is_some());
    let given_up = given_up.count() as u64;
    assert!(given_up > 2, "{given_up}");
    flow.without_a_stop().holds(|mut rows, run| {
        rows.sort();
        assert_eq!((&rows, run.bad()), (&expected, given_up));
        for (id, made) in std::mem::take(&mut *attempts.0.lock().unwrap()) {
            assert_eq!(made, 1 + u64::from(matches!(id % 7, 3 | 4)), "of {id}");
        }
    });
}

/// Some are never answered.
async fn add_or_forget(sum: StateGuard<i64>, fact: Fact) -> (u64, i64) {
    let is_forgotten = fact.id % 7 == 3;
    let answer = add(sum, fact).await;
    if is_forgotten {
        std::future::pending::<()>().await;
    }
    answer
}

#[test]
fn by_key_the_next_begins_when_one_has_been_given_up() {
    let mut sums = BTreeMap::<u64, i64>::new();
    let expected = facts().into_iter().map(|fact| {
        let sum = sums.entry(fact.own).or_default();
        // What a call has written before it was given up stays.
        *sum += fact.value;
        (fact.id, *sum)
    });
    let mut expected: Vec<_> = expected.filter(|(id, _)| id % 7 != 3).collect();
    expected.sort();
    let given_up = (facts().len() - expected.len()) as u64;
    let flow = every_seed(|flow, out| {
        let calls = Ordered::up_to(8).with_timeout(PATIENCE).skip_failures();
        let added =
            timed(flow).key_by(|fact| fact.own).try_async_by_key(
                "add",
                calls,
                |sum, fact| async move {
                    Ok::<_, std::convert::Infallible>(add_or_forget(sum, fact).await)
                },
            );
        added.values().sink("out", out);
    });
    flow.holds(|mut rows, run| {
        rows.sort();
        assert_eq!((&rows, run.bad(), run.late()), (&expected, given_up, 0));
    });
}

/// What a key has come to, one call after the other.
async fn add(mut sum: StateGuard<i64>, fact: Fact) -> (u64, i64) {
    let before = *sum;
    let fact = ask(fact).await;
    *sum = before + fact.value;
    (fact.id, *sum)
}

#[test]
fn by_key_with_state_one_call_follows_the_other() {
    let mut sums = BTreeMap::<u64, i64>::new();
    let expected = facts().into_iter().map(|fact| {
        let sum = sums.entry(fact.own).or_default();
        *sum += fact.value;
        (fact.id, *sum)
    });
    every_seed(|flow, out| {
        timed(flow)
            .key_by(|fact| fact.own)
            .async_by_key("add", Unordered::up_to(8), add)
            .values()
            .sink("out", out);
    })
    .gives(expected.collect());
}

#[test]
fn the_rate_is_kept_whatever_the_schedule() {
    const SPACING: Duration = Duration::from_micros(100);
    let begun = Arc::new(Mutex::new(Vec::<Instant>::new()));
    let begins = begun.clone();
    let flow: EverySeed<u64> = every_seed(move |flow, out| {
        let begins = begins.clone();
        let calls = Unordered::up_to(8).with_rate_limit(RateLimit::per_second(10_000));
        flow.source("facts", lanes())
            .map_async("ask", calls, move |fact| {
                begins.lock().unwrap().push(runtime::now());
                ask(fact)
            })
            .map(|fact| fact.id)
            .sink("out", out);
    });
    flow.without_a_stop().holds(|mut ids, _| {
        ids.sort();
        assert_eq!(ids, self::ids(facts()));
        let begun = std::mem::take(&mut *begun.lock().unwrap());
        // A call for each spacing, and one at once for each replica, of which there are no more than lanes.
        for (first, from) in begun.iter().enumerate() {
            for (more, to) in begun[first..].iter().enumerate() {
                let allowed = (*to - *from).as_nanos() / SPACING.as_nanos() + LANES as u128;
                assert!(more as u128 <= allowed, "{more} in {:?}", *to - *from);
            }
        }
    });
}
