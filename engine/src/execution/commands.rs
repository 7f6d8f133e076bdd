//! What is asked of a running flow.

use std::sync::Arc;

use futures::channel::oneshot;

use super::inquiry::Inquiry;
use crate::edge::Sender;
use crate::latency::{LatencyReport, Ledger};
use crate::metrics::{Metrics, VertexMetrics};
use crate::state::Snapshot;
use crate::why::Why;

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
    pub(super) inquiry: Arc<Inquiry>,
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

    /// Why event time is where it is: what waits, for what, and which partition of which source holds it back; who is
    /// paused because it is ahead, and who waits for room at whose input. [`Why`] is data, and as text a few lines for
    /// everybody who waits:
    ///
    /// ```text
    /// event time in `trades` at 2020-01-01T00:00:50.5Z
    ///   `per-minute` (replica 0): stands at 1970-01-01T00:00:19Z
    ///     the window from 1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z, the first of 2, waits for the watermark 1970-01-01T00:01:00Z
    ///     held back by `tokyo.event_time` (replica 0): partition `#0` (last record of 1970-01-01T00:00:24Z, 50 s ago, not idle) stands at 1970-01-01T00:00:19Z
    /// ```
    ///
    /// (`Flow::start` has the program.) Every task is asked, and answers between two pieces of work; one that does not
    /// within a second is named in the answer. To be asked costs the flow next to nothing.
    pub async fn why(&self) -> Why {
        self.inquiry.ask(&self.metrics).await
    }

    pub(super) fn send(&self, command: Command) {
        // No room means that the flow has ended, or is being stopped many times over.
        let _ = self.commands.try_send(command);
    }
}
