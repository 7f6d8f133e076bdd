//! How far the reading of bounded files has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A live view of how much of its files a source has read. Clones show the same.
///
/// ```
/// use millstream_connectors::File;
/// use millstream_connectors::file::Progress;
///
/// let progress = Progress::new();
/// let files = File::open("logs").with_progress(progress.clone());
/// # let _ = files;
/// assert_eq!((progress.read(), progress.total()), (0, 0)); // not opened yet
/// ```
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    read: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// Nothing read, nothing to read.
    pub fn new() -> Self {
        Progress::default()
    }

    /// Bytes read so far, as they are on disk (compressed).
    pub fn read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// Bytes of all files, as they were when the source was opened; 0 before.
    pub fn total(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    pub(super) fn add_read(&self, bytes: u64) {
        self.0.read.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_total(&self, bytes: u64) {
        self.0.total.fetch_add(bytes, Ordering::Relaxed);
    }
}
