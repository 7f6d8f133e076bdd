//! One piece of work after the other.

use std::time::Duration;

use super::Chain;
use crate::batch::{AnyBatch, PartitionId};
use crate::error::Result;
use crate::operator::Step;
use crate::runtime;
use crate::task::stage::LetGo;
use crate::time::Frontier;

/// What is to be done for a stage.
pub(super) enum Work {
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
pub(super) enum Came {
    /// From another task; it waited so long in the channel.
    Waited(Duration),
    /// From this stage, port and edge of the same task.
    Within(usize, usize, usize),
}

impl Chain {
    /// Does one piece of work; says whether its operator has more to say, or that there was none.
    pub(super) fn step(&mut self) -> Result<Option<Step>> {
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
                all = self.stages[index].on_timer(self.began)?;
                self.work.push(match all {
                    Step::More => Work::Timer { stage: index },
                    Step::Done => Work::Promise { stage: index },
                });
                self.deliver(index);
            }
            Work::InputEnd { input } => {
                // What is set free came with the end of what it waited for.
                let head = &mut self.stages[0];
                head.out.begin(runtime::now(), PartitionId::ONLY);
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
}
