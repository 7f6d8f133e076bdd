//! Stopped at a barrier and continued with another parallelism, a flow comes to what it would have come to.

use std::time::Duration;

use millstream::prelude::*;
use millstream::state::Snapshot;
use millstream::{ErrorKind, Result, runtime};

use crate::support::{drawn, joined, sorted, trades};

const TRADES: u64 = 120;

/// Every operator with a state: event time, asynchronous calls, window, join; reduce and fold.
fn flow(rows: &Collect<String>) -> Flow {
    let out = rows.clone();
    Flow::new("all-state", move |flow| {
        joined(flow, TRADES)
            .map(|row| format!("{row:?}"))
            .sink("rows", out.sink());
        // One replica, so that the order within a key is the same in every run.
        let in_order = flow
            .source("rolling", trades(3, TRADES))
            .with_parallelism(1)
            .map_async("in-order", Ordered::up_to(8), |trade| async move {
                runtime::sleep(Duration::from_micros(trade.amount * 200)).await;
                trade
            });
        in_order
            .clone()
            .map(|trade| (trade.item, trade.amount))
            .key_by(|(item, _)| *item)
            .reduce("largest", |largest, next| largest.1 = largest.1.max(next.1))
            .values()
            .map(|largest| format!("largest {largest:?}"))
            .sink("largest-rows", out.sink());
        in_order
            .key_by(|trade| trade.item)
            .fold("so-far", (0, 0), |(count, sum), trade| {
                (*count, *sum) = (*count + 1, *sum * 31 % 1_009 + trade.amount);
                (*count, *sum)
            })
            .entries()
            .map(|so_far| format!("so far {so_far:?}"))
            .sink("so-far-rows", out.sink());
    })
}

/// Runs for `time`, then stops at a barrier; `None` if the flow ended before.
fn run_for(flow: &Flow, seed: u64, time: Duration) -> Option<Snapshot> {
    let stopping = async {
        let running = flow.start().await?;
        runtime::sleep(time).await;
        running.stop_with_snapshot().await
    };
    let stopped: Result<_> = runtime::simulate(seed, stopping).unwrap();
    match stopped {
        Ok((snapshot, report)) => {
            assert_eq!(report.ended, Ended::Stopped);
            Some(snapshot)
        }
        Err(ended) => {
            assert_eq!(ended.kind(), ErrorKind::State, "{ended}");
            None
        }
    }
}

#[test]
fn stopped_at_any_moment_and_continued_with_any_parallelism() {
    let rows = Collect::new();
    flow(&rows).with_parallelism(1).simulate(0).unwrap();
    let whole = sorted(rows.take());
    let mut stops = 0;
    for seed in 0..50 {
        let mut from = None;
        let mut said = format!("seed {seed}:");
        // Up to three stops, then to the end.
        for leg in 0..4 {
            let parallelism = 1 + drawn(seed, 2 * leg) as usize % 4;
            let time = Duration::from_micros(drawn(seed, 2 * leg + 1) % 600_000);
            said += &format!(" {parallelism} replicas for {time:?},");
            let mut flow = flow(&rows).with_parallelism(parallelism);
            if let Some(snapshot) = from.take() {
                flow = flow.from_snapshot(snapshot);
            }
            if leg == 3 {
                flow.simulate(seed).unwrap();
                break;
            }
            from = run_for(&flow, seed, time);
            if from.is_none() {
                break;
            }
            stops += 1;
        }
        let came = sorted(rows.take());
        assert_eq!(came.len(), whole.len(), "{said}");
        assert_eq!(came, whole, "{said}");
    }
    assert!(stops > 80, "the test stops flows: {stops} times");
}
