//! The supervisor of a running flow: hears from its tasks, closes epochs, ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use futures::channel::oneshot;

use super::commands::Command;
use super::report::{Ended, Report};
use crate::edge::{Barrier, Bell, Purpose, Received, Receiver, Sender};
use crate::error::{Error, Result};
use crate::latency::Ledger;
use crate::metrics::Metrics;
use crate::runtime::{self, Instant, Task};
use crate::source::EpochRequests;
use crate::state::{Snapshot, VertexState};
use crate::task::{Control, Stop, TaskId, Told};

/// How long cancelled tasks are waited for.
const CANCEL_PATIENCE: Duration = Duration::from_secs(2);

/// Watches the tasks of one flow.
///
/// 1. The first failure stops everything and is the flow's result. A task that only lost its neighbour
///    waits for that one's own word.
/// 2. One epoch is open at a time. It is committed when every living task has come to its barrier.
/// 3. The sources finish last: only when all others have ended well are their last positions good.
pub(super) struct Supervisor {
    pub(super) name: String,
    /// All tasks; dropping one cancels it.
    pub(super) tasks: Vec<Task<()>>,
    pub(super) sources: BTreeMap<TaskId, Sender<Control>>,
    pub(super) told: Receiver<Told>,
    pub(super) commands: Receiver<Command>,
    pub(super) requests: Arc<EpochRequests>,
    /// Rung by tasks, commands and requests for an epoch.
    pub(super) bell: Arc<Bell>,
    pub(super) shards: u32,
    /// How often positions are committed; `None` if no source keeps them outside.
    pub(super) commit_interval: Option<Duration>,
    pub(super) ledger: Ledger,
    pub(super) metrics: Arc<Metrics>,
    pub(super) progress: Progress,
}

/// How far the flow has come.
pub(super) struct Progress {
    living: BTreeSet<TaskId>,
    /// Sources that have nothing more to read.
    ended_sources: BTreeSet<TaskId>,
    orphans: usize,
    /// A sink's reader has gone: what came to it since is covered by no commit.
    deaf: bool,
    last_epoch: u64,
    open: Option<OpenEpoch>,
    ended: Ended,
    finishing: bool,
    snapshot: Option<oneshot::Sender<Snapshot>>,
    started: Instant,
}

/// An epoch whose barrier is on its way.
struct OpenEpoch {
    barrier: Barrier,
    waiting: BTreeSet<TaskId>,
    states: BTreeMap<String, VertexState>,
}

impl Progress {
    pub(super) fn new(tasks: usize, last_epoch: u64) -> Self {
        Progress {
            living: (0..tasks).map(TaskId).collect(),
            ended_sources: BTreeSet::new(),
            orphans: 0,
            deaf: false,
            last_epoch,
            open: None,
            ended: Ended::Finished,
            finishing: false,
            snapshot: None,
            started: runtime::now(),
        }
    }
}

/// Why the supervisor woke.
enum Woken {
    Rung,
    Interval,
}

impl Supervisor {
    /// Runs until all tasks have ended, or the first has failed.
    pub(super) async fn run(mut self) -> Result<Report> {
        let outcome = self.watch().await;
        self.cancel_tasks().await;
        self.ledger.finish();
        outcome?;
        Ok(Report {
            name: mem::take(&mut self.name),
            ended: self.progress.ended,
            elapsed: runtime::now() - self.progress.started,
            vertices: self.metrics.read(),
            latency: self.ledger.report(),
        })
    }

    /// Cancels what still runs and waits until it is gone, so that files and ports are free again and nothing
    /// moves while the report is written. User code that blocks is not waited for beyond a bound.
    async fn cancel_tasks(&mut self) {
        let tasks = mem::take(&mut self.tasks);
        tasks.iter().for_each(Task::cancel);
        let gone = runtime::timeout(CANCEL_PATIENCE, futures::future::join_all(tasks));
        if gone.await.is_none() {
            tracing::warn!(
                flow = self.name,
                "a task does not stop: user code in it blocks"
            );
        }
    }

    async fn watch(&mut self) -> Result<()> {
        let mut next_commit = self.next_commit();
        loop {
            while let Received::Message(told) = self.told.try_recv() {
                self.hear(told).await?;
            }
            while let Received::Message(command) = self.commands.try_recv() {
                match command {
                    Command::Kill => {
                        self.progress.ended = Ended::Killed;
                        return Ok(());
                    }
                    Command::Drain => self.drain().await,
                    Command::Snapshot(reply) => self.progress.snapshot = Some(reply),
                }
            }
            if self.progress.living.is_empty() {
                return self.all_ended();
            }
            self.open_epoch_if_due().await;
            if let Woken::Interval = self.sleep(next_commit).await {
                self.requests.pending.store(true, Ordering::Release);
                next_commit = self.next_commit();
            }
        }
    }

