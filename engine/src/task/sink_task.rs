//! The loop of a task that writes.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::bad_records::BadRecordDesk;
use super::budget::{Budget, MAX_AGE};
use super::erased::AnyWriter;
use super::questions::{Blocked, Questions, TaskTime};
use super::{Stop, TaskId, Told};
use crate::bad_record::BadRecord;
use crate::batch::AnyBatch;
use crate::edge::{Barrier, Event, Inputs, Purpose, Sender};
use crate::error::{Error, ErrorKind, Result};
use crate::latency::{SinkLatency, StageLatency};
use crate::metrics::Counters;
use crate::runtime::{self, Instant};
use crate::time::{Frontier, Timestamp};

/// A task that writes: inputs and a writer.
pub(crate) struct SinkTask {
    pub(crate) id: TaskId,
    pub(crate) vertex: Arc<str>,
    pub(crate) replica: usize,
    pub(crate) inputs: Inputs,
    pub(crate) desk: BadRecordDesk,
    pub(crate) stage: StageLatency,
    pub(crate) counters: Arc<Counters>,
    pub(crate) told: Sender<Told>,
    pub(crate) questions: Questions,
    pub(crate) outside: Outside,
}

/// The writer, and what it has not handed over yet.
pub(crate) struct Outside {
    writer: Option<Box<dyn AnyWriter>>,
    latency: SinkLatency,
    is_timed: bool,
    written: Vec<(Instant, u64)>,
    times: Vec<Timestamp>,
    since: Instant,
    bad: Vec<BadRecord>,
}

impl SinkTask {
    /// Runs to the end of all inputs.
    pub(crate) async fn run(mut self) -> Result<(), Stop> {
        let mut budget = Budget::new();
        loop {
            budget.spend().await;
            self.questions.answer(|| time(&self.inputs, false));
            match self.inputs.try_next() {
                Some(Event::Batch { batch, sent, .. }) => self.write(batch, sent).await?,
                Some(Event::Frontier(Frontier::At(watermark))) => {
                    self.counters.watermark(watermark.time);
                }
                Some(Event::Frontier(_) | Event::Partition(_) | Event::InputEnd(_)) => {}
                Some(Event::Barrier(barrier)) => {
                    self.barrier(barrier).await?;
                    if barrier.purpose == Purpose::Stop {
                        return self.close().await;
                    }
                }
                Some(Event::End) => return self.close().await,
                Some(Event::Orphaned) => return Err(Stop::Orphaned),
                None => {
                    let inputs = &mut self.inputs;
                    let blocked = move || time(inputs, true);
                    let pushing = self.outside.hand_over();
                    let outcome = self.questions.meanwhile(pushing, blocked).await;
                    self.settle(outcome).await?;
                    let (inputs, questions) = (&mut self.inputs, &self.questions);
                    poll_fn(|cx| {
                        if inputs.register(cx.waker()) || questions.are_asked() {
                            Poll::Ready(())
                        } else {
                            Poll::Pending
                        }
                    })
                    .await;
                    budget.refill();
                }
            }
        }
    }

    async fn write(&mut self, mut batch: AnyBatch, sent: Instant) -> Result<(), Stop> {
        let begun = runtime::now();
        let records = batch.len() as u64;
        self.counters.took(records);
        let inputs = &mut self.inputs;
        let blocked = move || time(inputs, true);
        let writing = self.outside.write(&mut batch);
        let outcome = self.questions.meanwhile(writing, blocked).await;
        self.stage
            .record(Some(begun - sent), runtime::now() - begun, records);
        self.settle(outcome).await
    }

    async fn barrier(&mut self, barrier: Barrier) -> Result<(), Stop> {
        let inputs = &mut self.inputs;
        let blocked = move || time(inputs, true);
        let flushing = self.outside.flush();
        let outcome = self.questions.meanwhile(flushing, blocked).await;
        self.settle(outcome).await?;
        self.desk.flush().await.map_err(|error| self.here(error))?;
        let told = Told::Epoch {
            task: self.id,
            epoch: barrier.epoch,
            states: Vec::new(),
        };
        Ok(self.told.send(told).await?)
    }

    async fn close(mut self) -> Result<(), Stop> {
        let inputs = &mut self.inputs;
        let blocked = move || time(inputs, true);
        let closing = self.outside.close();
        let outcome = self.questions.meanwhile(closing, blocked).await;
        self.settle(outcome).await?;
        let closed = self.desk.close().await;
        closed.map_err(|error| self.here(error).into())
    }

    /// Deals with what went wrong: bad records by policy, a reader that has gone quietly.
    async fn settle(&mut self, outcome: Result<()>) -> Result<(), Stop> {
        let settled = self.desk.settle(&mut self.outside.bad).await;
        settled.map_err(|error| self.here(error))?;
        match outcome {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Closed => {
                // The rest of the flow comes to a good end; what still arrives here is let go.
                self.outside.writer = None;
                Ok(self.told.send(Told::NobodyListens).await?)
            }
            Err(error) => Err(self.here(error).into()),
        }
    }

    fn here(&self, error: Error) -> Error {
        error.at(&self.vertex, self.replica)
    }
}

/// How far time has come at a sink.
fn time(inputs: &Inputs, is_blocked: bool) -> TaskTime {
    TaskTime {
        inputs: inputs.times().collect(),
        blocked: is_blocked.then_some(Blocked::Outside),
        ..TaskTime::default()
    }
}

impl Outside {
    pub(crate) fn new(writer: Box<dyn AnyWriter>, latency: SinkLatency, is_timed: bool) -> Self {
        Outside {
            writer: Some(writer),
            latency,
            is_timed,
            written: Vec::new(),
            times: Vec::new(),
            since: runtime::now(),
            bad: Vec::new(),
        }
    }

    async fn write(&mut self, batch: &mut AnyBatch) -> Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        if self.written.is_empty() {
            self.since = runtime::now();
        }
        self.written.push((batch.arrival(), batch.len() as u64));
        if self.is_timed {
            writer.times(batch, &mut self.times)?;
        }
        writer.write(batch, &mut self.bad).await?;
        if runtime::now() - self.since > MAX_AGE {
            return self.hand_over().await;
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        if !self.written.is_empty() {
            writer.hand_over().await?;
            self.note_handed_over();
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        writer.flush(&mut self.bad).await?;
        self.note_handed_over();
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        // Handed over first: that what was waited for at the end does not count as latency.
        writer.hand_over().await?;
        self.note_handed_over();
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        writer.close(&mut self.bad).await
    }

    fn note_handed_over(&mut self) {
        let now = runtime::now();
        for (arrival, records) in self.written.drain(..) {
            self.latency.handed_over(arrival, now, records);
        }
        if !self.times.is_empty() {
            self.latency
                .event_time(runtime::wall(), self.times.drain(..));
        }
    }
}
