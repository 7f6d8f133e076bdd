//! One operator inside a task: its outbox, its time, its counters.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::batch::{AnyBatch, PartitionId};
use crate::error::{Error, Result};
use crate::latency::StageLatency;
use crate::metrics::Counters;
use crate::operator::{Operator, Step};
use crate::outbox::Outbox;
use crate::runtime::{self, Instant, panic_message};
use crate::state::{StateKind, StateWriter, VertexState};
use crate::time::{Frontier, Watermark};

/// One replica of one vertex, as a link of its task's chain.
pub(crate) struct Stage {
    pub(crate) vertex: Arc<str>,
    pub(crate) replica: usize,
    pub(crate) operator: Box<dyn Operator>,
    pub(crate) out: Outbox,
    /// For every port and every edge of it: who gets what is put out there.
    pub(crate) targets: Vec<Vec<Target>>,
    pub(crate) state: Option<StateKind>,
    pub(crate) latency: StageLatency,
    pub(crate) counters: Arc<Counters>,
    /// Whether it makes event time.
    pub(crate) has_clock: bool,
    /// How far time has come at its inputs.
    pub(crate) input: Frontier,
    /// What it has promised to those behind it.
    pub(crate) said: Frontier,
    /// The last watermark it was given that those behind it are not promised yet.
    pub(crate) owed: Option<Watermark>,
}

/// Who is at the other end of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A later stage of the same task.
    Stage(usize),
    /// Another task, by this one of the chain's remote edges.
    Remote(usize),
}

/// How much an operator puts out of what it keeps back only to send less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LetGo {
    /// What nothing is gained by keeping while the task sleeps: [`Operator::on_flush`].
    Flush,
    /// All that would come too late behind a barrier, or once its input is idle: [`Operator::on_release`].
    Release,
}

impl Stage {
    /// Calls the operator. A panic in it, or an error, tells where it happened.
    pub(crate) fn call<T>(
        &mut self,
        call: impl FnOnce(&mut dyn Operator, &mut Outbox) -> Result<T>,
    ) -> Result<T> {
        let (operator, out) = (&mut *self.operator, &mut self.out);
        out.advance_processing_time(runtime::processing_time());
        let outcome = catch_unwind(AssertUnwindSafe(|| call(operator, out)));
        self.counters.late(self.out.take_late());
        self.counters.untimed(self.out.take_untimed());
        self.counters.bad(self.out.take_bad());
        self.counters.repeats(self.out.take_repeats());
        if self.counters.ahead(self.out.take_ahead()) {
            tracing::warn!(
                vertex = &*self.vertex,
                replica = self.replica,
                "records come whose event time is too far ahead of the wall clock; from now on they are only counted"
            );
        }
        for (held, records) in self.out.take_held() {
            self.latency.held(held, records);
        }
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(error.at(&self.vertex, self.replica)),
            Err(panic) => {
                let message = format!("panicked: {}", panic_message(&*panic));
                Err(Error::user(message).at(&self.vertex, self.replica))
            }
        }
    }

    /// Notes how long the records took that were answered asynchronously.
    pub(crate) fn note_answered(&mut self) {
        let mut now = None;
        for since in self.out.take_answered() {
            let now = *now.get_or_insert_with(runtime::now);
            self.latency.answered(now - since, 1);
        }
    }

    pub(crate) fn on_batch(&mut self, input: usize, batch: &mut AnyBatch) -> Result<()> {
        self.counters.took(batch.len() as u64);
        self.out.begin(batch.arrival(), batch.partition());
        self.call(|operator, out| operator.on_batch(input, batch, out))
    }

    /// Tells the operator how far time has come at its inputs.
    pub(crate) fn on_frontier(&mut self, frontier: Frontier) -> Result<Step> {
        self.input = frontier;
        let watermark = match frontier {
            Frontier::At(watermark) => watermark,
            // Those behind it no longer wait for this one: what it keeps back would come too late.
            Frontier::Idle => return self.let_go(LetGo::Release),
            Frontier::Unknown => return Ok(Step::Done),
        };
        if !self.has_clock {
            self.counters.watermark(watermark.time);
            self.owed = Some(watermark);
        }
        self.out.begin(watermark.arrival, PartitionId::ONLY);
        self.call(|operator, out| operator.on_watermark(watermark, out))
    }

    /// Has the operator put out what it keeps back only to send less.
    pub(crate) fn let_go(&mut self, how: LetGo) -> Result<Step> {
        self.call(|operator, out| match how {
            LetGo::Flush => operator.on_flush(out),
            LetGo::Release => operator.on_release(out),
        })
    }

    /// Calls the operator if its timer is due; it may have more to say. `began` is when timers first could go off here.
    pub(crate) fn on_timer(&mut self, began: Instant) -> Result<Step> {
        self.call(|operator, out| {
            let now = out.processing_time();
            let Some(timer) = operator.next_timer().filter(|timer| *timer <= now) else {
                return Ok(Step::Done);
            };
            // What it sets free came when it was due: that the task was busy then counts.
            let due = runtime::now() - now.since(timer);
            out.begin(due.max(began), PartitionId::ONLY);
            operator.on_timer(out)
        })
    }

    /// What it could promise now, if that is news to those behind it.
    pub(crate) fn news(&self) -> Option<Frontier> {
        let promise = match (self.operator.frontier(self.input), self.owed) {
            // It held records back, and the watermark with them, when its input fell idle.
            (Frontier::Idle, Some(owed)) => Frontier::At(owed),
            (promise, _) => promise,
        };
        let is_news = match (self.said, promise) {
            // What was idle comes again: nothing to send, but silence will be news again.
            (Frontier::Idle, Frontier::Unknown) => true,
            (_, Frontier::Unknown) => false,
            (Frontier::At(before), Frontier::At(now)) => now.time > before.time,
            (before, now) => before != now,
        };
        is_news.then_some(promise)
    }

    /// Promises what is news.
    pub(crate) fn promise(&mut self) -> Option<Frontier> {
        let promise = self.news()?;
        if let (true, Frontier::At(watermark)) = (self.has_clock, promise) {
            self.counters.watermark(watermark.time);
        }
        self.owed = match promise {
            Frontier::At(watermark) => self.owed.filter(|owed| owed.time > watermark.time),
            _ => self.owed,
        };
        self.said = promise;
        Some(promise)
    }

    /// Saves its state, if it has some.
    pub(crate) fn snapshot(&mut self, shards: u32) -> Result<Option<VertexState>> {
        let mut writer = StateWriter::new(shards);
        self.call(|operator, _| operator.snapshot(&mut writer))?;
        let Some(kind) = self.state.clone() else {
            let lost = Error::config("it saves state, but does not say of what kind");
            return match writer.is_empty() {
                true => Ok(None),
                false => Err(lost.at(&self.vertex, self.replica)),
            };
        };
        let (shards, pieces) = writer.finish();
        let frontier = self.input.watermark().map(|watermark| watermark.time);
        Ok(Some(VertexState {
            kind,
            shards,
            pieces,
            positions: Vec::new(),
            frontier,
        }))
    }
}
