//! Why event time is where it is: what a running flow answers when it is asked.
//!
//! [`ExecutionHandle::why`](crate::execution::ExecutionHandle::why) asks every task. Each answers between two pieces of
//! work, or while it waits for room, what its operators [explain](crate::operator::Operator::explain) and how far its
//! inputs have come; who does not answer in time is named as well. From the answers [`Why`] says, for every vertex, who
//! holds its watermark back.
//!
//! # The vocabulary
//!
//! Whatever waits is told as one sentence, a [`Wait`], of the same few words everywhere:
//!
//! ```text
//! the window from 12:00 to 12:01, the first of 3, waits for the watermark 12:01
//! └ what ───────────────────────┘ └ of ────────┘           └ until ───────────┘
//! ```
//!
//! 1. **What** is a noun in the singular, with the times that name it: of several the one that is the next. "the window
//!    from … to …", "an early pane of the window from … to …", "the timer of a key", "the call for the record of …",
//!    "the record of …".
//! 2. **Of** is how many of the kind wait. A count that would have to be counted is left out, or is at most so many.
//! 3. **Until** is one of [`Until`]: a watermark, a time of the wall clock, more records, an answer, the end of an
//!    input. It has not come yet: a watermark that is told is later than the last one the operator was given.
//! 4. **Age** is how long it has waited, for what waits for the outside.
//! 5. What is only forgotten when its time comes (state that expires) does not wait: nobody misses it.
//! 6. An operator that promises less than it was promised tells first what keeps it from promising more.

mod explanation;
mod text;
mod wait;

pub use explanation::Explanation;
pub use wait::{Until, Wait};

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
    /// A source that is paused because it is too far ahead in event time: of whom, and how far.
    pub paused: Option<Paused>,
    /// If it is [blocked](Answer::Blocked) for want of room: the replica that has none, at the other end of the edge.
    pub blocked_on: Option<Place>,
    /// Who holds its watermark back: the one that must get on before it can.
    pub held_by: Option<Holder>,
}

/// Whether a task answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Answer {
    /// It did.
    Given,
    /// It did, though it can do no work now: it waits for room behind it or, a sink, for the outside.
    Blocked,
    /// It has come to its end.
    Ended,
    /// Not in time: user code in it works on, or blocks. (Its watermark is the last that was noted.)
    Missing,
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

/// How far a source is ahead of another, for which it is paused; see `Flow::with_alignment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Paused {
    /// The source that is furthest behind.
    pub behind: Place,
    /// How far ahead of it this one is, in event time; `None` while that one has no watermark.
    pub ahead: Option<Duration>,
    /// How far it may be.
    pub allowed: Duration,
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
    /// Records are in flight here that the watermark must not overtake; the one it waits for, if the operator tells.
    InFlight(Option<Wait>),
    /// What has come in here finds no room: it waits for room behind it or, a sink, for the outside.
    Backpressure,
    /// Nothing comes in here: all its partitions, or inputs, are idle or have ended.
    Idle,
    /// It makes event time, and has had no record yet.
    NoRecord,
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

    /// The replicas at which something waits: for a watermark, or for something else.
    pub fn waiting(&self) -> impl Iterator<Item = &ReplicaTime> {
        self.replicas
            .iter()
            .filter(|replica| !replica.waits.is_empty())
    }

    /// The sources that are paused because they are too far ahead in event time.
    pub fn paused(&self) -> impl Iterator<Item = &ReplicaTime> {
        self.replicas
            .iter()
            .filter(|replica| replica.paused.is_some())
    }

    /// The replicas that did not answer.
    pub fn missing(&self) -> impl Iterator<Item = &ReplicaTime> {
        self.replicas
            .iter()
            .filter(|replica| replica.answer == Answer::Missing)
    }
}
