//! Files: one, many or a folder of them, plain or gzip; followed as they grow; and written.

mod create;
mod follow;
mod open;
mod pattern;
mod progress;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use create::{CreateFile, CreateParts};
pub use follow::{FollowReader, FollowSource};
pub use open::{FollowFiles, OpenFiles};
pub use progress::Progress;
pub use read::{FileReader, FileSource};
pub use write::{FileSink, FileWriter, PartsSink, PartsWriter};

use std::path::PathBuf;

/// Files as source and as sink.
///
/// ```
/// use millstream_connectors::File;
/// use millstream_connectors::codec::{ReadFormat, WriteFormat};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Departure { origin: String, delay: Option<i32> }
///
/// let source = File::open("departures/*.csv.gz").csv::<Departure>();
/// let sink = File::create("departures.ndjson").json::<Departure>();
/// # let _ = (source, sink);
/// ```
#[derive(Debug)]
pub enum File {}

impl File {
    /// Reads a file, the files of a folder (not of folders in it), or those that match a pattern
    /// (`logs/*.ndjson`). gzip files are known by their first bytes.
    ///
    /// Nothing is opened before the flow runs. What is no regular file is refused: a pipe is read as
    /// [`stdin`](crate::stdin).
    pub fn open(path: impl Into<PathBuf>) -> OpenFiles {
        OpenFiles::new(path.into())
    }

    /// Writes one file. What was there before is **replaced** (kept as `NAME.1` by a flow
    /// that goes on from a snapshot): a flow that is stopped and goes on later better writes to
    /// [`File::append`] or [`File::parts`].
    pub fn create(path: impl Into<PathBuf>) -> CreateFile {
        CreateFile::new(path.into())
    }

    /// Writes to the end of one file, which is created if it is not there: for a flow that is stopped
    /// and goes on later.
    ///
    /// ```
    /// use millstream_connectors::File;
    /// use millstream_connectors::codec::WriteFormat;
    ///
    /// let sink = File::append("results.ndjson").json::<u64>();
    /// # let _ = sink;
    /// ```
    pub fn append(path: impl Into<PathBuf>) -> CreateFile {
        CreateFile::append(path.into())
    }

    /// Writes a folder of files, each of which shows under its name when it is complete.
    pub fn parts(folder: impl Into<PathBuf>) -> CreateParts {
        CreateParts::new(folder.into())
    }
}
