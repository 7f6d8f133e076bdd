//! A flow around an operator that notes every call.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::doubles::{Collect, Numbers};
use crate::batch::AnyBatch;
use crate::error::{Error, Result};
use crate::operator::{Operator, Step};
use crate::outbox::{Outbox, PortMaker};
use crate::plan::{Graph, OperatorVertex, Route};
use crate::runtime;
use crate::state::{StateKind, StateReader, StateWriter};
use crate::time::{Frontier, Timestamp, Watermark};

/// What was called, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Call {
    Restore,
    Batch { records: usize },
    Watermark(i64),
    Timer { early: bool },
    Flush,
    End,
    Snapshot { in_flight: bool },
}

pub(super) type Log = Arc<Mutex<Vec<Call>>>;

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

pub(super) fn flow(source: Numbers, log: &Log, waits: bool, out: Collect<u64>) -> Graph {
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
