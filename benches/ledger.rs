//! What the latency ledger costs: a flow that does next to nothing with its records, so that it weighs the
//! most, with the ledger on and off.

#![allow(clippy::expect_used)] // A bench that cannot run has to stop.

mod common;

use common::{Contest, argument, verdict};
use millstream::connectors::memory::discard;
use millstream::latency::LatencySettings;
use millstream::prelude::*;

fn run(records: u64, latency: LatencySettings) {
    let flow = Flow::new("ledger", move |flow| {
        flow.source("numbers", from_iter(0..records))
            .map(|n| (n, n & 1023))
            .key_by(|(_, key)| *key)
            .fold("sums", 0, |sum, (n, _)| {
                *sum += n;
                *sum
            })
            .values()
            .sink("out", discard());
    });
    let flow = flow.with_parallelism(2).with_latency(latency);
    flow.run_blocking().expect("it runs");
}

fn main() {
    let records = argument("records", 10_000_000);
    let rounds = argument("rounds", 21) as usize;
    let mut contest = Contest::new();
    let on = contest.add("ledger on", || run(records, LatencySettings::default()));
    let off = contest.add("ledger off", || run(records, LatencySettings::off()));
    let same = contest.add("ledger off, once more", || {
        run(records, LatencySettings::off())
    });
    contest.run(rounds);
    contest.print("ledger", records);
    let ratio = contest.middle(|costs| costs[on].cpu.as_secs_f64() / costs[off].cpu.as_secs_f64());
    let noise =
        contest.middle(|costs| costs[same].cpu.as_secs_f64() / costs[off].cpu.as_secs_f64());
    println!("off to off, CPU: {noise}");
    let percent = (ratio.median - 1.0) * 100.0;
    verdict("on to off, CPU", ratio, percent <= 2.0, "<= 1.02");
}
