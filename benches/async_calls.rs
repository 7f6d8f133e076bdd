//! What an asynchronous call costs: 10,000 requests of 10 ms in flight, made by `map_async` and by bare tasks of
//! async-std; the memory of a request in flight; and what the state of a key adds to a call.
//!
//! `async_calls.py` beside it does the same in Python's asyncio.

#![allow(clippy::expect_used)] // A bench that cannot run has to stop.

mod common;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_std::task;
use common::{Contest, argument, nanos_each, verdict};
use millstream::connectors::memory::discard;
use millstream::operators::StateGuard;
use millstream::prelude::*;

const IN_FLIGHT: u64 = 10_000;
const WAIT: Duration = millis(10);
const KEYS: u64 = 100_000;

/// What a request does.
async fn request(n: u64, wait: Duration) -> u64 {
    task::sleep(wait).await;
    n
}

fn by_map_async(requests: u64, in_flight: u64, wait: Duration) {
    let flow = Flow::new("calls", move |flow| {
        flow.source("numbers", from_iter(0..requests))
            .map_async("call", Unordered::up_to(in_flight as usize), move |n| {
                request(n, wait)
            })
            .sink("out", discard());
    });
    run(flow, requests);
}

fn run(flow: Flow, records: u64) {
    let report = flow.with_parallelism(1).run_blocking().expect("it runs");
    let out = report.vertex("out").expect("the sink");
    assert_eq!(out.records_in, records);
}

/// A task for each request, as many as there may be in flight: whoever ends lets the next begin.
fn by_a_task_each(requests: u64, in_flight: u64, wait: Duration) {
    let (permit, permits) = flume::bounded::<()>(in_flight as usize);
    let sum = Arc::new(AtomicU64::new(0));
    let total = sum.clone();
    task::block_on(async move {
        for n in 0..requests {
            permit.send_async(()).await.expect("it is open");
            let (permits, sum) = (permits.clone(), sum.clone());
            task::spawn(async move {
                sum.fetch_add(request(n, wait).await, Ordering::Relaxed);
                permits.recv().expect("its own permit");
            });
        }
        // All of them are back when all permits can be had.
        for _ in 0..in_flight {
            permit.send_async(()).await.expect("it is open");
        }
    });
    assert_eq!(total.load(Ordering::Relaxed), requests * (requests - 1) / 2);
}

/// As many tasks as there may be in flight, each making one request after the other: nothing is spawned or handed over.
fn by_looping_tasks(requests: u64, in_flight: u64, wait: Duration) {
    let next = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..in_flight)
        .map(|_| {
            let next = next.clone();
            task::spawn(async move {
                let mut sum = 0;
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= requests {
                        return sum;
                    }
                    sum += request(n, wait).await;
                }
            })
        })
        .collect();
    let sum: u64 = task::block_on(async {
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    });
    assert_eq!(sum, requests * (requests - 1) / 2);
}

/// Calls that end at once: what is left is what making them costs.
fn at_once(records: u64, with_state: bool) {
    let calls = Unordered::up_to(1_000);
    let flow = Flow::new("calls", move |flow| {
        let keyed = flow
            .source("numbers", from_iter(0..records))
            .key_by(|n| n.wrapping_mul(0x9e37_79b9) % KEYS);
        let answers = if with_state {
            let count = |mut count: StateGuard<u64>, n: u64| async move {
                *count += 1;
                n + *count
            };
            keyed.async_by_key("call", calls, count)
        } else {
            keyed.map_async("call", calls, |n| async move { n + 1 })
        };
        answers.values().sink("out", discard());
    });
    run(flow, records);
}

type Job = fn(u64, u64, Duration);

const JOBS: [(&str, Job); 3] = [
    ("map_async", by_map_async),
    ("a task each", by_a_task_each),
    ("looping tasks", by_looping_tasks),
];

/// Bytes of memory this process has, as the system sees it.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4096
}

/// What a request in flight takes, of ten times as many, in a fresh process.
fn memory(job: Job) -> f64 {
    let requests = 10 * IN_FLIGHT;
    // So that all threads and the rest of the runtime are there.
    job(1_000, 1_000, WAIT);
    let before = resident();
    let running = std::thread::spawn(move || job(requests, requests, Duration::from_secs(4)));
    std::thread::sleep(Duration::from_secs(2));
    let taken = resident() - before;
    running.join().expect("it runs");
    taken as f64 / requests as f64
}

fn main() {
    if let Some(name) = std::env::args()
        .skip_while(|argument| argument != "--memory-of")
        .nth(1)
    {
        let (_, job) = JOBS
            .into_iter()
            .find(|(its, _)| *its == name)
            .expect("a job");
        println!("| {name} | {:.0} |", memory(job));
        return;
    }
    let requests = argument("requests", 1_000_000);
    let records = argument("records", 3_000_000);
    let rounds = argument("rounds", 7) as usize;

    let mut contest = Contest::new();
    let [flow, each, looping] =
        JOBS.map(|(name, job)| contest.add(name, move || job(requests, IN_FLIGHT, WAIT)));
    contest.run(rounds);
    contest.print("10,000 requests of 10 ms in flight", requests);
    for (name, number) in [
        ("map_async", flow),
        ("a task each", each),
        ("looping tasks", looping),
    ] {
        let rate = contest.middle(|costs| requests as f64 / costs[number].wall.as_secs_f64() / 1e3);
        println!("{name}: {rate} thousand requests/s");
    }
    let speed = |other: usize| {
        contest
            .middle(move |costs| costs[other].wall.as_secs_f64() / costs[flow].wall.as_secs_f64())
    };
    let against = speed(each);
    let target = ">= 0.9";
    verdict(
        "map_async : a bare task each, requests/s",
        against,
        against.median >= 0.9,
        target,
    );
    println!(
        "map_async : looping bare tasks, requests/s: {}",
        speed(looping)
    );

    println!("\n| 100,000 requests in flight | bytes each |\n|---|---|");
    for (name, _) in JOBS {
        let mut own = Command::new(std::env::current_exe().expect("this program"));
        own.args(["--memory-of", name]).status().expect("it runs");
    }

    let mut contest = Contest::new();
    let map = contest.add("map_async", || at_once(records, false));
    let state = contest.add("async_by_key", || at_once(records, true));
    contest.run(rounds);
    contest.print("calls that end at once, 100 k keys", records);
    let more = contest.middle(|costs| {
        nanos_each(costs[state].cpu, records) - nanos_each(costs[map].cpu, records)
    });
    println!("the state of a key, CPU ns per record more: {more}");
}
