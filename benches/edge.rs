//! What one edge between two tasks costs, at full batches of 32-byte records.
//!
//! Two flows do the same; in one of them the step in the middle has a task of its own, because a second
//! (empty) stream is united with the first. The difference is the edge.

#![allow(clippy::expect_used)] // A bench that cannot run has to stop.

mod common;

use common::{Contest, argument, nanos_each, verdict};
use millstream::connectors::memory::discard;
use millstream::prelude::*;

type Record = [u64; 4];

fn numbers(records: u64) -> impl Iterator<Item = Record> + Send + 'static {
    (0..records).map(|n| [n, n ^ 7, n >> 3, 0])
}

fn run(
    records: u64,
    build: impl Fn(&Scope, Stream<Record>) -> Stream<Record> + Send + Sync + 'static,
) {
    let flow = Flow::new("edge", move |flow| {
        let stream = flow.source("numbers", from_iter(numbers(records)));
        let middle = build(flow, stream).apply(|records, out| {
            for record in records {
                let [a, b, c, sum] = record.value;
                out.push([a, b, c, sum + a + b + c], record.time);
            }
        });
        middle.sink("out", discard());
    });
    let report = flow.with_parallelism(1).run_blocking().expect("it runs");
    if let Some(out) = report.vertex("out") {
        assert_eq!(out.records_in, records);
        assert!(out.records_in / out.batches_in > 256, "batches are full");
    }
}

fn main() {
    let records = argument("records", 20_000_000);
    let rounds = argument("rounds", 11) as usize;
    let mut contest = Contest::new();
    let without = contest.add("one task less", || run(records, |_, stream| stream));
    let with = contest.add("a task of its own", || {
        run(records, |flow, stream| {
            stream.union(flow.source("nothing", from_iter(std::iter::empty())))
        });
    });
    contest.run(rounds);
    contest.print("edge", records);
    let edge = contest.middle(|costs| {
        nanos_each(costs[with].cpu, records) - nanos_each(costs[without].cpu, records)
    });
    verdict(
        "one task edge, CPU ns per record of 32 bytes",
        edge,
        edge.median <= 5.0,
        "<= 5",
    );
}
