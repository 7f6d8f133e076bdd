//! A running flow: started, watched, stopped.

mod assembly;
mod channels;
mod commands;
mod inquiry;
mod opening;
mod report;
mod settings;
mod signals;
mod supervisor;
#[cfg(test)]
mod tests;
mod wiring;

pub use commands::ExecutionHandle;
pub use report::{Ended, Report};
pub use settings::Settings;

use std::future::Future;
use std::sync::Arc;

use futures::channel::oneshot;

use crate::error::{Error, Result};
use crate::latency::LatencyReport;
use crate::metrics::VertexMetrics;
use crate::plan::{Graph, Plan};
use crate::runtime::{self, Task};
use crate::state::Snapshot;
use crate::why::Why;
use commands::Command;

/// A running flow. Dropping it cancels all its tasks.
#[derive(Debug)]
pub struct Execution {
    handle: ExecutionHandle,
    plan: Arc<Plan>,
    supervisor: Task<Result<Report>>,
}

impl Execution {
    /// Starts a graph: opens its sources and sinks, then spawns its tasks.
    ///
    /// With a snapshot, sources and state go on from there.
    ///
    /// # Errors
    /// Mistakes in the graph, a connector that cannot be opened, a snapshot that does not fit.
    pub async fn start(
        name: &str,
        graph: Graph,
        settings: Settings,
        restored: Option<&Snapshot>,
    ) -> Result<Execution> {
        wiring::start(name, graph, settings, restored).await
    }

    /// Waits for the end: of the sources, or after [`stop`](ExecutionHandle::stop).
    ///
    /// # Errors
    /// What the first failing task failed of, with its vertex and replica.
    pub async fn join(self) -> Result<Report> {
        let Execution { supervisor, .. } = self;
        supervisor.await.unwrap_or_else(|failed| {
            Err(Error::internal(format!(
                "the supervisor of the flow {failed}"
            )))
        })
    }

    /// Like [`join`](Execution::join); meanwhile SIGINT or SIGTERM stops the flow gracefully, and a second one
    /// at once.
    pub async fn join_or_signal(self) -> Result<Report> {
        let handle = self.handle();
        let _listening = runtime::spawn(async move { signals::obey(handle).await });
        self.join().await
    }

    /// Stops at a barrier: nothing is flushed out of windows; the snapshot holds all that is under way.
    ///
    /// A barrier, be it of a snapshot or of a commit of positions, waits for what is in flight before it: for asynchronous
    /// calls, with all their retries and the pauses between them, and for what throttles and delays hold back whose
    /// source has ended. Meanwhile what is behind them waits too. (What is held back before the source has ended is saved,
    /// not waited for.)
    ///
    /// # Errors
    /// As [`join`](Execution::join), and if the flow came to its end before the barrier did.
    pub async fn stop_with_snapshot(self) -> Result<(Snapshot, Report)> {
        let (reply, snapshot) = oneshot::channel();
        self.handle.send(Command::Snapshot(reply));
        let report = self.join().await?;
        let snapshot = snapshot.await.map_err(|_| {
            Error::state("there is no snapshot: the flow had ended before it was asked for one")
        })?;
        Ok((snapshot, report))
    }

    /// A handle that watches and stops it from elsewhere.
    pub fn handle(&self) -> ExecutionHandle {
        self.handle.clone()
    }

    /// Stops gracefully; see [`ExecutionHandle::stop`].
    pub fn stop(&self) {
        self.handle.stop();
    }

    /// Stops at once; see [`ExecutionHandle::kill`]. ([`join`](Execution::join) gives the report.)
    pub fn kill(&self) {
        self.handle.kill();
    }

    /// What runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The latencies so far.
    pub fn latency(&self) -> LatencyReport {
        self.handle.latency()
    }

    /// Why event time is where it is; see [`ExecutionHandle::why`].
    pub fn why(&self) -> impl Future<Output = Why> + Send + use<> {
        let handle = self.handle();
        async move { handle.why().await }
    }

    /// The counters so far, a row for each vertex.
    pub fn metrics(&self) -> Vec<VertexMetrics> {
        self.handle.metrics()
    }
}
