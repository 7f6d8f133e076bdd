//! What is asked of a running flow.

use std::sync::Arc;

use futures::channel::oneshot;

use crate::edge::Sender;
use crate::latency::{LatencyReport, Ledger};
use crate::metrics::{Metrics, VertexMetrics};
use crate::state::Snapshot;

/// What the supervisor is asked for.
#[derive(Debug)]
pub(super) enum Command {
    /// Read no more, finish what is there.
    Drain,
    /// Stop at once.
    Kill,
    /// Stop at a barrier and give the state.
    Snapshot(oneshot::Sender<Snapshot>),
}

/// Watches and stops a flow from elsewhere: another task, a signal, a test.
#[derive(Clone, Debug)]
pub struct ExecutionHandle {
    pub(super) commands: Arc<Sender<Command>>,
    pub(super) ledger: Ledger,
    pub(super) metrics: Arc<Metrics>,
}

impl ExecutionHandle {
    /// Stops gracefully: the sources read no more, what is under way is worked on to its end, windows that
    /// are open say what they have, and the report is written.
    pub fn stop(&self) {
        self.send(Command::Drain);
    }

    /// Stops at once: what is under way is lost.
    pub fn kill(&self) {
        self.send(Command::Kill);
    }

    /// The latencies so far.
    pub fn latency(&self) -> LatencyReport {
        self.ledger.report()
    }

    /// The counters so far, a row for each vertex.
    pub fn metrics(&self) -> Vec<VertexMetrics> {
        self.metrics.read()
    }

    pub(super) fn send(&self, command: Command) {
        // No room means that the flow has ended, or is being stopped many times over.
        let _ = self.commands.try_send(command);
    }
}
