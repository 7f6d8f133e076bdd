//! Asynchronous calls in whole flows: whatever the schedule, the same answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream::operators::{RateLimit, Retry, StateGuard};
use millstream::prelude::*;
use millstream::{ErrorKind, runtime};

use crate::seeds::{EverySeed, every_seed};

const RECORDS: u64 = 60;
const KEYS: u64 = 11;

/// Each key's records, with the answers it should get.
type ByKey = BTreeMap<u64, Vec<(u64, u64)>>;

fn by_key(rows: impl IntoIterator<Item = (u64, (u64, u64))>) -> ByKey {
    let mut all = ByKey::new();
    for (key, row) in rows {
        all.entry(key).or_default().push(row);
    }
    all
}

/// A service that is slow at some.
async fn ask(n: u64) -> u64 {
    runtime::sleep(millis(n * 7 % 13)).await;
    n * n
}

/// What a key has come to, one call after the other.
async fn add(mut sum: StateGuard<u64>, (n, square): (u64, u64)) -> Result<(u64, u64), String> {
    let before = *sum;
    runtime::sleep(millis(n * 5 % 7)).await;
    *sum = before + square;
    if n % 50 == 3 {
        return Err("not this one".to_owned());
    }
    Ok((n, *sum))
}

/// In the order of each key: squares, then their sums.
fn calls() -> EverySeed<(u64, (u64, u64))> {
    every_seed(|flow, out| {
        flow.source("numbers", from_iter(0..RECORDS))
            .event_time(|n| Timestamp::from_secs(*n as i64), Lateness::none())
            .key_by(|n| n % KEYS)
            .map_async("squares", Unordered::up_to(1), |n| async move { n })
            .map_async("square", Ordered::up_to(12), |n| async move {
                (n, ask(n).await)
            })
            .try_async_by_key("sums", Ordered::up_to(8).skip_failures(), add)
            .entries()
            .sink("out", out);
    })
}

fn naive() -> ByKey {
    let mut sums = BTreeMap::<u64, u64>::new();
    let rows = (0..RECORDS).map(|n| {
        let sum = sums.entry(n % KEYS).or_default();
        *sum += n * n;
        (n % KEYS, (n, *sum))
    });
    by_key(rows.filter(|(_, (n, _))| n % 50 != 3))
}

#[test]
fn whatever_the_schedule_each_key_has_its_answers_in_order() {
    let expected = naive();
    let flow = calls().lasting(millis(40));
    flow.under(250).holds(|rows, run| {
        assert_eq!(by_key(rows), expected);
        assert_eq!((run.late(), run.bad()), (0, 2));
    });
}

#[test]
fn what_fails_names_its_vertex_and_its_cause() {
    let error = |build: fn(KeyedStream<u64, u64>)| {
        let flow = Flow::new("fails", move |flow| {
            build(flow.source("numbers", from_iter(0..9)).key_by(|n| *n));
        });
        let error = flow.simulate(1).unwrap_err();
        assert_eq!(
            (error.kind(), error.vertex()),
            (ErrorKind::User, Some("ask"))
        );
        error.to_string()
    };
    let told = error(|numbers| {
        let calls = Ordered::up_to(5).with_retry(Retry::exponential(millis(1)).up_to(2));
        let answers = numbers
            .values()
            .try_map_async("ask", calls, |n| async move {
                if n == 7 { Err("no seven") } else { Ok(n) }
            });
        answers.discard();
    });
    assert!(
        told.ends_with("a call failed 2 times, the last time: no seven"),
        "{told}"
    );
    let told = error(|numbers| {
        let call = |mut state: StateGuard<u64>, n: u64| async move {
            *state += 1;
            assert!(n != 7, "no seven");
            n
        };
        numbers
            .async_by_key("ask", Ordered::up_to(5), call)
            .discard();
    });
    assert!(told.contains("panicked: no seven"), "{told}");
    let told = error(|numbers| {
        let calls = Ordered::up_to(5).with_timeout(millis(10));
        let answers = numbers.map_async("ask", calls, |n| async move {
            runtime::sleep(millis(n * 2)).await;
        });
        answers.discard();
    });
    assert!(
        told.ends_with("a call failed: it took longer than its timeout"),
        "{told}"
    );
}

/// 100 calls a second, over all replicas together.
#[test]
fn the_rate_holds_over_all_replicas() {
    for parallelism in 1..=3 {
        let calls = Arc::new(AtomicU64::new(0));
        let count = calls.clone();
        let flow = Flow::new("rate", move |flow| {
            let count = count.clone();
            let limited = Unordered::up_to(100).with_rate_limit(RateLimit::per_second(100));
            flow.source("numbers", from_iter(0..600))
                .key_by(|n| *n)
                .map_async("ask", limited, move |n| {
                    count.fetch_add(1, Ordering::Relaxed);
                    async move { n }
                })
                .discard();
        });
        let seen = runtime::simulate(3, async {
            let running = flow.with_parallelism(parallelism).start().await.unwrap();
            let mut seen = Vec::new();
            for _ in 0..4 {
                runtime::sleep(millis(500)).await;
                seen.push(calls.load(Ordering::Relaxed));
            }
            running.handle().kill();
            running.join().await.unwrap();
            seen
        });
        // One more for each replica, which may begin at once.
        for (half_seconds, seen) in (1..).zip(seen.unwrap()) {
            let allowed = half_seconds * 50;
            let at_once = parallelism as u64;
            assert!(
                seen <= allowed + at_once && seen + at_once >= allowed,
                "{seen} of {allowed}"
            );
        }
    }
}

#[test]
fn settings_that_cannot_be_are_told_when_the_flow_is_built() {
    let flow = Flow::new("wrong", |flow| {
        let calls = Unordered::up_to(0).with_timeout(millis(0));
        flow.source("numbers", from_iter(0..9))
            .map_async("ask", calls, |n| async move { n })
            .discard();
    });
    let told = flow.plan().unwrap_err().to_string();
    assert!(
        told.contains("`ask` allows no call") && told.contains("no time"),
        "{told}"
    );
}
