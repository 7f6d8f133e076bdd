//! Why event time is where it is: what a running flow answers when it is asked.
//!
//! [`ExecutionHandle::why`](crate::execution::ExecutionHandle::why) asks every task. Each answers between two pieces of
//! work, or while it waits for room, what its operators [explain](crate::operator::Operator::explain) and how far its inputs have come; who does not
//! answer in time is named as well. From the answers [`Why`] says, for every vertex, who holds its watermark back.

mod explanation;
mod text;

pub use explanation::Explanation;

use std::time::Duration;

use serde::Serialize;

use crate::time::Timestamp;

/// A look at event time in a running flow. As text it tells who waits, for what, and who holds it back.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Why {
    /// The flow's name.
    pub flow: String,
    /// When it was asked, by the wall clock.
    pub asked_at: Timestamp,
    /// Every replica of every vertex, in the plan's order.
    pub replicas: Vec<ReplicaTime>,
}

/// Event time at one replica of a vertex.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReplicaTime {
    /// The vertex's name.
    pub vertex: String,
    /// Which of its replicas.
    pub replica: usize,
    /// Whether its task answered.
    pub answer: Answer,
    /// How far event time has come at its inputs; for a vertex that makes time, at its output.
    pub watermark: Option<Timestamp>,
    /// What has not spoken yet, the next first.
    pub waits: Vec<Wait>,
    /// The partitions it makes time of.
    pub partitions: Vec<PartitionTime>,
    /// A source: whom it waits for, if it is paused because it is too far ahead in event time.
    pub paused_for: Option<Place>,
    /// Who holds its watermark back: the one that must get on before it can.
    pub held_by: Option<Holder>,
}

/// Whether a task answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Answer {
    /// It did.
    Given,
    /// It did, though it can do no work now: it waits for room at its output or, a sink, for the outside.
    Blocked,
    /// It has come to its end.
    Ended,
    /// Not in time: user code in it works on, or blocks. (Its watermark is the last that was noted.)
    Missing,
}

/// Something that has not spoken yet because event time has not come so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Wait {
    /// What waits, in words.
    pub what: String,
    /// The watermark it waits for.
    pub until: Timestamp,
}

/// How far event time has come on a partition of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PartitionTime {
    /// The partition's name; `#0` if the source gives it none.
    pub name: String,
    /// The watermark it stands for; `None`: none yet.
    pub watermark: Option<Timestamp>,
    /// The time of its latest record, since the flow was started.
    pub last_record: Option<Timestamp>,
    /// How long ago its last record arrived.
    pub age: Option<Duration>,
    /// Whether it is idle, so that nobody waits for it.
    pub is_idle: bool,
}

/// A replica of a vertex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Place {
    /// The vertex's name.
    pub vertex: String,
    /// Which of its replicas.
    pub replica: usize,
}

/// Who holds a watermark back, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Holder {
    /// The vertex's name.
    pub vertex: String,
    /// Which of its replicas.
    pub replica: usize,
    /// By what.
    pub because: Because,
}

/// By what a watermark is held back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Because {
    /// This partition has come no further.
    Partition(PartitionTime),
    /// Records are in flight here that the watermark must not overtake.
    InFlight,
    /// Nothing comes in here: all its partitions, or inputs, are idle or have ended.
    Idle,
    /// It makes no event time.
    NoTime,
    /// It did not answer.
    NoAnswer,
}

impl Why {
    /// What was told of a vertex: one for each of its replicas.
    pub fn vertex(&self, name: &str) -> impl Iterator<Item = &ReplicaTime> {
        self.replicas
            .iter()
            .filter(move |replica| replica.vertex == name)
    }

    /// The replicas at which something waits for event time.
    pub fn waiting(&self) -> impl Iterator<Item = &ReplicaTime> {
        self.replicas
            .iter()
            .filter(|replica| !replica.waits.is_empty())
    }

    /// The sources that are paused because they are too far ahead in event time.
    pub fn paused(&self) -> impl Iterator<Item = &ReplicaTime> {
        self.replicas
            .iter()
            .filter(|replica| replica.paused_for.is_some())
    }

    /// The replicas that did not answer.
    pub fn missing(&self) -> impl Iterator<Item = &ReplicaTime> {
        self.replicas
            .iter()
            .filter(|replica| replica.answer == Answer::Missing)
    }
}
