//! From plan to running tasks: stages, tasks, and the supervisor over them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;

use super::assembly::{Assembled, Assembly, TaskBody, Vertex};
use super::channels::Channels;
use super::commands::ExecutionHandle;
use super::inquiry::Inquiry;
use super::opening::Opener;
use super::supervisor::{Progress, Supervisor};
use super::{Execution, Settings};
use crate::edge::{Bell, Sender, channel};
use crate::error::{Error, Result};
use crate::latency::Ledger;
use crate::metrics::Metrics;
use crate::plan::{Graph, Plan};
use crate::runtime::{self, Task, panic_message};
use crate::source::{EpochRequest, EpochRequests};
use crate::state::Snapshot;
use crate::task::{Stop, TaskId, Told};

/// Messages the supervisor's channels hold: enough that nobody waits in ordinary times.
const SUPERVISOR_MESSAGES: usize = 64;

/// Starts a graph; see [`Execution::start`].
pub(super) async fn start(
    name: &str,
    mut graph: Graph,
    settings: Settings,
    restored: Option<&Snapshot>,
) -> Result<Execution> {
    settings.check()?;
    let plan = Arc::new(Plan::of(&mut graph, name, settings.parallelism)?);
    plan.check_shards(settings.shards)?;
    if let Some(snapshot) = restored {
        plan.check_snapshot(snapshot, settings.shards)?;
    }
    for cost in plan.crash_cost() {
        tracing::info!(flow = name, "if the process crashes: {cost}");
    }
    let ledger = Ledger::new(settings.latency.clone());
    let bell = Arc::new(Bell::default());
    let requests = Arc::new(EpochRequests {
        pending: false.into(),
        bell: bell.clone(),
    });
    let commits = graph.commits();
    let mut metrics = Metrics::default();
    let mut opener = Opener {
        plan: &plan,
        ledger: &ledger,
        metrics: &mut metrics,
        epochs: EpochRequest(Some(requests.clone())),
        restored,
    };
    let mut vertices = Vec::new();
    for (index, vertex) in graph.vertices.into_iter().enumerate() {
        let (opened, counters) = opener.open(index, vertex.body).await?;
        vertices.push(Vertex {
            opened,
            counters,
            ports: vertex.ports,
            timed: vertex.timed,
        });
    }

    let (told_sender, told) = channel(SUPERVISOR_MESSAGES, &bell);
    let (commands_sender, commands) = channel(SUPERVISOR_MESSAGES, &bell);
    let assembly = Assembly {
        channels: Channels::of(&plan, settings.channel_batches),
        plan: &plan,
        settings: &settings,
        restored,
        ledger: &ledger,
        told: &told_sender,
    };
    let Assembled {
        bodies,
        sources,
        asked,
    } = assembly.tasks(vertices)?;
    let tasks: Vec<_> = bodies
        .into_iter()
        .enumerate()
        .map(|(index, body)| spawn(TaskId(index), body, told_sender.clone()))
        .collect();

    let metrics = Arc::new(metrics);
    let supervisor = Supervisor {
        name: name.to_owned(),
        progress: Progress::new(tasks.len(), restored.map_or(0, |snapshot| snapshot.epoch)),
        tasks,
        sources,
        told,
        commands,
        requests,
        bell,
        shards: settings.shards,
        commit_interval: commits.then_some(settings.commit_interval),
        ledger: ledger.clone(),
        metrics: metrics.clone(),
    };
    let handle = ExecutionHandle {
        commands: Arc::new(commands_sender),
        ledger,
        metrics,
        inquiry: Arc::new(Inquiry::new(plan.clone(), asked)),
    };
    Ok(Execution {
        handle,
        plan,
        supervisor: runtime::spawn(supervisor.run()),
    })
}

/// Spawns a task that tells the supervisor how it ended, whatever happens in it.
fn spawn(id: TaskId, body: TaskBody, told: Sender<Told>) -> Task<()> {
    let TaskBody {
        vertex,
        replica,
        future,
    } = body;
    runtime::spawn(async move {
        let outcome = AssertUnwindSafe(future)
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| {
                let message = format!("panicked: {}", panic_message(&*panic));
                Err(Stop::Failed(Error::user(message).at(&vertex, replica)))
            });
        // The supervisor is gone only when all its tasks are cancelled.
        let _ = told.send(Told::Done { task: id, outcome }).await;
    })
}
