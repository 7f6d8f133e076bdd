//! Who runs ahead in event time is paused at the source.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use millstream::prelude::*;
use millstream::runtime::{self, simulate, timeout};

use super::{at, seconds_of, ticks};

const SLOW: i64 = 100;
const FAST: i64 = 30_000;
const DRIFT: i64 = 600;
/// What a source may read on until it is paused: its own batch, and that of the one it is ahead of.
const BATCH: i64 = 512;

/// A source that gives all it has at once and one that takes its time, both over the same event time; and how far the
/// one came ahead of the other at most.
fn two_sources(results: &Collect<u64>) -> (Flow, Arc<AtomicI64>) {
    let widest = Arc::new(AtomicI64::new(0));
    let (out, furthest) = (results.clone(), widest.clone());
    let flow = Flow::new("aligned", move |flow| {
        let furthest = furthest.clone();
        let slow_at = Arc::new(AtomicI64::new(0));
        let slow_is_at = slow_at.clone();
        let step = FAST / SLOW;
        let slow = flow
            .source("slow", from_stream(ticks(SLOW, millis(50), Duration::ZERO)))
            .map(move |n| n * step)
            .inspect(move |n| slow_is_at.store(*n, Ordering::Relaxed))
            .event_time(|n| at(*n), Lateness::none());
        let fast = flow
            .source("fast", from_iter(0..FAST))
            .inspect(move |n| {
                let ahead = n - slow_at.load(Ordering::Relaxed);
                furthest.fetch_max(ahead, Ordering::Relaxed);
            })
            .event_time(|n| at(*n), Lateness::none());
        slow.union(fast)
            .key_by(|_| ())
            .window(Tumbling::of(minutes(100)))
            .aggregate("hundreds", count())
            .values()
            .map(|window| window.value)
            .sink("out", out.sink());
    });
    (flow, widest)
}

#[test]
fn the_drift_between_sources_is_bounded_and_results_are_the_same() {
    let results = Collect::new();
    let (flow, widest) = two_sources(&results);
    flow.simulate(1).unwrap();
    let free = results.take();
    assert!(
        widest.swap(0, Ordering::Relaxed) > FAST / 2,
        "without alignment the one runs away"
    );
    for seed in 0..30 {
        let flow = flow.clone().with_parallelism(1 + seed as usize % 3);
        flow.with_alignment(seconds(DRIFT as u64))
            .simulate(seed)
            .unwrap();
        let most = widest.swap(0, Ordering::Relaxed);
        assert!(most <= DRIFT + BATCH, "{most} s ahead, seed {seed}");
        assert_eq!(results.take(), free, "seed {seed}");
    }
}

#[test]
fn a_paused_source_serves_barriers() {
    let results = Collect::new();
    let (flow, _) = two_sources(&results);
    flow.simulate(1).unwrap();
    let all: u64 = results.take().iter().sum();
    let flow = flow.with_alignment(seconds(DRIFT as u64));
    for seed in 0..30 {
        simulate(seed, async {
            let running = flow.start().await.unwrap();
            runtime::sleep(millis(500 + seed * 60)).await;
            let why = running.why().await;
            let paused: Vec<_> = why.paused().map(|source| &*source.vertex).collect();
            assert_eq!(paused, ["fast"], "{why}");
            let (snapshot, _) = running.stop_with_snapshot().await.unwrap();
            // The slow source cannot give its records again: what it gave is in the windows that were saved.
            let flow = flow.clone().from_snapshot(snapshot);
            flow.start().await.unwrap().join().await.unwrap();
        })
        .unwrap();
        let sum: u64 = results.take().iter().sum();
        let fast = FAST as u64;
        assert!(
            sum >= fast && sum <= all + SLOW as u64,
            "{sum}, seed {seed}"
        );
    }
}

/// A waker that is lost between two threads would let a source sleep for ever.
#[test]
fn on_threads_whoever_sleeps_is_woken() {
    let results = Collect::new();
    let out = results.clone();
    let flow = Flow::new("threads", move |flow| {
        let timed = |name| {
            flow.source(name, from_iter(0..100_000))
                .event_time(|n| at(*n), Lateness::none())
        };
        let all = timed("one").union(timed("two")).union(timed("three"));
        all.filter(|n| n % 1_000 == 0).sink("out", out.sink());
    });
    let flow = flow.with_parallelism(2).with_alignment(seconds(0));
    let ended = runtime::block_on(timeout(minutes(5), flow.run()));
    ended.expect("it does not end").unwrap();
    assert_eq!(results.take().len(), 300);
}

#[test]
fn nobody_waits_for_who_is_idle_or_has_ended() {
    for seed in 0..40 {
        let results = Collect::new();
        let out = results.clone();
        let flow = Flow::new("some", move |flow| {
            // Ends at once, far behind; gives one record and is silent for a day; has no reader for some replicas.
            let short = flow
                .source("short", from_iter(0..1))
                .event_time(|n| at(*n), Lateness::none());
            let silent = seconds_of(flow, "silent", 1, days(1));
            let never = flow
                .source(
                    "never",
                    from_stream(
                        futures::stream::pending::<i64>().take_until(runtime::sleep(days(1))),
                    ),
                )
                .event_time(|n| at(*n), Lateness::none());
            let untimed = flow.source("untimed", from_iter(0..5)).rebalance();
            let made = Generator::new(|n, _| n as i64)
                .with_rate(2_000)
                .with_count(4_000);
            let made = flow
                .source("made", made)
                .event_time(|n| at(*n), Lateness::none());
            let long = flow
                .source("long", from_iter(0..4_000))
                .event_time(|n| at(*n), Lateness::bounded(seconds(30)));
            let all = short.union(silent).union(never).union(made).union(long);
            untimed.discard();
            all.map(|n| (n, runtime::now())).sink("out", out.sink());
        });
        let flow = flow
            .with_parallelism(1 + seed as usize % 3)
            .with_idle_after(seconds(2))
            .with_alignment(seconds(seed % 5 * 100));
        flow.simulate(seed).unwrap();
        let results = results.take();
        assert_eq!(results.len(), 8_002, "seed {seed}");
        let last = results.into_iter().map(|(_, when)| when).max().unwrap();
        let hour = runtime::Instant::from_nanos(0) + hours(1);
        assert!(
            last < hour,
            "they waited for the silent ones: {last:?}, seed {seed}"
        );
    }
}