    async fn sleep(&self, until: Option<Instant>) -> Woken {
        let idle = until.map(|until| until - runtime::now());
        let mut timer = pin!(runtime::sleep_for(idle));
        poll_fn(|cx| {
            self.bell.register(cx.waker());
            let asked = self.requests.pending.load(Ordering::Acquire) && self.may_open_epoch();
            if asked || self.told.is_ready() || self.commands.has_message() {
                return Poll::Ready(Woken::Rung);
            }
            timer.as_mut().poll(cx).map(|()| Woken::Interval)
        })
        .await
    }

    async fn hear(&mut self, told: Told) -> Result<()> {
        match told {
            Told::Epoch {
                task,
                epoch,
                states,
            } => {
                if let Some(open) = &mut self.progress.open
                    && open.barrier.epoch == epoch
                {
                    for (vertex, state) in states {
                        open.add(&vertex, state);
                    }
                }
                self.passed_barrier(task).await;
            }
            Told::NobodyListens => {
                self.progress.deaf = true;
                self.drain().await;
            }
            Told::Ended { task } => {
                self.progress.ended_sources.insert(task);
                self.finish_sources().await;
            }
            Told::Done { task, outcome } => {
                match outcome {
                    Ok(()) => {}
                    Err(Stop::Failed(error)) => return Err(error),
                    Err(Stop::Orphaned) => self.progress.orphans += 1,
                }
                self.progress.living.remove(&task);
                self.sources.remove(&task);
                self.passed_barrier(task).await;
                self.finish_sources().await;
            }
        }
        Ok(())
    }

    /// All have ended without a failure of their own.
    fn all_ended(&mut self) -> Result<()> {
        if self.progress.orphans > 0 {
            return Err(Error::internal(
                "a task lost its neighbour, and no task said that it had failed",
            ));
        }
        Ok(())
    }

    /// When only sources are left, and none of them reads any more, they commit their last positions and
    /// finish.
    async fn finish_sources(&mut self) {
        let Progress {
            living,
            ended_sources,
            ..
        } = &self.progress;
        if !living.is_subset(ended_sources) || self.progress.orphans > 0 {
            return;
        }
        if !mem::replace(&mut self.progress.finishing, true) {
            let commit = !self.progress.deaf;
            self.tell_sources(Control::Finish { commit }).await;
        }
    }

    async fn drain(&mut self) {
        if self.progress.ended == Ended::Finished {
            self.progress.ended = Ended::Stopped;
            self.tell_sources(Control::Drain).await;
        }
    }

    async fn open_epoch_if_due(&mut self) {
        if !self.may_open_epoch() {
            return;
        }
        let asked = self.requests.pending.swap(false, Ordering::AcqRel);
        let purpose = if self.progress.snapshot.is_some() && self.progress.ended == Ended::Finished
        {
            self.progress.ended = Ended::Stopped;
            Purpose::Stop
        } else if asked {
            Purpose::Commit
        } else {
            return;
        };
        self.progress.last_epoch += 1;
        let barrier = Barrier {
            epoch: self.progress.last_epoch,
            purpose,
        };
        self.progress.open = Some(OpenEpoch {
            barrier,
            waiting: self.progress.living.clone(),
            states: BTreeMap::new(),
        });
        self.tell_sources(Control::Barrier(barrier)).await;
    }

    fn may_open_epoch(&self) -> bool {
        self.progress.open.is_none() && !self.progress.finishing
    }

    fn next_commit(&self) -> Option<Instant> {
        self.commit_interval
            .map(|interval| runtime::now() + interval)
    }

    async fn passed_barrier(&mut self, task: TaskId) {
        let Some(open) = &mut self.progress.open else {
            return;
        };
        open.waiting.remove(&task);
        if !open.waiting.is_empty() {
            return;
        }
        let Some(OpenEpoch {
            barrier, states, ..
        }) = self.progress.open.take()
        else {
            return;
        };
        if !self.progress.deaf {
            self.tell_sources(Control::Committed(barrier.epoch)).await;
        }
        if barrier.purpose == Purpose::Stop
            && let Some(reply) = self.progress.snapshot.take()
        {
            let snapshot = Snapshot {
                epoch: barrier.epoch,
                shards: self.shards,
                vertices: states,
            };
            // Nobody waits for it any more: then it is not missed.
            let _ = reply.send(snapshot);
        }
        self.finish_sources().await;
    }

    async fn tell_sources(&self, control: Control) {
        for source in self.sources.values() {
            // One that is gone has told, or will.
            let _ = source.send(control).await;
        }
    }
}

impl OpenEpoch {
    fn add(&mut self, vertex: &str, state: VertexState) {
        match self.states.get_mut(vertex) {
            Some(merged) => merged.merge(state),
            None => {
                self.states.insert(vertex.to_owned(), state);
            }
        }
    }
}
