//! The task's half of the operator contract, sentence by sentence: a witness notes every call.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::doubles::{Numbers, collect, numbers};
use super::settings;
use crate::batch::AnyBatch;
use crate::error::{Error, Result};
use crate::execution::Execution;
use crate::operator::{Operator, Step};
use crate::outbox::{Outbox, PortMaker};
use crate::plan::{Graph, OperatorVertex, Route};
use crate::runtime;
use crate::state::{Snapshot, StateKind, StateReader, StateWriter};
use crate::time::{Frontier, Timestamp, Watermark};
use crate::why::Because;

/// What was called, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Restore,
    Batch { records: usize },
    Watermark(i64),
    Timer { early: bool },
    Flush,
    End,
    Snapshot { in_flight: bool },
}

type Log = Arc<Mutex<Vec<Call>>>;

/// Stamps numbers with themselves, and promises behind each batch that nothing earlier follows.
#[derive(Default)]
struct Ticking(Option<Watermark>);

impl Operator for Ticking {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        let arrival = batch.arrival();
        for record in batch.of::<u64>()?.records.drain(..) {
            let time = Timestamp::from_micros(record.value as i64);
            out.port(0)?.push(record.value, time);
            self.0 = Some(Watermark { time, arrival });
        }
        Ok(())
    }
    fn frontier(&self, _input: Frontier) -> Frontier {
        self.0.map_or(Frontier::Unknown, Frontier::At)
    }
}

/// Notes what is done to it; keeps one record in flight for a while; passes all on.
struct Witness {
    log: Log,
    waits: bool,
    held: Vec<(u64, Timestamp)>,
    flight: Option<BoxFuture<'static, ()>>,
    timer: Option<Timestamp>,
    says: u64,
}

/// How far apart the timers of a witness are.
const TICK: Duration = Duration::from_millis(5);

impl Witness {
    fn note(&self, call: Call) {
        self.log.lock().unwrap().push(call);
    }
}

impl Operator for Witness {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        self.timer.get_or_insert(out.processing_time() + TICK);
        self.note(Call::Batch {
            records: batch.len(),
        });
        assert!(self.has_room(), "a batch without room for it");
        for record in batch.of::<u64>()?.records.drain(..) {
            self.held.push((record.value, record.time));
        }
        if self.waits {
            self.flight = Some(runtime::sleep(Duration::from_millis(3)).boxed());
        }
        Ok(())
    }
    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.note(Call::Watermark(watermark.time.as_micros()));
        if !self.waits {
            for (value, time) in self.held.drain(..) {
                out.port(0)?.push(value, time);
            }
        }
        Ok(Step::Done)
    }
    fn next_timer(&self) -> Option<Timestamp> {
        self.timer
    }
    fn on_timer(&mut self, out: &mut Outbox) -> Result<Step> {
        let early = self.timer.is_none_or(|timer| timer > out.processing_time());
        self.note(Call::Timer { early });
        self.timer = Some(out.processing_time() + TICK);
        Ok(Step::Done)
    }
    fn on_flush(&mut self, _out: &mut Outbox) -> Result<Step> {
        self.note(Call::Flush);
        Ok(Step::Done)
    }
    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.note(Call::End);
        for (value, time) in self.held.drain(..) {
            out.port(0)?.push(value, time);
        }
        // In steps, to see that it is called again until it is done.
        self.says += 1;
        Ok(if self.says < 3 {
            Step::More
        } else {
            Step::Done
        })
    }
    fn frontier(&self, input: Frontier) -> Frontier {
        if self.held.is_empty() {
            input
        } else {
            Frontier::Unknown
        }
    }
    fn poll(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<Result<()>> {
        if let Some(flight) = &mut self.flight {
            std::task::ready!(flight.as_mut().poll(cx));
            self.flight = None;
            for (value, time) in self.held.drain(..) {
                out.port(0)?.push(value, time);
            }
        }
        Poll::Ready(Ok(()))
    }
    fn has_room(&self) -> bool {
        self.flight.is_none()
    }
    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.note(Call::Snapshot {
            in_flight: self.flight.is_some(),
        });
        state.put_piece(
            "held",
            &self.held.iter().map(|&(n, t)| (n, t)).collect::<Vec<_>>(),
        )
    }
    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.note(Call::Restore);
        for piece in state.pieces::<Vec<(u64, Timestamp)>>() {
            self.held.extend(piece?.1);
        }
        Ok(())
    }
}

/// Checks that no record comes behind a promise that nothing so early follows.
#[derive(Default)]
struct NoneLate {
    promised: Option<Timestamp>,
    seen: u64,
}

impl Operator for NoneLate {
    fn on_batch(&mut self, _input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        for record in batch.of::<u64>()?.records.drain(..) {
            if self.promised.is_some_and(|promised| record.time < promised) {
                return Err(Error::internal(format!(
                    "{} came behind its watermark",
                    record.value
                )));
            }
            self.seen += 1;
            out.port(0)?.push(record.value, record.time);
        }
        Ok(())
    }
    fn on_watermark(&mut self, watermark: Watermark, _out: &mut Outbox) -> Result<Step> {
        self.promised = Some(watermark.time);
        Ok(Step::Done)
    }
}

fn flow(source: Numbers, log: &Log, waits: bool, out: super::Collect<u64>) -> Graph {
    let mut graph = Graph::new();
    let source = graph.add_source("numbers", source);
    let ticking = graph.add_operator(
        OperatorVertex::unnamed("tick", Box::new(|_| Box::new(Ticking::default())))
            .with_port(PortMaker::moving::<u64>()),
    );
    graph.connect(source.output(0), ticking, 0, Route::Forward);
    let log = log.clone();
    let mut witness = OperatorVertex::named(
        "witness",
        "witness",
        Box::new(move |_| {
            let log = log.clone();
            Box::new(Witness {
                log,
                waits,
                held: Vec::new(),
                flight: None,
                timer: None,
                says: 0,
            })
        }),
    )
    .with_port(PortMaker::moving::<u64>())
    .with_state(StateKind::of::<u64>("witness", 1))
    .with_beat(1);
    if waits {
        witness = witness.in_own_task();
    }
    let witness = graph.add_operator(witness);
    graph.connect(ticking.output(0), witness, 0, Route::Forward);
    let check = graph.add_operator(
        OperatorVertex::unnamed("none late", Box::new(|_| Box::new(NoneLate::default())))
            .with_port(PortMaker::moving::<u64>()),
    );
    graph.connect(witness.output(0), check, 0, Route::Forward);
    let sink = graph.add_sink("out", out);
    graph.connect(check.output(0), sink, 0, Route::Forward);
    graph
}

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
