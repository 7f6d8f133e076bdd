//! How a thread of librdkafka's is woken: by messages, by events, by its reader.

use std::sync::OnceLock;
use std::thread::{self, Thread};
use std::time::Duration;

/// One thread waits, anyone rings. A ring before the wait is not lost, nor is one before the thread runs:
/// it looks around before it waits for the first time.
#[derive(Debug, Default)]
pub(super) struct Bell(OnceLock<Thread>);

impl Bell {
    /// From now on the calling thread is the one that is woken.
    pub(super) fn answer_here(&self) {
        // A bell has one thread for life: a second call would be a no-op.
        let _ = self.0.set(thread::current());
    }

    /// Wakes the thread, or spares it its next wait.
    pub(super) fn ring(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }

    /// Waits for a ring, at most so long. May return early: the caller looks around anyway.
    pub(super) fn wait(&self, at_most: Duration) {
        thread::park_timeout(at_most);
    }
}
