//! What a task answers to who asks why event time is where it is.

use futures::channel::oneshot;

use super::chain::Chain;
use crate::edge::{InputTime, Inputs, Received, Receiver};
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
    /// A paused source: the number, among those aligned, of the one it waits for.
    pub(crate) paused_for: Option<usize>,
    pub(crate) has_ended: bool,
}

/// How far event time has come at a vertex.
#[derive(Debug)]
pub(crate) struct StageTime {
    pub(crate) input: Frontier,
    pub(crate) promise: Frontier,
    pub(crate) explained: Explanation,
}

/// The questions a task is asked. It looks at them at each turn of its loop, and its bell is rung for them.
#[derive(Debug)]
pub(crate) struct Questions(pub(crate) Receiver<Question>);

impl Questions {
    /// Whether there is one.
    pub(crate) fn are_asked(&self) -> bool {
        self.0.has_message()
    }

    /// Answers all there are.
    pub(crate) fn answer(&self, mut answer: impl FnMut() -> TaskTime) {
        while self.are_asked()
            && let Received::Message(question) = self.0.try_recv()
        {
            // Nobody waits for it any more: then it is not missed.
            let _ = question.send(answer());
        }
    }

    /// Answers for a chain of operators and what comes into it.
    pub(crate) fn answer_of(&self, chain: &Chain, inputs: Option<&Inputs>) {
        self.answer(|| TaskTime {
            inputs: inputs.map(Inputs::times).unwrap_or_default(),
            stages: chain.times(),
            ..TaskTime::default()
        });
    }
}

impl Chain {
    /// How far time has come at each of its stages.
    pub(crate) fn times(&self) -> Vec<StageTime> {
        let now = runtime::now();
        let time = |stage: &super::stage::Stage| {
            let mut explained = Explanation::new(now);
            stage.operator.explain(&mut explained);
            StageTime {
                input: stage.input,
                promise: stage.operator.frontier(stage.input),
                explained,
            }
        };
        self.stages.iter().map(time).collect()
    }
}
