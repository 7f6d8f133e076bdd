//! What windows that slide cost: however much they overlap, with many keys and results, and in the worst step.

#![allow(clippy::expect_used)] // A bench that cannot run has to stop.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{Contest, Cost, Middle, argument, cost, nanos_each, verdict};
use millstream::connectors::memory::discard;
use millstream::operators::{Every, Sliding, Trigger, WindowedStream};
use millstream::prelude::*;

/// Records of `keys` keys in turn, `per_second` of them in each second of event time.
fn records(
    count: u64,
    keys: u64,
    per_second: u64,
) -> impl Iterator<Item = (u64, i64)> + Send + 'static {
    (0..count).map(move |n| (n % keys, (n * 1_000_000 / per_second) as i64))
}

fn run<A>(count: u64, keys: u64, per_second: u64, windows: Sliding, aggregate: A) -> u64
where
    A: Aggregate<(u64, i64)> + Sync,
    A::State: Clone,
{
    run_as(
        |windows| windows,
        count,
        keys,
        per_second,
        windows,
        aggregate,
    )
}

type Windows = WindowedStream<u64, (u64, i64), Sliding>;

/// The same, with windows that `rules` says more of.
fn run_as<A>(
    rules: fn(Windows) -> Windows,
    count: u64,
    keys: u64,
    per_second: u64,
    windows: Sliding,
    aggregate: A,
) -> u64
where
    A: Aggregate<(u64, i64)> + Sync,
    A::State: Clone,
{
    let results = Arc::new(AtomicU64::new(0));
    let seen = results.clone();
    let flow = Flow::new("sliding", move |flow| {
        let seen = seen.clone();
        let windowed = flow
            .source("records", from_iter(records(count, keys, per_second)))
            .event_time(|(_, at)| Timestamp::from_micros(*at), Lateness::none())
            .key_by(|(key, _)| *key)
            .window(windows);
        rules(windowed)
            .aggregate("windows", aggregate.clone())
            .map(|_, _| ())
            .apply(move |records, _: &mut millstream::outbox::Port<()>| {
                seen.fetch_add(records.len() as u64, Ordering::Relaxed);
            })
            .sink("out", discard());
    });
    flow.with_parallelism(1).run_blocking().expect("it runs");
    results.load(Ordering::Relaxed)
}

/// The same records and the same number of results, with windows 100 times as long.
fn overlap<A>(name: &str, rules: fn(Windows) -> Windows, count: u64, rounds: usize, aggregate: A)
where
    A: Aggregate<(u64, i64)> + Sync,
    A::State: Clone,
{
    let of = |slides: u64| Sliding::of(millis(20 * slides), millis(20));
    let mut contest = Contest::new();
    let few = contest.add("size/slide 10", || {
        _ = run_as(rules, count, 100, 1_000_000, of(10), aggregate.clone())
    });
    let many = contest.add("size/slide 1,000", || {
        _ = run_as(rules, count, 100, 1_000_000, of(1_000), aggregate.clone())
    });
    contest.run(rounds);
    contest.print(&format!("sliding {name}"), count);
    let ratio =
        contest.middle(|costs| costs[many].cpu.as_secs_f64() / costs[few].cpu.as_secs_f64());
    let what = format!("sliding {name}, CPU at size/slide 1,000 to 10");
    verdict(&what, ratio, ratio.median <= 1.2, "<= 1.2");
}

/// Windows of 1,000 slides with lateness allowed, made of slices, or (because a trigger counts their records) each by
/// itself.
fn each_by_itself(count: u64, rounds: usize) {
    let windows = Sliding::of(seconds(20), millis(20));
    let late: fn(Windows) -> Windows = |windows| windows.allowed_lateness(millis(100));
    let counted: fn(Windows) -> Windows = |windows| {
        let never = Trigger::at_watermark().early(Every::records(u64::MAX));
        windows.trigger(never).allowed_lateness(millis(100))
    };
    let mut contest = Contest::new();
    let of = |rules| {
        move || {
            let highest = max(|(_, at): &(u64, i64)| *at);
            _ = run_as(rules, count, 100, 100_000, windows, highest);
        }
    };
    let sliced = contest.add("slices", of(late));
    let each = contest.add("each window by itself", of(counted));
    contest.run(rounds);
    contest.print("sliding max, size/slide 1,000, 100 ms late allowed", count);
    let ratio =
        contest.middle(|costs| costs[each].cpu.as_secs_f64() / costs[sliced].cpu.as_secs_f64());
    println!("each by itself to slices, CPU: {ratio}");
}

