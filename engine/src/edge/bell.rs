//! The doorbell of a task.

use std::task::Waker;

use futures::task::AtomicWaker;

/// Wakes one task, whoever rings. The task registers, looks at its channels once more, and sleeps.
#[derive(Debug, Default)]
pub(crate) struct Bell(AtomicWaker);

impl Bell {
    /// From now on a ring wakes `waker`.
    pub(crate) fn register(&self, waker: &Waker) {
        self.0.register(waker);
    }

    /// Wakes the task, if it registered.
    pub(crate) fn ring(&self) {
        self.0.wake();
    }
}
