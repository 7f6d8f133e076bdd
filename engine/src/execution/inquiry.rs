//! Asks the tasks of a running flow how far event time has come, and finds who holds it back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::join_all;

use crate::edge::{InputTime, Sender};
use crate::metrics::Metrics;
use crate::plan::{Plan, Role};
use crate::runtime;
use crate::task::alignment::Held;
use crate::task::questions::{Blocked, Question, StageTime, TaskTime};
use crate::time::{Frontier, Timestamp};
use crate::why::{
    Answer, Because, Holder, PartitionTime, Paused, Place, ReplicaTime, Until, Wait, Why,
};

/// How long the answers are waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whom to ask, and how they hang together.
#[derive(Debug)]
pub(super) struct Inquiry {
    plan: Arc<Plan>,
    tasks: Vec<Asked>,
    /// The task and stage of each replica of a vertex.
    places: BTreeMap<(usize, usize), (usize, usize)>,
}

/// One task, as who asks it knows it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) questions: Sender<Question>,
    /// Its vertices.
    pub(super) chain: Vec<usize>,
    pub(super) replica: usize,
    /// Vertex and replica of who sends on each of its channels.
    pub(super) senders: Vec<(usize, usize)>,
    /// Its number among sources that keep together in time.
    pub(super) aligned: Option<usize>,
}

/// What came of a question.
enum Answered {
    Told(TaskTime),
    /// The task is gone.
    Ended,
    /// It said nothing in time.
    Missing,
}

impl Inquiry {
    pub(super) fn new(plan: Arc<Plan>, tasks: Vec<Asked>) -> Self {
        let mut places = BTreeMap::new();
        for (task, asked) in tasks.iter().enumerate() {
            for (stage, &vertex) in asked.chain.iter().enumerate() {
                places.insert((vertex, asked.replica), (task, stage));
            }
        }
        Inquiry {
            plan,
            tasks,
            places,
        }
    }

    /// Asks all tasks.
    pub(super) async fn ask(&self, metrics: &Metrics) -> Why {
        let answers = join_all(self.tasks.iter().map(Asked::ask)).await;
        let known = Known {
            inquiry: self,
            answers,
        };
        let replicas = self.places.keys();
        Why {
            flow: self.plan.name.clone(),
            asked_at: runtime::wall(),
            replicas: replicas
                .map(|&(vertex, replica)| known.replica(vertex, replica, metrics))
                .collect(),
        }
    }

    fn place(&self, vertex: usize, replica: usize) -> Place {
        let vertex = self.plan.vertices[vertex].name.to_string();
        Place { vertex, replica }
    }

    /// What waits at a vertex; an input it waits for by the names of those it comes from.
    fn named(&self, vertex: usize, wait: &Wait) -> Wait {
        let mut wait = wait.clone();
        if let Until::InputEnd { input, from } = &mut wait.until {
            let edges = self.plan.edges.iter();
            let of_input = edges.filter(|edge| (edge.to, edge.input) == (vertex, *input));
            *from = of_input
                .map(|edge| self.plan.vertices[edge.from].name.to_string())
                .collect();
        }
        wait
    }
}

impl Asked {
    async fn ask(&self) -> Answered {
        let (question, answer) = oneshot::channel();
        let asked = async {
            // With many who ask at once there may be no room yet.
            self.questions.send(question).await.ok()?;
            answer.await.ok()
        };
        match runtime::timeout(PATIENCE, asked).await {
            Some(Some(time)) => Answered::Told(time),
            Some(None) => Answered::Ended,
            None => Answered::Missing,
        }
    }
}

/// All answers.
struct Known<'a> {
    inquiry: &'a Inquiry,
    answers: Vec<Answered>,
}

