//! What a task answers to who asks why event time is where it is.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;

use super::alignment::Held;
use super::chain::Chain;
use super::stage::Stage;
use crate::edge::{Bell, InputTime, Inputs, Received, Receiver};
use crate::runtime;
use crate::time::Frontier;
use crate::why::Explanation;

/// Asked of a task; dropped unanswered by one that ends.
pub(crate) type Question = oneshot::Sender<TaskTime>;

/// How far event time has come in a task.
#[derive(Debug, Default)]
pub(crate) struct TaskTime {
    /// Its inputs, channel by channel.
    pub(crate) inputs: Vec<InputTime>,
    /// Its vertices, in the order of its chain.
    pub(crate) stages: Vec<StageTime>,
    /// A source that is paused: for whom of those aligned.
    pub(crate) held: Option<Held>,
    /// It can do no work,
    pub(crate) blocked: Option<Blocked>,
    /// and so long already.
    pub(crate) blocked_for: Duration,
    pub(crate) has_ended: bool,
}

/// Why a task can do no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// It waits for room at the input of this replica of a vertex.
    Room { vertex: usize, replica: usize },
    /// It waits for the outside.
    Outside,
}

/// How far event time has come at a vertex.
#[derive(Debug)]
pub(crate) struct StageTime {
    /// Whether it makes event time.
    pub(crate) has_clock: bool,
    pub(crate) input: Frontier,
    pub(crate) promise: Frontier,
    pub(crate) explained: Explanation,
}

/// The questions a task is asked. It looks at them at each turn of its loop, and its bell is rung for them.
#[derive(Debug)]
pub(crate) struct Questions {
    pub(crate) receiver: Receiver<Question>,
    pub(crate) bell: Arc<Bell>,
}

impl Questions {
    /// Whether there is one.
    pub(crate) fn are_asked(&self) -> bool {
        self.receiver.has_message()
    }

    /// Answers all there are.
    pub(crate) fn answer(&self, mut answer: impl FnMut() -> TaskTime) {
        while self.are_asked()
            && let Received::Message(question) = self.receiver.try_recv()
        {
            // Nobody waits for it any more: then it is not missed.
            let _ = question.send(answer());
        }
    }

    /// Waits for `future`; meanwhile it answers.
    pub(crate) async fn meanwhile<F: Future>(
        &self,
        future: F,
        mut answer: impl FnMut() -> TaskTime,
    ) -> F::Output {
        let (mut future, mut since) = (pin!(future), None);
        poll_fn(|cx| {
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() {
                let since = *since.get_or_insert_with(runtime::now);
                self.bell.register(cx.waker());
                self.answer(|| TaskTime {
                    blocked_for: runtime::now() - since,
                    ..answer()
                });
            }
            polled
        })
        .await
    }
}

impl Chain {
    /// Answers what the task is asked.
    pub(crate) fn answer(&self) {
        self.questions.answer(|| self.time());
    }

    /// How far time has come in it.
    pub(crate) fn time(&self) -> TaskTime {
        TaskTime {
            inputs: self.inputs.clone(),
            stages: times(&self.stages),
            ..TaskTime::default()
        }
    }

    /// Notes how far time has come on the task's inputs.
    pub(crate) fn note_inputs(&mut self, inputs: &mut Inputs) {
        if let Some(times) = inputs.new_times() {
            self.inputs.clear();
            self.inputs.extend(times);
        }
    }
}

/// How far time has come at each of these stages.
pub(super) fn times(stages: &[Stage]) -> Vec<StageTime> {
    let now = runtime::now();
    let time = |stage: &Stage| {
        let mut explained = Explanation::new(now);
        stage.operator.explain(&mut explained);
        StageTime {
            input: stage.input,
            promise: stage.operator.frontier(stage.input),
            has_clock: stage.has_clock,
            explained,
        }
    };
    stages.iter().map(time).collect()
}
