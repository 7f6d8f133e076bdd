//! The stages of one task, and the work going on in them.

mod delivery;
mod timers;
mod work;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use self::work::{Came, Work};
use super::Stop;
use super::budget::Budget;
use super::outputs::{Outputs, Room};
use super::questions::Questions;
use super::stage::{LetGo, Stage};
use crate::batch::AnyBatch;
use crate::edge::InputTime;
use crate::error::Result;
use crate::operator::Step;
use crate::outbox::Sealed;
use crate::runtime::{self, Instant};
use crate::source::PartitionNews;
use crate::state::VertexState;
use crate::time::Frontier;

/// Vertices fused into one task: each hands its output to the next by a call, without a channel.
///
/// Work is kept on a stack, so that what an operator put out is worked on, and sent, before anything that
/// comes after it: its watermark, its next step, the end.
pub(crate) struct Chain {
    pub(crate) stages: Vec<Stage>,
    pub(crate) outputs: Outputs,
    pub(crate) room: Room,
    /// Whether the head waits for the outside, and so must be polled.
    pub(crate) polled: bool,
    /// What it is asked, and how far time has come on the task's inputs when that was noted last.
    pub(crate) questions: Questions,
    pub(crate) inputs: Vec<InputTime>,
    /// The end was told: no timer goes off any more.
    ended: bool,
    /// Since when timers go off here: what was due before waited for the restart, or was meant to be due at once.
    began: Instant,
    work: Vec<Work>,
    sealed: Vec<Sealed>,
}

impl Chain {
    pub(crate) fn new(
        stages: Vec<Stage>,
        outputs: Outputs,
        polled: bool,
        questions: Questions,
    ) -> Self {
        Chain {
            stages,
            outputs,
            room: Room::default(),
            polled,
            questions,
            inputs: Vec::new(),
            ended: false,
            began: runtime::now(),
            work: Vec::new(),
            sealed: Vec::new(),
        }
    }

    /// Works, and sends, until nothing is left to do.
    pub(crate) async fn settle(&mut self) -> Result<(), Stop> {
        self.take_up_timers();
        let mut budget = None;
        loop {
            self.send().await?;
            match self.step()? {
                Some(Step::Done) => {}
                // An operator that has much to do, but little to send, must not keep the others waiting.
                Some(Step::More) => budget.get_or_insert_with(Budget::new).spend().await,
                None => break,
            }
        }
        self.send_promises_due().await
    }

    /// Has the operators put out what they keep back only to send less.
    pub(crate) async fn let_go(&mut self, how: LetGo) -> Result<(), Stop> {
        let stages = (0..self.stages.len()).rev();
        (self.work).extend(stages.map(|stage| Work::LetGo { stage, how }));
        self.settle().await
    }

    /// Records for the head, and how long they waited for it.
    pub(crate) fn batch(&mut self, input: usize, batch: AnyBatch, waited: Duration) {
        self.work.push(Work::Batch {
            stage: 0,
            input,
            batch,
            came: Came::Waited(waited),
        });
    }

    /// How far time has come at the head's inputs.
    pub(crate) fn frontier(&mut self, frontier: Frontier) {
        self.work.push(Work::Frontier { stage: 0, frontier });
    }

    /// One of the head's inputs has ended.
    pub(crate) fn input_end(&mut self, input: usize) {
        self.work.push(Work::InputEnd { input });
    }

    /// The head's inputs have ended.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.work.push(Work::End { stage: 0 });
    }

    /// The head has put something out by itself (a source, or an operator that was polled).
    pub(crate) fn head_has_output(&mut self) {
        if self
            .stages
            .first()
            .is_some_and(|head| head.news().is_some())
        {
            self.work.push(Work::Promise { stage: 0 });
        }
        self.deliver(0);
    }

    /// News of a partition, to every stage: those that make watermarks care.
    pub(crate) fn partition(&mut self, news: &PartitionNews) -> Result<()> {
        for index in (0..self.stages.len()).rev() {
            self.stages[index].call(|operator, _| {
                operator.on_partition(news);
                Ok(())
            })?;
            self.work.push(Work::Promise { stage: index });
        }
        Ok(())
    }

    /// The task has waited so long for its input.
    pub(crate) fn waited(&mut self, waited: Duration) {
        for stage in &mut self.stages {
            stage.out.advance_waited(waited);
        }
    }

    /// How far the stages that make time have come, if there are some.
    pub(crate) fn clock(&self) -> Option<Frontier> {
        let clocks = self.stages.iter().filter(|stage| stage.has_clock);
        clocks.map(|stage| stage.said).reduce(Frontier::merge)
    }

    /// Polls what the head waits for. Ready when nothing is in flight.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(head) = self.stages.first_mut() else {
            return Poll::Ready(Ok(()));
        };
        // Each result carries the arrival its record had, which the operator hands to the outbox.
        let polled = head.call(|operator, out| Ok(operator.poll(cx, out)));
        let polled = match polled {
            Ok(Poll::Ready(Err(error))) => Poll::Ready(Err(error.at(&head.vertex, head.replica))),
            Ok(polled) => polled,
            Err(error) => Poll::Ready(Err(error)),
        };
        head.note_answered();
        self.head_has_output();
        polled
    }

    /// Whether the head takes another batch.
    pub(crate) fn has_room(&self) -> bool {
        self.stages
            .first()
            .is_none_or(|head| head.operator.has_room())
    }

    /// Whether there is work to do, or something to send: a batch the head has begun counts, for it must not wait
    /// for company while the task sleeps.
    pub(crate) fn is_busy(&self) -> bool {
        let begun = self.stages.first().is_some_and(|head| head.out.has_begun());
        begun || !self.work.is_empty() || self.outputs.has_outgoing()
    }

    /// Saves the state of every stage that has some.
    pub(crate) fn snapshot(&mut self, shards: u32) -> Result<Vec<(Arc<str>, VertexState)>> {
        let mut states = Vec::new();
        for stage in &mut self.stages {
            if let Some(state) = stage.snapshot(shards)? {
                states.push((stage.vertex.clone(), state));
            }
        }
        Ok(states)
    }
}
