//! NEXMark bids from a file of JSON lines, counted and their highest price found per auction and 10 s, to a
//! file: a flow against a loop written by hand.
//!
//! `--bids N` takes fewer than 5 million (1.2 GB, made once in `target/bench-data`).

#![allow(clippy::expect_used)] // A bench that cannot run has to stop.

#[path = "../common/mod.rs"]
mod common;

mod by_hand;
mod data;

use std::path::Path;

use common::{Contest, argument, verdict};
use millstream::prelude::*;
use serde::{Deserialize, Serialize};

/// What is read of a bid.
#[derive(Clone, Copy, Deserialize)]
struct Bid {
    auction: u64,
    price: u64,
    /// In milliseconds.
    date_time: i64,
}

/// What is written.
#[derive(Serialize)]
struct Row {
    auction: u64,
    /// When the window begins, in milliseconds.
    window: i64,
    bids: u64,
    highest: u64,
}

const WINDOW_SECONDS: u64 = 10;

fn flow(bids: &Path, out: &Path, parallelism: usize) -> Report {
    let (bids, out) = (bids.to_owned(), out.to_owned());
    let flow = Flow::new("bids", move |flow| {
        flow.source("bids", File::open(&bids).json::<Bid>())
            .event_time(
                |bid| Timestamp::from_millis(bid.date_time),
                Lateness::bounded(seconds(4)),
            )
            .key_by(|bid| bid.auction)
            .window(Tumbling::of(seconds(WINDOW_SECONDS)))
            .aggregate("auctions", (count(), max(|bid: &Bid| bid.price)))
            .map(|auction, result| Row {
                auction,
                window: result.window.start.as_millis(),
                bids: result.value.0,
                highest: result.value.1,
            })
            .sink("out", File::create(&out).json());
    });
    flow.with_parallelism(parallelism)
        .run_blocking()
        .expect("it runs")
}

/// The lines of a file, sorted: neither side promises an order.
fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("results can be read");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

fn main() {
    let number = argument("bids", 5_000_000);
    let rounds = argument("rounds", 7) as usize;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-data");
    let bids = data::bids(&folder, number);
    for threads in [1, 2] {
        let (by_flow, by_hand) = (folder.join("flow.ndjson"), folder.join("hand.ndjson"));
        let report = flow(&bids, &by_flow, threads);
        println!("\n{report}");
        for vertex in report
            .vertices
            .iter()
            .filter(|vertex| vertex.batches_in > 0)
        {
            let each = vertex.records_in / vertex.batches_in;
            println!("  {}: {each} records per batch", vertex.vertex);
        }
        by_hand::run(&bids, &by_hand, threads);
        let (flow_lines, hand_lines) = (lines(&by_flow), lines(&by_hand));
        assert!(flow_lines == hand_lines, "the results differ");
        println!("  {} equal results", flow_lines.len());

        let mut contest = Contest::new();
        let a = contest.add("flow", || drop(flow(&bids, &by_flow, threads)));
        let b = contest.add("by hand", || by_hand::run(&bids, &by_hand, threads));
        contest.run(rounds);
        contest.print(&format!("parallelism {threads}"), number);
        let wall =
            contest.middle(|costs| costs[b].wall.as_secs_f64() / costs[a].wall.as_secs_f64());
        let cpu = contest.middle(|costs| costs[b].cpu.as_secs_f64() / costs[a].cpu.as_secs_f64());
        let what = format!("parallelism {threads}, speed of the flow to the loop's");
        verdict(&format!("{what}, wall"), wall, wall.median >= 0.9, ">= 0.9");
        println!("{what}, CPU: {cpu}");
    }
}
