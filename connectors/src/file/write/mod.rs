//! Writing files.
//!
//! Records are encoded on the task; the bytes go to disk on a thread that may block, 64 KiB or more
//! at a time, while the next ones are encoded.

mod encoding;
mod parts;
mod single;
mod unpublished;

pub use parts::{PartsSink, PartsWriter};
pub use single::{FileSink, FileWriter};
