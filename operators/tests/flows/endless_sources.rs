//! Flows whose sources do not end, or end at different times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream::connectors::{from_channel, into_channel};
use millstream::prelude::*;
use millstream::runtime::{self, simulate, timeout};

#[test]
fn an_answer_leaves_at_once_though_nothing_else_comes() {
    for seed in 0..20 {
        let (ask, asked) = flume::bounded(10);
        let (answer, answered) = flume::bounded(10);
        let flow = Flow::new("ask", move |flow| {
            flow.source("asked", from_channel(asked.clone()))
                .map_async("answer", Ordered::up_to(5), |n: u64| async move {
                    runtime::sleep(millis(30)).await;
                    n + 1
                })
                .sink("answers", into_channel(answer.clone()));
        });
        simulate(seed, async move {
            let running = flow.with_parallelism(1).start().await.unwrap();
            for n in 0..3 {
                ask.send_async(n).await.unwrap();
                let answer = timeout(seconds(1), answered.recv_async()).await;
                assert_eq!(answer.expect("it is held back").unwrap(), n + 1);
            }
            running.stop();
            running.join().await.unwrap();
        })
        .unwrap();
    }
}

#[test]
fn branches_that_end_in_their_source_s_task_run_to_their_end() {
    for seed in 0..20 {
        for with_sink in [false, true] {
            let seen = Arc::new(AtomicU64::new(0));
            let count = seen.clone();
            let flow = Flow::new("branches", move |flow| {
                let count = count.clone();
                flow.source("long", from_iter(0..5_000))
                    .inspect(move |_| _ = count.fetch_add(1, Ordering::Relaxed))
                    .discard();
                if with_sink {
                    flow.source("short", from_iter(0..5)).sink("out", discard());
                }
            });
            flow.simulate(seed).unwrap();
            assert_eq!(seen.load(Ordering::Relaxed), 5_000);
        }
    }
}

#[test]
fn a_silent_source_behind_a_task_edge_holds_back_no_time() {
    for seed in 0..10 {
        let (windows, results) = flume::bounded(100);
        let (silent, silence) = flume::bounded::<u64>(1);
        let flow = Flow::new("silence", move |flow| {
            flow.source("live", Generator::new(|n, _| n).with_rate(10))
                .union(flow.source("silent", from_channel(silence.clone())))
                .event_time(
                    |n| Timestamp::from_millis(*n as i64 * 100),
                    Lateness::none(),
                )
                .key_by(|_| ())
                .window(Tumbling::of(seconds(1)))
                .aggregate("count", count())
                .values()
                .sink("windows", into_channel(windows.clone()));
        });
        simulate(seed, async move {
            let flow = flow.with_parallelism(1).with_idle_after(seconds(3));
            let running = flow.start().await.unwrap();
            let first = timeout(seconds(30), results.recv_async()).await;
            assert_eq!(first.expect("time stands still").unwrap().value, 10);
            drop(silent);
            running.handle().kill();
            running.join().await.unwrap();
        })
        .unwrap();
    }
}
