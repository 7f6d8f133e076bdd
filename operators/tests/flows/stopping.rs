//! A flow that is stopped somewhere with a snapshot, and goes on from it with another parallelism.

use std::time::Duration;

use millstream::prelude::*;
use millstream::runtime;

/// With how many replicas a flow begins, and with how many it goes on: any of one to three.
pub(crate) fn parallelisms(seed: u64) -> (usize, usize) {
    (1 + seed as usize % 3, 1 + seed as usize / 3 % 3)
}

/// A stop before the end.
pub(crate) struct Stop<T> {
    /// What was seen when it was asked for.
    pub(crate) seen: T,
    /// How long it took.
    pub(crate) took: Duration,
    /// What is told of before it and of behind it.
    pub(crate) reports: [Report; 2],
}

/// Runs `first` until `until` is over, and then `rest` from where that was, to the end: all of it in one simulation.
/// `None` if it had ended before.
pub(crate) fn stop_and_go_on<T>(
    seed: u64,
    first: Flow,
    rest: Flow,
    until: impl Future<Output = T>,
) -> Option<Stop<T>> {
    let stop = runtime::simulate(seed, async {
        let running = first.start().await.unwrap();
        let seen = until.await;
        let asked = runtime::now();
        let (snapshot, before) = running.stop_with_snapshot().await.ok()?;
        let took = runtime::now() - asked;
        let rest = rest.from_snapshot(snapshot).start().await.unwrap();
        let reports = [before, rest.join().await.unwrap()];
        Some(Stop {
            seen,
            took,
            reports,
        })
    });
    stop.unwrap()
}
