//! SIGINT and SIGTERM.

use futures::StreamExt;

use super::ExecutionHandle;
use crate::runtime;

/// The first signal stops the flow gracefully, the second at once.
pub(super) async fn obey(handle: ExecutionHandle) {
    let Some(mut signals) = runtime::stop_signals() else {
        return;
    };
    if signals.next().await.is_some() {
        tracing::info!("stopping: finishing what is under way (once more to stop at once)");
        handle.stop();
    }
    if signals.next().await.is_some() {
        handle.kill();
    }
}
