//! Whatever the schedule, whatever the parallelism: the same output.

use millstream::latency::LatencySettings;
use millstream::prelude::*;

use crate::support::{expected, joined, sorted};

#[test]
fn a_thousand_seeds_give_equal_output() {
    const TRADES: u64 = 40;
    let rows = Collect::new();
    let out = rows.clone();
    let flow = Flow::new("market", move |flow| {
        joined(flow, TRADES).sink("rows", out.sink());
    });
    let expected = expected(TRADES);
    assert!(expected.len() > 5, "there is something to compare");
    for seed in 0..1_000 {
        let parallelism = 1 + seed as usize % 4;
        // Unmeasured, because histograms are most of what a short flow costs.
        let flow = flow
            .clone()
            .with_latency(LatencySettings::off())
            .with_parallelism(parallelism);
        let report = flow.simulate(seed).unwrap();
        let said = format!("seed {seed}, parallelism {parallelism}");
        assert_eq!(sorted(rows.take()), expected, "{said}");
        assert_eq!(
            (report.late(), report.ended),
            (0, Ended::Finished),
            "{said}"
        );
    }
}

#[test]
fn a_seed_replays_to_the_bit() {
    let run = || {
        let rows = Collect::new();
        let out = rows.clone();
        let flow = Flow::new("market", move |flow| {
            joined(flow, 100).sink("rows", out.sink())
        });
        let report = flow.with_parallelism(3).simulate(7).unwrap();
        (rows.take(), report.elapsed, report.vertices)
    };
    assert_eq!(run(), run());
}
