//! Two streams of a million keys, joined window by window and by interval: flows against loops over hash maps.
//!
//! Both sides come in order, one record of each per microsecond of event time, under keys drawn at random; a window is
//! a second, and so is the interval, so that a record has one partner on average and a million records or two are
//! kept. `--records N` of each side (default 3 million). The state is the peak of the resident memory of a process that
//! does one of the jobs, less that before it.

#![allow(clippy::expect_used)] // A bench that cannot run has to stop.

#[path = "../common/mod.rs"]
mod common;

mod by_hand;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Contest, argument, verdict};
use millstream::connectors::generator::Random;
use millstream::operators::Interval;
use millstream::prelude::*;

/// Key, value, and microsecond.
type Record = (u64, u64, i64);

const KEYS: u64 = 1_000_000;
const WINDOW_MICROS: i64 = 1_000_000;
const NEAR_MICROS: i64 = 500_000;

/// How many results there were, and a sum over them that tells whether they are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Results {
    count: u64,
    sum: u64,
}

impl Results {
    fn add(&mut self, left: u64, right: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(left.wrapping_mul(3) ^ right);
    }
}

/// The records of a side.
fn records(side: u64, count: u64) -> impl Iterator<Item = Record> + Clone + Send + 'static {
    let key = move |n| Random::new(side << 40 ^ n).below(KEYS);
    (0..count).map(move |n| (key(n), n, n as i64))
}

fn flow(
    count: u64,
    join: fn(KeyedStream<u64, Record>, KeyedStream<u64, Record>) -> KeyedStream<u64, (u64, u64)>,
) -> Results {
    let totals = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let sums = totals.clone();
    let flow = Flow::new("joins", move |flow| {
        let side = |name: &str, side| {
            flow.source(name, from_iter(records(side, count)))
                .event_time(|record| Timestamp::from_micros(record.2), Lateness::none())
                .key_by(|record| record.0)
        };
        let sums = sums.clone();
        join(side("left", 1), side("right", 2))
            .values()
            .apply(move |pairs, _: &mut millstream::outbox::Port<()>| {
                let mut results = Results::default();
                for pair in pairs {
                    results.add(pair.value.0, pair.value.1);
                }
                sums.0.fetch_add(results.count, Ordering::Relaxed);
                sums.1.fetch_add(results.sum, Ordering::Relaxed);
            })
            .discard();
    });
    let report = flow.with_parallelism(1).run_blocking().expect("it runs");
    assert_eq!(report.late(), 0);
    Results {
        count: totals.0.load(Ordering::Relaxed),
        sum: totals.1.load(Ordering::Relaxed),
    }
}

fn window_flow(count: u64) -> Results {
    flow(count, |left, right| {
        let windows = Tumbling::of(std::time::Duration::from_micros(WINDOW_MICROS as u64));
        left.join("pairs", right, windows, |_, l, r| (l.1, r.1))
    })
}

fn interval_flow(count: u64) -> Results {
    flow(count, |left, right| {
        let near = Interval::of_micros(-NEAR_MICROS, NEAR_MICROS);
        left.interval_join("pairs", right, near, |_, l, r| (l.1, r.1))
    })
}

/// A join, done both ways, and how many records it keeps at a time.
const JOINS: [(&str, fn(u64) -> Results, fn(u64) -> Results, u64); 2] = [
    (
        "window",
        window_flow,
        by_hand::window,
        2 * WINDOW_MICROS as u64,
    ),
    (
        "interval",
        interval_flow,
        by_hand::interval,
        2 * NEAR_MICROS as u64,
    ),
];

fn main() {
    let count = argument("records", 3_000_000);
    let rounds = argument("rounds", 5) as usize;
    let only = argument("only", u64::MAX) as usize;
    if let Some((_, by_flow, by_hand, _)) = JOINS.get(only / 2) {
        let before = resident("VmRSS:");
        let _ = [by_flow, by_hand][only % 2](count);
        println!("{}", resident("VmHWM:") - before);
        return;
    }
    for (number, (name, by_flow, by_hand, kept)) in JOINS.into_iter().enumerate() {
        let results = by_hand(count);
        assert_eq!(by_flow(count), results, "the results differ");
        println!("\n{name} join: {} equal results", results.count);
        let mut contest = Contest::new();
        let a = contest.add("flow", || _ = by_flow(count));
        let b = contest.add("by hand", || _ = by_hand(count));
        contest.run(rounds);
        contest.print(&format!("{name} join"), 2 * count);
        let wall =
            contest.middle(|costs| costs[b].wall.as_secs_f64() / costs[a].wall.as_secs_f64());
        let cpu = contest.middle(|costs| costs[b].cpu.as_secs_f64() / costs[a].cpu.as_secs_f64());
        let what = format!("{name} join, speed of the flow to the loop's");
        verdict(&format!("{what}, wall"), wall, wall.median >= 0.5, ">= 0.5");
        println!("{what}, CPU: {cpu}");
        let state = [0, 1].map(|way| state(2 * number + way, count) as f64 / kept as f64);
        println!(
            "{name} join, bytes of state per record kept ({kept}): flow {:.0}, by hand {:.0}",
            state[0], state[1]
        );
    }
}

/// What a process of its own comes to keep that does one of the jobs.
fn state(job: usize, count: u64) -> u64 {
    let program = std::env::current_exe().expect("this program has a path");
    let (job, count) = (job.to_string(), count.to_string());
    let output = Command::new(program)
        .args(["--only", &job, "--records", &count])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().expect("a number of bytes")
}

/// A line of what the system says of this process's memory, in bytes; 0 where it says nothing.
fn resident(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|text| text.strip_prefix(line));
    let kilobytes = line.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
