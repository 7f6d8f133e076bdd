//! What to read, as the user sets it up.

use std::path::PathBuf;
use std::time::Duration;

use super::pattern::Pattern;
use super::{FileSource, FollowSource, Progress};
use crate::codec::{Decoder, Format, ReadFormat};
use crate::framing::{Framing, Lines};

/// Files to read from beginning to end; a format makes a source of them
/// (`.json()`, `.csv()`, `.lines()`, `.bytes()`, `.framed(…)`: [`ReadFormat`]).
///
/// However many readers there are, they take chunks of the files in order, file after file. Each
/// reader's records are in the order of the files, and the flow can be stopped and go on with
/// another number of readers. Bad records are placed by byte (of the unpacked text, in a gzip
/// file): `tail -c +N` finds them.
#[derive(Clone, Debug)]
pub struct OpenFiles {
    pub(super) pattern: Pattern,
    pub(super) progress: Progress,
    pub(super) chunk: usize,
    pub(super) max_inflation: u64,
}

impl OpenFiles {
    pub(super) fn new(path: PathBuf) -> Self {
        OpenFiles {
            pattern: Pattern::new(path),
            progress: Progress::new(),
            chunk: 1 << 20,
            max_inflation: 250,
        }
    }

    /// Shows in `progress` how much was read.
    #[must_use]
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Deals chunks of about this many bytes to the readers (default 1 MiB). More than a frame
    /// needs is of little use; a frame that needs more gets it.
    #[must_use]
    pub fn with_chunk(mut self, bytes: usize) -> Self {
        self.chunk = bytes.max(1);
        self
    }

    /// A gzip file that unpacks to more than `ratio` times its size is taken for an attack, and is
    /// an error (default 250; text seldom reaches 30, and the format allows 1,032). The first
    /// 16 MiB are free.
    #[must_use]
    pub fn with_max_inflation(mut self, ratio: u64) -> Self {
        self.max_inflation = ratio;
        self
    }

    /// Never ends: reads what is appended, and files that appear later.
    pub fn follow(self) -> FollowFiles {
        FollowFiles {
            pattern: self.pattern,
            poll: Duration::from_millis(100),
            rest: Duration::from_secs(5),
        }
    }
}

impl ReadFormat for OpenFiles {
    type Records = Lines;
    type Source<F: Framing, D: Decoder> = FileSource<F, D>;

    fn format<F: Framing, D: Decoder>(self, format: Format<F, D>) -> FileSource<F, D> {
        FileSource::new(self, format)
    }
}

/// Files to read as they grow; a format makes a source of them.
///
/// A file is known by its inode and its first bytes. One that is renamed is read to its end, also
/// under a name that does not match, and until it has rested for a while; one that is truncated is
/// read again from its start. (What is truncated away, or deleted, before the next look at it is
/// lost: rotate by rename.) gzip files are not unpacked here.
#[derive(Clone, Debug)]
pub struct FollowFiles {
    pub(super) pattern: Pattern,
    pub(super) poll: Duration,
    pub(super) rest: Duration,
}

impl FollowFiles {
    /// Looks for news this often when there are none (default 100 ms).
    #[must_use]
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll = interval;
        self
    }

    /// Takes a renamed or deleted file for finished when nothing was appended for so long (default
    /// 5 s). Then its last line counts, even without a line end.
    #[must_use]
    pub fn with_rest(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }
}

impl ReadFormat for FollowFiles {
    type Records = Lines;
    type Source<F: Framing, D: Decoder> = FollowSource<F, D>;

    fn format<F: Framing, D: Decoder>(self, format: Format<F, D>) -> FollowSource<F, D> {
        FollowSource::new(self, format)
    }
}
