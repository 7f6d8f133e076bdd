//! What tasks and the supervisor say to each other.

use std::sync::Arc;

use crate::edge::{Barrier, Closed};
use crate::error::Error;
use crate::state::VertexState;

/// A task's number in its execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskId(pub(crate) usize);

/// What the supervisor tells a source task.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Control {
    /// Cut here.
    Barrier(Barrier),
    /// Read no more; let everybody finish what is there.
    Drain,
    /// The epoch is committed.
    Committed(u64),
    /// All others have finished: finish too. The last positions are committed if the sinks have all they cover.
    Finish { commit: bool },
}

/// What a task tells the supervisor.
#[derive(Debug)]
pub(crate) enum Told {
    /// It has come to the barrier of this epoch; this is the state of its vertices.
    Epoch {
        task: TaskId,
        epoch: u64,
        states: Vec<(Arc<str>, VertexState)>,
    },
    /// A source has nothing more to read, and waits for the others.
    Ended { task: TaskId },
    /// It has ended, well or not.
    Done {
        task: TaskId,
        outcome: Result<(), Stop>,
    },
    /// The reader of a sink has gone: nobody wants results any more.
    NobodyListens,
}

/// Why a task stops before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed.
    Failed(Error),
    /// Another task that it depends on is gone, and tells why itself.
    Orphaned,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Stop {
        Stop::Orphaned
    }
}
