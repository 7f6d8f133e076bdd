//! The stages of one task, and the work going on in them.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Stop;
use super::budget::Budget;
use super::outputs::{Outputs, Room};
use super::questions::Questions;
use super::stage::{LetGo, Stage, Target};
use crate::batch::{AnyBatch, PartitionId};
use crate::edge::InputTime;
use crate::error::Result;
use crate::operator::Step;
use crate::outbox::Sealed;
use crate::runtime;
use crate::source::PartitionNews;
use crate::state::VertexState;
use crate::time::{Frontier, Timestamp};

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
    work: Vec<Work>,
    sealed: Vec<Sealed>,
}

enum Work {
    /// Records for a stage.
    Batch {
        stage: usize,
        input: usize,
        batch: AnyBatch,
        came: Came,
    },
    /// Time has come so far at the stage's inputs.
    Frontier { stage: usize, frontier: Frontier },
    /// The stage may have something to promise.
    Promise { stage: usize },
    /// The stage's timer may be due.
    Timer { stage: usize },
    /// One of the head's inputs has ended.
    InputEnd { input: usize },
    /// The stage is to put out what it keeps back only to send less.
    LetGo { stage: usize, how: LetGo },
    /// The stage's inputs have ended.
    End { stage: usize },
}

/// How a batch came to its stage.
enum Came {
    /// From another task; it waited so long in the channel.
    Waited(Duration),
    /// From this stage, port and edge of the same task.
    Within(usize, usize, usize),
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

    /// When the first timer of a stage is due.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        let timers = self.stages.iter().map(|stage| stage.operator.next_timer());
        timers.flatten().min()
    }

    /// How long until then, for a task that has nothing else to do; for ever without a timer.
    pub(crate) fn until_timer(&self) -> Option<Duration> {
        let timer = self.next_timer()?;
        Some(timer.since(runtime::processing_time()))
    }

    /// Adds the timers that are due to the work: below all else, so that what came before them is done first.
    fn take_up_timers(&mut self) {
        let Some(first) = self.next_timer() else {
            return;
        };
        let now = runtime::processing_time();
        if self.ended || first > now {
            return;
        }
        let stages = self.stages.iter().enumerate();
        let due =
            stages.filter(|(_, stage)| stage.operator.next_timer().is_some_and(|at| at <= now));
        let work = due.map(|(stage, _)| Work::Timer { stage });
        self.work.splice(0..0, work);
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

    /// Does one piece of work; says whether its operator has more to say, or that there was none.
    fn step(&mut self) -> Result<Option<Step>> {
        let Some(work) = self.work.pop() else {
            return Ok(None);
        };
        let mut all = Step::Done;
        match work {
            Work::Batch {
                stage: index,
                input,
                mut batch,
                came,
            } => {
                let records = batch.len() as u64;
                let begun = runtime::now();
                let stage = &mut self.stages[index];
                stage.on_batch(input, &mut batch)?;
                let service = runtime::now() - begun;
                match came {
                    // The service of a head that waits for the outside ends with each answer.
                    Came::Waited(waited) if self.polled => stage.latency.waited(waited, records),
                    Came::Waited(waited) => stage.latency.record(Some(waited), service, records),
                    Came::Within(from, port, edge) => {
                        stage.latency.record(None, service, records);
                        if let Some(port) = self.stages[from].out.ports_mut().get_mut(port) {
                            port.recycle(edge, 0, batch);
                        }
                    }
                }
                self.work.push(Work::Promise { stage: index });
                self.deliver(index);
            }
            Work::Frontier {
                stage: index,
                frontier,
            } => {
                all = self.stages[index].on_frontier(frontier)?;
                self.work.push(match all {
                    Step::More => Work::Frontier {
                        stage: index,
                        frontier,
                    },
                    Step::Done => Work::Promise { stage: index },
                });
                self.deliver(index);
            }
            Work::Promise { stage: index } => {
                if let Some(promise) = self.stages[index].promise() {
                    // Behind a watermark that is owed, idleness follows.
                    if self.stages[index].input == Frontier::Idle {
                        self.work.push(Work::Promise { stage: index });
                    }
                    self.forward(index, promise);
                }
            }
            Work::Timer { stage: index } => {
                all = self.stages[index].on_timer()?;
                self.work.push(match all {
                    Step::More => Work::Timer { stage: index },
                    Step::Done => Work::Promise { stage: index },
                });
                self.deliver(index);
            }
            Work::InputEnd { input } => {
                // What is set free came with the end of what it waited for.
                let head = &mut self.stages[0];
                head.out.begin(runtime::now(), PartitionId(0));
                all = head.call(|operator, out| operator.on_input_end(input, out))?;
                self.work.push(match all {
                    Step::More => Work::InputEnd { input },
                    Step::Done => Work::Promise { stage: 0 },
                });
                self.deliver(0);
            }
            Work::LetGo { stage, how } => {
                all = self.stages[stage].let_go(how)?;
                if all == Step::More {
                    self.work.push(Work::LetGo { stage, how });
                }
                self.deliver(stage);
            }
            Work::End { stage: index } => {
                all = self.stages[index].call(|operator, out| operator.on_end(out))?;
                match all {
                    Step::More => self.work.push(Work::End { stage: index }),
                    Step::Done => self.forward_end(index),
                }
                self.deliver(index);
            }
        }
        Ok(Some(all))
    }

    /// Takes what a stage has put out to where it goes.
    fn deliver(&mut self, index: usize) {
        let stage = &mut self.stages[index];
        for (port, targets) in stage.targets.iter().enumerate() {
            let Some(port_out) = stage.out.ports_mut().get_mut(port) else {
                continue;
            };
            for (edge, target) in targets.iter().enumerate() {
                // Within the task nothing is gained by waiting for a full batch.
                if let Target::Stage(_) = target {
                    port_out.seal_edge(edge);
                }
            }
            port_out.take_sealed(&mut self.sealed);
            let records: usize = self.sealed.iter().map(|sealed| sealed.batch.len()).sum();
            if records > 0 {
                stage.counters.gave(records as u64);
            }
            // The stack turns the order round, so within the task the last comes first.
            let behind = self.work.len();
            for Sealed { edge, lane, batch } in self.sealed.drain(..) {
                match targets.get(edge) {
                    Some(&Target::Stage(next)) => {
                        let came = Came::Within(index, port, edge);
                        self.work.push(Work::Batch {
                            stage: next,
                            input: 0,
                            batch,
                            came,
                        });
                    }
                    Some(&Target::Remote(remote)) => self.outputs.add(remote, lane, batch),
                    None => {}
                }
            }
            self.work[behind..].reverse();
        }
    }

    fn forward(&mut self, index: usize, promise: Frontier) {
        for &target in self.stages[index].targets.iter().flatten() {
            match target {
                Target::Stage(next) => {
                    self.work.push(Work::Frontier {
                        stage: next,
                        frontier: promise,
                    });
                }
                Target::Remote(remote) => self.outputs.promise(remote, promise),
            }
        }
    }

    fn forward_end(&mut self, index: usize) {
        for &target in self.stages[index].targets.iter().flatten() {
            if let Target::Stage(next) = target {
                self.work.push(Work::End { stage: next });
            }
        }
    }
}
