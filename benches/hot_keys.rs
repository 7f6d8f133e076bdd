//! Windows aggregated in one stage and in two, with hot keys and without: two source partitions, two replicas.
//!
//! Two stages gain by what they do not send, and by spreading a hot key; they lose where a window has about as many
//! keys as records.

#![allow(clippy::expect_used)] // A bench that cannot run has to stop.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Contest, Cost, argument, verdict};
use millstream::connectors::generator::Random;
use millstream::connectors::memory::discard;
use millstream::operators::{Sliding, quantiles};
use millstream::prelude::*;

/// Key, and time in microseconds.
type Row = (u32, i64);

/// Records of a second of event time.
const PER_SECOND: u64 = 1_000_000;

/// The keys of the records, by turns from the start again.
type Keys = Arc<[u32]>;

fn keys(draw: impl Fn(&mut Random) -> u32) -> Keys {
    let mut random = Random::new(7);
    (0..1 << 20).map(|_| draw(&mut random)).collect()
}

fn uniform(keys_in_all: u64) -> Keys {
    keys(|random| random.below(keys_in_all) as u32)
}

/// Four records of five are of key 0.
fn hot() -> Keys {
    keys(|random| match random.below(5) {
        0 => 1 + random.below(1_000) as u32,
        _ => 0,
    })
}

/// The n-th most frequent of so many keys is n times as rare as the first.
fn zipf(keys_in_all: u32) -> Keys {
    let mut upto = 0.0;
    let shares: Vec<f64> = (1..=keys_in_all)
        .map(|n| {
            upto += 1.0 / f64::from(n);
            upto
        })
        .collect();
    keys(|random| {
        let drawn = random.unit() * upto;
        shares.partition_point(|share| *share <= drawn) as u32
    })
}

/// How the windows are aggregated.
#[derive(Clone, Copy, PartialEq)]
enum Stages {
    /// Not at all: what making the records and their keys costs.
    None,
    One,
    Two,
}

#[derive(Clone, Copy)]
enum Windows {
    Tumbling(Tumbling),
    Sliding(Sliding),
}

/// How many results there were.
fn run<A>(count: u64, keys: &Keys, windows: Windows, stages: Stages, aggregate: &A) -> u64
where
    A: Aggregate<Row, State: Clone> + Sync,
{
    let results = Arc::new(AtomicU64::new(0));
    let (seen, keys, aggregate) = (results.clone(), keys.clone(), aggregate.clone());
    let flow = Flow::new("hot-keys", move |flow| {
        let (seen, keys, aggregate) = (seen.clone(), keys.clone(), aggregate.clone());
        let make = move |n: u64, _: &mut Random| {
            let key = keys[n as usize % keys.len()];
            (key, (n * 1_000_000 / PER_SECOND) as i64)
        };
        let keyed = flow
            .source("records", Generator::new(make).with_count(count))
            .event_time(|(_, at)| Timestamp::from_micros(*at), Lateness::none())
            .key_by(|(key, _)| *key);
        if stages == Stages::None {
            let none = keyed.values().filter(|_| false);
            return none.sink("out", discard());
        }
        let two = stages == Stages::Two;
        let results = match windows {
            Windows::Tumbling(windows) => {
                let windowed = keyed.window(windows);
                match two {
                    true => windowed.in_two_stages().aggregate("windows", aggregate),
                    false => windowed.aggregate("windows", aggregate),
                }
            }
            Windows::Sliding(windows) => {
                let windowed = keyed.window(windows);
                match two {
                    true => windowed.in_two_stages().aggregate("windows", aggregate),
                    false => windowed.aggregate("windows", aggregate),
                }
            }
        };
        results
            .map(|_, _| ())
            .apply(move |records, _: &mut millstream::outbox::Port<()>| {
                seen.fetch_add(records.len() as u64, Ordering::Relaxed);
            })
            .sink("out", discard());
    });
    let report = flow.with_parallelism(2).run_blocking().expect("it runs");
    assert_eq!(report.late(), 0);
    results.load(Ordering::Relaxed)
}

/// What is compared: of which records, in which windows.
struct Case<'a> {
    name: &'a str,
    keys: Keys,
    windows: Windows,
    /// Whether two stages are meant for it.
    gains: bool,
}

impl Case<'_> {
    /// One stage against two, by turns.
    fn compare<A>(&self, count: u64, rounds: usize, aggregate: A)
    where
        A: Aggregate<Row, State: Clone> + Sync,
    {
        let Case {
            name,
            keys,
            windows,
            gains,
        } = self;
        let run = |stages| run(count, keys, *windows, stages, &aggregate);
        let results = run(Stages::One);
        assert_eq!(results, run(Stages::Two), "the number of results");
        let mut contest = Contest::new();
        let none = contest.add("no windows", || _ = run(Stages::None));
        let one = contest.add("one stage", || _ = run(Stages::One));
        let two = contest.add("two stages", || _ = run(Stages::Two));
        contest.run(rounds);
        contest.print(&format!("{name}, {results} results"), count);
        let wall = |costs: &[Cost], it: usize| costs[it].wall.as_secs_f64();
        let cpu = |costs: &[Cost], it: usize| costs[it].cpu.as_secs_f64();
        let walls = contest.middle(|costs| wall(costs, two) / wall(costs, one));
        let cpus = contest.middle(|costs| cpu(costs, two) / cpu(costs, one));
        let net = contest.middle(|costs| {
            let before = cpu(costs, none);
            (cpu(costs, two) - before) / (cpu(costs, one) - before)
        });
        println!("{name}, two stages to one: wall {walls}, CPU without the source's {net}");
        let what = format!("{name}, CPU of two stages to one");
        match gains {
            true => verdict(&what, cpus, cpus.median <= 1.0, "<= 1"),
            false => println!("{what}: {cpus} (it is not meant for this)"),
        }
    }
}

fn main() {
    let count = argument("records", 10_000_000);
    let rounds = argument("rounds", 7) as usize;
    let second = Windows::Tumbling(Tumbling::of(seconds(1)));
    let sliding = Windows::Sliding(Sliding::of(seconds(10), seconds(1)));
    let cheap = || (millstream::operators::count(), max(|row: &Row| row.1));
    let dear = || quantiles([0.5, 0.99], |row: &Row| row.1);
    let case = |name, keys, windows, gains| Case {
        name,
        keys,
        windows,
        gains,
    };
    case(
        "count and max per second, 80 % of one key of 1,001",
        hot(),
        second,
        true,
    )
    .compare(count, rounds, cheap());
    case(
        "count and max per second, Zipf over 10,000 keys",
        zipf(10_000),
        second,
        true,
    )
    .compare(count, rounds, cheap());
    case(
        "count and max per second, Zipf over 100,000 keys",
        zipf(100_000),
        second,
        false,
    )
    .compare(count, rounds, cheap());
    case(
        "count and max per second, 1,000 keys alike",
        uniform(1_000),
        second,
        true,
    )
    .compare(count, rounds, cheap());
    case(
        "count and max per second, 1,000,000 keys alike",
        uniform(1_000_000),
        second,
        false,
    )
    .compare(count, rounds, cheap());
    case(
        "count and max of 10 s by 1 s, 80 % of one key of 1,001",
        hot(),
        sliding,
        true,
    )
    .compare(count, rounds, cheap());
    case(
        "quantiles per second, 80 % of one key of 1,001",
        hot(),
        second,
        true,
    )
    .compare(count, rounds, dear());
}
