//! Rate and shape: under every schedule the same, where that is promised; else the law of each.

mod by_time;
mod clocks;
mod gathered;
mod held;
mod latency;

use std::time::Duration;

use millstream::latency::LatencySettings;
use millstream::prelude::*;
use millstream::runtime;

use crate::stopping::{Stop, parallelisms, stop_and_go_on};

/// One replica, or two, or sometimes three.
fn parallelism(seed: u64) -> usize {
    match seed % 10 {
        9 => 3,
        other => 1 + other as usize % 2,
    }
}

/// Runs the flow under a thousand seeds, with one to three replicas; tells each seed and what came of it.
fn each_seed<T>(flow: &Flow, out: &Collect<T>, mut check: impl FnMut(u64, Vec<T>, Report)) {
    // Nobody asks for its histograms; to make them takes longer than the flow.
    let flow = flow.clone().with_latency(LatencySettings::off());
    for seed in 0..1_000 {
        let flow = flow.clone().with_parallelism(parallelism(seed));
        let report = flow.simulate(seed).unwrap();
        check(seed, out.take(), report);
    }
}

/// Stops the flow somewhere within `span`, with a snapshot, and goes on from it with another parallelism; the same for
/// many seeds. Half of them at least must be stopped before their end.
fn each_stop<T>(
    flow: &Flow,
    out: &Collect<T>,
    span: Duration,
    mut check: impl FnMut(u64, Vec<T>, Stopped),
) {
    let flow = flow.clone().with_latency(LatencySettings::off());
    let (mut stopped, seeds) = (0, 100);
    for seed in 0..seeds {
        let (before, after) = parallelisms(seed);
        let first = flow.clone().with_parallelism(before);
        let rest = flow.clone().with_parallelism(after);
        let stop = stop_and_go_on(seed, first, rest, async {
            runtime::sleep(span * (seed as u32 * 37 % 100) / 100).await;
            out.len()
        });
        stopped += usize::from(stop.is_some());
        let stop = match stop {
            Some(Stop { took, seen, .. }) => Stopped {
                took,
                so_far: seen,
                replicas: before.max(after),
            },
            None => Stopped {
                replicas: before,
                ..Stopped::default()
            },
        };
        check(seed, out.take(), stop);
    }
    assert!(
        stopped * 2 > seeds as usize,
        "only {stopped} were stopped before their end"
    );
}

/// What a check has to know of a stop.
#[derive(Default)]
struct Stopped {
    /// How long it took.
    took: Duration,
    /// How many results there were before.
    so_far: usize,
    /// How many replicas there were, before it or behind it.
    replicas: usize,
}
