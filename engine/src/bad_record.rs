//! Records that cannot be read or written: what is known of them, and what is done with them.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::sink::{ErasedSink, Sink};

/// A record that could not be decoded or encoded, as a connector tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Which file, topic partition, or peer it came from: `departures.csv.gz`, `orders-3`.
    pub origin: String,
    /// Where in there: `line 17`, `offset 8812`, `byte 1204`.
    pub position: String,
    /// Its bytes as they came. Of what has no end within its bound (a line that is too long, a stream that makes no
    /// sense any more) the first [`MAX_BROKEN`](BadRecord::MAX_BROKEN).
    pub payload: Vec<u8>,
    /// What is wrong with it.
    pub cause: String,
}

impl BadRecord {
    /// Bytes that are kept of what is longer than its bound.
    pub const MAX_BROKEN: usize = 64 << 10;

    /// A whole record.
    ///
    /// ```
    /// use millstream_engine::bad_record::BadRecord;
    ///
    /// let bad = BadRecord::new("orders-3", "offset 8812", b"{", "it ends too early");
    /// assert_eq!(bad.to_string(), "bad record in orders-3, offset 8812: it ends too early");
    /// ```
    pub fn new(
        origin: impl Into<String>,
        position: impl Into<String>,
        payload: &[u8],
        cause: impl fmt::Display,
    ) -> Self {
        BadRecord {
            origin: origin.into(),
            position: position.into(),
            payload: payload.to_owned(),
            cause: cause.to_string(),
        }
    }

    /// The beginning of something longer than its bound.
    pub fn broken(
        origin: impl Into<String>,
        position: impl Into<String>,
        bytes: &[u8],
        cause: impl fmt::Display,
    ) -> Self {
        let kept = bytes.get(..Self::MAX_BROKEN).unwrap_or(bytes);
        Self::new(origin, position, kept, cause)
    }
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the payload: it may be secret. The dead-letter sink gets it.
        write!(
            f,
            "bad record in {}, {}: {}",
            self.origin, self.position, self.cause
        )
    }
}

/// What happens to bad records. One policy per source and per sink, the same everywhere.
#[derive(Default)]
#[non_exhaustive]
pub enum BadRecords {
    /// The flow stops with an error that names vertex, origin, position and cause.
    #[default]
    Fail,
    /// They are left out, and counted.
    Skip,
    /// They go to a sink of their own as [`DeadLetter`]s, and are counted.
    DeadLetter(ErasedSink<DeadLetter>),
}

impl BadRecords {
    /// Sends bad records to `sink`.
    pub fn to<S: Sink<In = DeadLetter>>(sink: S) -> Self {
        BadRecords::DeadLetter(ErasedSink::new(sink))
    }
}

impl fmt::Debug for BadRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadRecords::Fail => "Fail",
            BadRecords::Skip => "Skip",
            BadRecords::DeadLetter(_) => "DeadLetter",
        })
    }
}

/// A bad record on its way to a dead-letter sink.
///
/// In JSON the payload is text where it is UTF-8, else the bytes as numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// The source or sink that met it.
    pub vertex: String,
    /// Which file, topic partition, or peer it came from.
    pub origin: String,
    /// Where in there.
    pub position: String,
    /// What is wrong with it.
    pub cause: String,
    /// Its bytes.
    #[serde(serialize_with = "text_or_bytes")]
    pub payload: Vec<u8>,
}

fn text_or_bytes<S: Serializer>(payload: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    match std::str::from_utf8(payload) {
        Ok(text) => serializer.serialize_str(text),
        Err(_) => serializer.collect_seq(payload),
    }
}
