//! A handle to a spawned task: wait for its result, or drop it and it is cancelled.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{AbortHandle, abortable};

/// A running task. Await it for its result; dropping it cancels it, [`Task::detach`] lets it go on.
///
/// (async-std detaches on drop, smol cancels; cancelling leaves nothing running behind one's back.)
#[derive(Debug)]
pub struct Task<T> {
    result: oneshot::Receiver<Result<T, TaskFailed>>,
    abort: Option<AbortHandle>,
}

/// Why a task has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskFailed {
    /// It panicked, with this message.
    #[error("panicked: {0}")]
    Panicked(String),
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl<T> Task<T> {
    /// Lets the task run on without its handle.
    pub fn detach(mut self) {
        self.abort = None;
    }

    /// Cancels the task: it is dropped at the point where it waits next.
    pub fn cancel(&self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskFailed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.result
            .poll_unpin(cx)
            .map(|received| received.unwrap_or(Err(TaskFailed::Cancelled)))
    }
}

/// Splits `future` into the handle and what an executor runs.
pub(super) fn prepare<T, F>(future: F) -> (Task<T>, impl Future<Output = ()> + Send + 'static)
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (sender, result) = oneshot::channel();
    let (future, abort) = abortable(AssertUnwindSafe(future).catch_unwind());
    let body = async move {
        let outcome = match future.await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(panic)) => Err(TaskFailed::Panicked(panic_message(&*panic))),
            Err(_aborted) => Err(TaskFailed::Cancelled),
        };
        // Nobody waits any more: the result is not missed.
        let _ = sender.send(outcome);
    };
    (
        Task {
            result,
            abort: Some(abort),
        },
        body,
    )
}

/// The text of a caught panic.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}
