//! The task's half of the operator contract, sentence by sentence: a witness notes every call.

use std::time::Duration;

use super::doubles::{Numbers, collect, numbers};
use super::settings;
use super::witness::{Call, Log, flow};
use crate::error::Error;
use crate::execution::Execution;
use crate::runtime;
use crate::state::Snapshot;
use crate::why::Because;

/// Runs half of the flow, restores the other half from the snapshot; gives what was called in each.
fn run_in_two_halves(seed: u64, waits: bool) -> (Vec<Call>, Vec<Call>, Vec<u64>) {
    let source = Numbers {
        pause: Duration::from_millis(1),
        ..numbers(600)
    };
    let (first, second, out) = (Log::default(), Log::default(), collect());
    let graphs = (
        flow(source.clone(), &first, waits, out.clone()),
        flow(source, &second, waits, out.clone()),
    );
    runtime::simulate(seed, async {
        let running = Execution::start("law", graphs.0, settings(1), None).await?;
        runtime::sleep(Duration::from_millis(20 + seed)).await;
        let (snapshot, _): (Snapshot, _) = running.stop_with_snapshot().await?;
        Execution::start("law", graphs.1, settings(1), Some(&snapshot))
            .await?
            .join()
            .await
    })
    .unwrap()
    .unwrap();
    let calls = |log: Log| log.lock().unwrap().clone();
    (calls(first), calls(second), super::sorted(&out))
}

#[test]
fn the_task_keeps_its_half_of_the_contract() {
    for waits in [false, true] {
        for seed in 0..25 {
            let (first, second, out) = run_in_two_halves(seed, waits);
            // 1, 2: what was put out is sent before the promise behind it (NoneLate would have failed), all of it.
            assert_eq!(
                out,
                (0..600).collect::<Vec<_>>(),
                "seed {seed}, waits {waits}"
            );
            // 3: restore first, the end last, and called again until it is done.
            assert_eq!(second[0], Call::Restore);
            assert_eq!(&second[second.len() - 3..], [Call::End; 3]);
            assert!(!first.contains(&Call::Restore) && !first.contains(&Call::End));
            for calls in [&first, &second] {
                // 4: watermarks only rise.
                let times: Vec<i64> = calls
                    .iter()
                    .filter_map(|call| match call {
                        Call::Watermark(time) => Some(*time),
                        _ => None,
                    })
                    .collect();
                assert!(
                    times.len() > 3 && times.is_sorted_by(|a, b| a < b),
                    "{times:?}"
                );
                // 5: a batch is never empty.
                assert!(calls.iter().all(|call| *call != Call::Batch { records: 0 }));
                // 6: timers go off when they are due, time and again.
                let timers = calls
                    .iter()
                    .filter(|call| matches!(call, Call::Timer { .. }));
                assert!(timers.clone().count() > 1, "{calls:?}");
                assert!(
                    timers
                        .clone()
                        .all(|timer| *timer == Call::Timer { early: false })
                );
            }
            // 7: a snapshot is the last call of the first half, with nothing in flight and nothing kept back.
            let last = [Call::Flush, Call::Snapshot { in_flight: false }];
            assert_eq!(first[first.len() - 2..], last);
            // It slept between any two batches, for the source paused: so it flushed, whatever else was called.
            let slept = first
                .iter()
                .filter(|call| **call != Call::Timer { early: false });
            let batches = slept
                .clone()
                .filter(|call| matches!(call, Call::Batch { .. }));
            let flushes = slept.filter(|call| **call == Call::Flush);
            assert!(flushes.count() > batches.count());
        }
    }
}

#[test]
fn a_timer_goes_off_while_nothing_comes() {
    // The source gives seven records and is silent for an hour.
    let source = Numbers {
        pause: Duration::from_secs(3_600),
        ..numbers(7)
    };
    for waits in [false, true] {
        let (log, out) = (Log::default(), collect());
        let graph = flow(source.clone(), &log, waits, out);
        runtime::simulate(1, async {
            let running = Execution::start("law", graph, settings(1), None).await?;
            runtime::sleep(Duration::from_secs(3_700)).await;
            let timers = log
                .lock()
                .unwrap()
                .iter()
                .filter(|call| matches!(call, Call::Timer { .. }))
                .count();
            assert!((19_000..=20_000).contains(&timers), "{timers} in 100 s");
            running.stop();
            running.join().await
        })
        .unwrap()
        .unwrap();
    }
}

#[test]
fn asked_at_any_time_it_answers_and_nothing_changes() {
    for waits in [false, true] {
        for seed in 0..25 {
            let source = Numbers {
                pause: Duration::from_millis(1),
                ..numbers(300)
            };
            let (log, out) = (Log::default(), collect());
            let graph = flow(source, &log, waits, out.clone());
            let asked = runtime::simulate(seed, async {
                let running = Execution::start("law", graph, settings(1), None).await?;
                let handle = running.handle();
                // Many at once, so that the questions have no room, and again and again.
                let asking = runtime::spawn(async move {
                    let mut answers = Vec::new();
                    for n in 0..10 {
                        runtime::sleep(Duration::from_micros(700 * (seed + n))).await;
                        answers
                            .extend(futures::future::join_all((0..9).map(|_| handle.why())).await);
                    }
                    answers
                });
                running.join().await?;
                Ok::<_, Error>(asking.await.unwrap())
            });
            let asked = asked.unwrap().unwrap();
            // 14: what it explains changes nothing.
            assert_eq!(
                super::sorted(&out),
                (0..300).collect::<Vec<_>>(),
                "seed {seed}"
            );
            assert_eq!(asked.len(), 90);
            for why in &asked {
                let names: Vec<_> = why.replicas.iter().map(|time| &*time.vertex).collect();
                assert_eq!(names.len(), 5, "{names:?}");
                let json = serde_json::to_value(why).unwrap();
                assert_eq!(json["flow"], "law");
                assert_eq!(json["replicas"][4]["vertex"], "out");
            }
            // The witness keeps records in flight back, and with them its promise.
            let held = asked
                .iter()
                .flat_map(|why| why.vertex("out"))
                .filter(|time| {
                    let holder = time.held_by.as_ref();
                    holder.is_some_and(|holder| {
                        holder.vertex == "witness" && holder.because == Because::InFlight(None)
                    })
                });
            assert!(!waits || held.count() > 0, "seed {seed}");
        }
    }
}
