//! A thousand calls wait at once, on few threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::channel::oneshot;
use futures::future::{FutureExt, Shared};
use millstream::prelude::*;
use millstream::runtime;

const CALLS: usize = 1_000;

/// Calls of which none returns before all have begun: with fewer in flight they would wait for ever.
fn flow(out: &Collect<usize>) -> Flow {
    let out = out.clone();
    Flow::new("waits", move |flow| {
        let begun = Arc::new(AtomicUsize::new(0));
        let (all_begun, wait) = oneshot::channel::<()>();
        let all_begun = Arc::new(std::sync::Mutex::new(Some(all_begun)));
        let wait: Shared<_> = wait.shared();
        flow.source("numbers", from_iter(0..CALLS))
            .map_async("call", Unordered::up_to(CALLS), move |n| {
                let (begun, wait, all_begun) = (begun.clone(), wait.clone(), all_begun.clone());
                async move {
                    if begun.fetch_add(1, Ordering::Relaxed) + 1 == CALLS {
                        drop(all_begun.lock().unwrap().take());
                    }
                    let _ = wait.await;
                    n
                }
            })
            .sink("out", out.sink());
    })
}

#[test]
fn a_thousand_wait_at_once() {
    let out = Collect::new();
    flow(&out).with_parallelism(1).simulate(1).unwrap();
    assert_eq!(out.take().len(), CALLS, "on one thread, on virtual time");
    flow(&out).with_parallelism(1).run_blocking().unwrap();
    assert_eq!(out.take().len(), CALLS, "on the threads of the machine");
}

#[test]
fn a_slow_sink_holds_the_source_back() {
    let flow = Flow::new("slow", |flow| {
        flow.source("endless", Generator::new(|n, _| n))
            .map(|n| n + 1)
            .rebalance()
            .map_async("slow", Ordered::up_to(1), |n| async move {
                runtime::sleep(seconds(1)).await;
                n
            })
            .sink("out", Collect::new().sink());
    });
    let flow = flow.with_parallelism(2).with_channel_batches(2);
    let counts = runtime::simulate(5, async {
        let running = flow.start().await?;
        let mut read = Vec::new();
        for _ in 0..3 {
            runtime::sleep(seconds(200)).await;
            let metrics = running.metrics();
            let taken = |name| {
                metrics
                    .iter()
                    .find(|v| v.vertex == name)
                    .unwrap()
                    .records_in
            };
            read.push((taken("endless"), taken("out")));
        }
        running.handle().kill();
        running.join().await?;
        Ok::<_, millstream::Error>(read)
    });
    for (read, written) in counts.unwrap().unwrap() {
        assert!(written >= 300, "it moves: {written}");
        // Batches in hand, in channels and in the making: each has at most 1,024 records.
        assert!(
            read - written < 30 * 1_024,
            "{read} read, {written} written"
        );
    }
}