/// A window of 1,000 slides that speaks of what is new in it every second: what a pane costs.
fn early(count: u64, rounds: usize) {
    let rules: fn(Windows) -> Windows =
        |windows| windows.trigger(Trigger::at_watermark().early(Every::time(seconds(1))));
    let windows = Sliding::of(seconds(20), millis(20));
    let mut panes = 0;
    let costs: Vec<Cost> = (0..rounds)
        .map(|_| {
            let highest = max(|(_, at): &(u64, i64)| *at);
            cost(|| panes = run_as(rules, count, 100, 100_000, windows, highest))
        })
        .collect();
    let each = Middle::of(costs.iter().map(|cost| nanos_each(cost.cpu, panes)));
    println!(
        "\nsliding max, size/slide 1,000, early panes every second ({count} events): {panes} panes, {each} ns CPU each"
    );
}

/// 10,000 keys, 10 s by 20 ms: events and results as Hazelcast Jet's published benchmark has them.
fn many_keys(count: u64, rounds: usize) {
    let windows = Sliding::of(seconds(10), millis(20));
    let mut results = 0;
    let costs: Vec<Cost> = (0..=rounds)
        .map(|_| {
            cost(|| {
                results = run(
                    count,
                    10_000,
                    2_120_000,
                    windows,
                    millstream::operators::count(),
                )
            })
        })
        .skip(1)
        .collect();
    let rate = Middle::of(costs.iter().map(|cost| 1e3 / nanos_each(cost.cpu, count)));
    println!(
        "\nsliding count, 10,000 keys, 10 s by 20 ms ({count} events, {results} results, {rounds} rounds)"
    );
    verdict(
        "M events per CPU second",
        rate,
        // Hazelcast Jet's published benchmark makes 10.6 on two cores.
        rate.median >= 15.9,
        ">= 15.9, three times Jet's of a core",
    );
}

/// The highest, and how many merges and how much time each slide took.
#[derive(Clone)]
struct Watched(Arc<Steps>);

struct Steps {
    merges: AtomicU64,
    finished: std::sync::Mutex<(Instant, Vec<(u64, Duration)>)>,
}

impl Aggregate<(u64, i64)> for Watched {
    type State = i64;
    type Out = i64;

    fn init(&self, first: &(u64, i64)) -> i64 {
        first.1
    }
    fn add(&self, highest: &mut i64, value: &(u64, i64)) {
        *highest = value.1.max(*highest);
    }
    fn merge(&self, highest: &mut i64, other: i64) {
        self.0.merges.fetch_add(1, Ordering::Relaxed);
        *highest = other.max(*highest);
    }
    fn finish(&self, highest: i64) -> i64 {
        let merges = self.0.merges.swap(0, Ordering::Relaxed);
        let mut finished = self.0.finished.lock().expect("nobody failed");
        let now = Instant::now();
        let took = now - finished.0;
        finished.1.push((merges, took));
        finished.0 = Instant::now();
        highest
    }
}

/// One key, one record in each slide, and a window of 1,000 slides: what each of them costs.
fn worst_step(slides: u64) {
    let steps = Arc::new(Steps {
        merges: AtomicU64::new(0),
        finished: std::sync::Mutex::new((Instant::now(), Vec::new())),
    });
    let windows = Sliding::of(seconds(1), millis(1));
    run(slides, 1, 1_000, windows, Watched(steps.clone()));
    let mut finished = steps.finished.lock().expect("nobody failed");
    // While the first window fills, and while the last runs empty, there is less to do.
    let all = finished
        .1
        .drain(..)
        .skip(2_000)
        .take(slides as usize - 4_000);
    let (mut merges, mut times): (Vec<u64>, Vec<Duration>) = all.unzip();
    merges.sort_unstable();
    times.sort_unstable();
    let at = |share: f64| (merges.len() as f64 * share) as usize;
    let (middle, worst) = (merges[at(0.5)], merges[merges.len() - 1]);
    println!(
        "\n{} slides of a window of 1,000, no retraction",
        merges.len()
    );
    println!(
        "time of a slide: p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?} (the machine's pauses are in it)",
        times[at(0.5)],
        times[at(0.99)],
        times[at(0.999)],
        times[times.len() - 1]
    );
    let ratio = worst as f64 / middle as f64;
    let figure = format!("{ratio:.2} ({worst} merges to {middle})");
    verdict(
        "work of the worst slide to the median one",
        figure,
        ratio <= 4.0,
        "<= 4",
    );
}

fn main() {
    let count = argument("records", 10_000_000);
    let rounds = argument("rounds", 7) as usize;
    let sums = || sum(|(key, _): &(u64, i64)| *key as i64);
    let highest = || max(|(_, at): &(u64, i64)| *at);
    overlap("sum", |windows| windows, count, rounds, sums());
    overlap("max", |windows| windows, count, rounds, highest());
    let late = |windows: Windows| windows.allowed_lateness(millis(100));
    overlap("sum, 100 ms late allowed", late, count, rounds, sums());
    overlap("max, 100 ms late allowed", late, count, rounds, highest());
    each_by_itself(count / 100, rounds);
    early(count / 10, rounds);
    many_keys(2 * count, rounds);
    worst_step(argument("slides", 1_000_000));
}
