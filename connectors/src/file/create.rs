//! What to write, as the user sets it up.

use std::path::PathBuf;
use std::time::Duration;

use super::{FileSink, PartsSink};
use crate::codec::{Encoder, Format, WriteFormat};
use crate::framing::{Framing, Lines};

/// A file to write; a format makes a sink of it
/// (`.json()`, `.csv()`, `.lines()`, `.bytes()`, `.framed(…)`: [`WriteFormat`]).
///
/// While the flow runs, the records are in `NAME.part` beside it (`tail -f` that one), and at every epoch
/// they are on disk. When the flow ends well, it becomes `NAME`, in place of what was there. So `NAME` is
/// always complete; and what an ended-by-force run had written is kept, as `NAME.part.1` and so on, by
/// the next run. A device or pipe (`/dev/null`) is written to as it is.
///
/// A run that is *stopped* ends well too. A run that goes on from its snapshot keeps its output as
/// `NAME.1` and so on; one that goes on because a Kafka group does would replace it. Such flows better
/// write to [`File::append`](super::File::append) or [`File::parts`](super::File::parts).
///
/// # Appending
/// [`File::append`](super::File::append) writes to `NAME` itself, behind what is there; a head (of CSV) is
/// written only if that is nothing, and the columns have to be the same ones. At every epoch all is on
/// disk. After an end by force, what was written since the last epoch stays, and a run that goes on
/// writes it again: at least once. If the last line is torn, it is ended, so that it spoils no other.
#[derive(Clone, Debug)]
pub struct CreateFile {
    pub(super) path: PathBuf,
    pub(super) append: bool,
}

impl CreateFile {
    pub(super) fn new(path: PathBuf) -> Self {
        CreateFile {
            path,
            append: false,
        }
    }

    pub(super) fn append(path: PathBuf) -> Self {
        CreateFile { path, append: true }
    }
}

impl WriteFormat for CreateFile {
    type Records = Lines;
    type Sink<F: Framing, E: Encoder> = FileSink<F, E>;

    fn format<F: Framing, E: Encoder>(self, format: Format<F, E>) -> FileSink<F, E> {
        FileSink::new(self, format)
    }
}

/// A folder of files to write; a format makes a sink of it.
///
/// Each writer writes parts of its own: `part-REPLICA-NUMBER`. A part shows under its name, by a rename,
/// when it is complete: when it is large or old enough, at every epoch and at the end. So all that an
/// epoch covers can be read by others, and nothing incomplete. Numbers go on where an earlier run
/// ended; unfinished parts of such a run belong to no epoch and are removed.
#[derive(Clone, Debug)]
pub struct CreateParts {
    pub(super) folder: PathBuf,
    pub(super) suffix: String,
    pub(super) max_bytes: u64,
    pub(super) max_age: Duration,
}

impl CreateParts {
    pub(super) fn new(folder: PathBuf) -> Self {
        CreateParts {
            folder,
            suffix: String::new(),
            max_bytes: 128 << 20,
            max_age: Duration::from_secs(600),
        }
    }

    /// Ends the names of the parts with this: `.ndjson`. A `/` in it is taken for a `-`: parts stay in
    /// their folder.
    #[must_use]
    pub fn with_suffix(mut self, suffix: &str) -> Self {
        self.suffix = suffix.replace(std::path::is_separator, "-");
        self
    }

    /// Completes a part when it has this many bytes or more (default 128 MiB).
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Completes a part when its first record was written so long ago (default 10 minutes). It is
    /// looked at when records come and whenever the flow has nothing more to write: of an input that
    /// then stays silent, the last part waits for the next record, epoch or end.
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }
}

impl WriteFormat for CreateParts {
    type Records = Lines;
    type Sink<F: Framing, E: Encoder> = PartsSink<F, E>;

    fn format<F: Framing, E: Encoder>(self, format: Format<F, E>) -> PartsSink<F, E> {
        PartsSink::new(self, format)
    }
}