impl Known<'_> {
    fn replica(&self, vertex: usize, replica: usize, metrics: &Metrics) -> ReplicaTime {
        let Place { vertex: name, .. } = self.inquiry.place(vertex, replica);
        let noted = metrics.watermark(&name, replica);
        let mut time = ReplicaTime {
            vertex: name,
            replica,
            answer: Answer::Given,
            watermark: noted,
            waits: Vec::new(),
            partitions: Vec::new(),
            paused: None,
            blocked_on: None,
            held_by: None,
        };
        let (task, stage) = self.inquiry.places[&(vertex, replica)];
        match &self.answers[task] {
            Answered::Missing => time.answer = Answer::Missing,
            Answered::Ended => time.answer = Answer::Ended,
            Answered::Told(told) if told.has_ended => time.answer = Answer::Ended,
            Answered::Told(told) => {
                if let Some(blocked) = told.blocked {
                    time.answer = Answer::Blocked;
                    time.blocked_on = match blocked {
                        Blocked::Room { vertex, replica } => {
                            Some(self.inquiry.place(vertex, replica))
                        }
                        Blocked::Outside => None,
                    };
                }
                if let Some(stage) = told.stages.get(stage) {
                    let waits = stage.explained.waits.iter();
                    time.waits = waits.map(|wait| self.inquiry.named(vertex, wait)).collect();
                    time.partitions.clone_from(&stage.explained.partitions);
                    // As of the answer; an idle input has none to tell.
                    let stands_at = match time.partitions.is_empty() {
                        true => stage.input,
                        false => stage.promise,
                    };
                    let stands_at = stands_at.watermark().map(|watermark| watermark.time);
                    time.watermark = stands_at.or(noted);
                }
                if stage == 0 {
                    time.paused = told.held.and_then(|held| self.paused(held));
                }
                time.held_by = match time.partitions.is_empty() {
                    true => self.holder_of_input(vertex, replica),
                    false => Some(self.holder_of_promise(vertex, replica)),
                };
            }
        }
        time
    }

    /// Who holds back what comes into a replica of a vertex; nobody, if that is a source.
    fn holder_of_input(&self, vertex: usize, replica: usize) -> Option<Holder> {
        let plan = &self.inquiry.plan;
        if matches!(plan.vertices[vertex].role, Role::Source { .. }) {
            return None;
        }
        let (task, _) = self.inquiry.places[&(vertex, replica)];
        let local = plan
            .edges
            .iter()
            .find(|edge| edge.to == vertex && edge.is_local);
        if let Some(edge) = local {
            return Some(self.holder_of_promise(edge.from, replica));
        }
        let Answered::Told(told) = &self.answers[task] else {
            return Some(self.holder(vertex, replica, Because::NoAnswer));
        };
        let senders = self.inquiry.tasks[task].senders.iter();
        let live = senders
            .zip(&told.inputs)
            .filter_map(|(sender, input)| match input {
                InputTime::Live(Frontier::Unknown) => Some((None, sender)),
                InputTime::Live(Frontier::At(watermark)) => Some((Some(watermark.time), sender)),
                InputTime::Live(Frontier::Idle) | InputTime::Ended => None,
            });
        match live.min_by_key(|(time, _)| *time) {
            Some((time, &from)) => Some(
                self.backpressure(task, time, from)
                    .unwrap_or_else(|| self.holder_of_promise(from.0, from.1)),
            ),
            None => Some(self.holder(vertex, replica, Because::Idle)),
        }
    }

    /// If more was promised to this task than the time it has come to, and did not get through for want of room: at
    /// whose input there is none.
    fn backpressure(
        &self,
        task: usize,
        time: Option<Timestamp>,
        from: (usize, usize),
    ) -> Option<Holder> {
        let (sender, stage) = self.inquiry.places[&from];
        let Answered::Told(told) = &self.answers[sender] else {
            return None;
        };
        let promise = told.stages.get(stage)?.promise.watermark()?;
        if Some(promise.time) <= time {
            return None;
        }
        let mut tasks = [task, sender].into_iter();
        let first = tasks.find(|task| self.blocked(*task).is_some())?;
        Some(self.no_room_behind(first))
    }

    /// Whose room is missing in the end if a task waits for some.
    fn no_room_behind(&self, first: usize) -> Holder {
        let mut last = first;
        // There are no circles; but who is asked one after the other may seem to wait in one.
        for _ in &self.inquiry.tasks {
            match self.blocked(last) {
                Some(Blocked::Room { vertex, replica }) => {
                    last = self.inquiry.places[&(vertex, replica)].0;
                }
                Some(Blocked::Outside) | None => break,
            }
        }
        let Asked { chain, replica, .. } = &self.inquiry.tasks[last];
        self.holder(chain[0], *replica, Because::Backpressure)
    }

    fn blocked(&self, task: usize) -> Option<Blocked> {
        match &self.answers[task] {
            Answered::Told(told) => told.blocked,
            Answered::Ended | Answered::Missing => None,
        }
    }

    /// Who holds back what a replica of a vertex promises.
    fn holder_of_promise(&self, vertex: usize, replica: usize) -> Holder {
        let (task, stage) = self.inquiry.places[&(vertex, replica)];
        let Answered::Told(told) = &self.answers[task] else {
            return self.holder(vertex, replica, Because::NoAnswer);
        };
        let Some(stage) = told.stages.get(stage) else {
            return self.holder(vertex, replica, Because::NoAnswer);
        };
        if !stage.explained.partitions.is_empty() {
            let because = slowest(&stage.explained.partitions);
            return match is_kept_from_reading(told, &because) {
                true => self.no_room_behind(task),
                false => self.holder(vertex, replica, because),
            };
        }
        if stage.has_clock && stage.promise != Frontier::Idle {
            return self.holder(vertex, replica, Because::NoRecord);
        }
        if is_held_here(stage) {
            let first = stage.explained.waits.first();
            let wait = first.map(|wait| self.inquiry.named(vertex, wait));
            return self.holder(vertex, replica, Because::InFlight(wait));
        }
        self.holder_of_input(vertex, replica)
            .unwrap_or_else(|| self.holder(vertex, replica, Because::NoTime))
    }

    fn holder(&self, vertex: usize, replica: usize, because: Because) -> Holder {
        let Place { vertex, replica } = self.inquiry.place(vertex, replica);
        Holder {
            vertex,
            replica,
            because,
        }
    }

    fn paused(&self, held: Held) -> Option<Paused> {
        let mut tasks = self.inquiry.tasks.iter();
        let slowest = tasks.find(|task| task.aligned == Some(held.by))?;
        Some(Paused {
            behind: self.inquiry.place(slowest.chain[0], slowest.replica),
            ahead: held.ahead,
            allowed: held.allowed,
        })
    }
}

/// The partition that counts and has come least far.
fn slowest(partitions: &[PartitionTime]) -> Because {
    let live = partitions.iter().filter(|partition| !partition.is_idle);
    match live.min_by_key(|partition| partition.watermark) {
        Some(slowest) => Because::Partition(slowest.clone()),
        None => Because::Idle,
    }
}

/// Whether a partition may be behind only because its task could do no work, most of the time since it was last read.
fn is_kept_from_reading(told: &TaskTime, because: &Because) -> bool {
    let Because::Partition(PartitionTime { age, .. }) = because else {
        return false;
    };
    let is_blocked = told.blocked.is_some() && !told.blocked_for.is_zero();
    is_blocked && age.is_none_or(|age| told.blocked_for.saturating_mul(2) >= age)
}

/// Whether an operator promises less than it was promised.
fn is_held_here(stage: &StageTime) -> bool {
    let time = |frontier: Frontier| -> Option<Timestamp> { frontier.watermark().map(|at| at.time) };
    time(stage.promise) < time(stage.input)
}
