//! A framing and a codec that go together.

use super::{Csv, Json, Text};
use crate::framing::{CsvRecords, Lines, Whole};

/// How a stream of bytes becomes records, or records become a stream of bytes: where frames begin
/// and end, and what is in them.
///
/// ```
/// use millstream_connectors::codec::{Bytes, Format};
/// use millstream_connectors::framing::LengthDelimited;
///
/// let format = Format::new(LengthDelimited::new().with_width(2), Bytes);
/// # let _ = format;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Format<F, C> {
    /// Where frames begin and end.
    pub framing: F,
    /// What is in them.
    pub codec: C,
}

impl<F, C> Format<F, C> {
    /// Frames of `framing`, with values of `codec` in them.
    pub const fn new(framing: F, codec: C) -> Self {
        Format { framing, codec }
    }
}

/// A JSON value per line (NDJSON).
pub const fn json_lines<T>() -> Format<Lines, Json<T>> {
    Format::new(Lines::new(), Json::new())
}

/// A JSON value per message.
pub const fn json_messages<T>() -> Format<Whole, Json<T>> {
    Format::new(Whole::new(), Json::new())
}

/// CSV, with a header that names the columns.
pub fn csv<T>() -> Format<CsvRecords, Csv<T>> {
    Format::new(CsvRecords::new(), Csv::new())
}

/// A text per line.
pub const fn lines() -> Format<Lines, Text> {
    Format::new(Lines::new(), Text::new())
}
