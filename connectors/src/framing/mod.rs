//! Cutting streams of bytes into frames, and putting frames together again.
//!
//! A frame is the bytes of one record. [`Framing`] knows where frames begin and end and nothing of
//! what is in them; that is the business of a codec ([`crate::codec`]). Nothing is copied here: a
//! frame is a slice of what was read.

mod buffer;
mod csv_records;
mod length_delimited;
mod lines;
#[cfg(test)]
mod tests;
mod whole;

use crate::codec::CodecError;

pub use buffer::ReadBuffer;
pub use csv_records::CsvRecords;
pub use length_delimited::LengthDelimited;
pub use lines::Lines;
pub use whole::Whole;

/// Where frames begin and end in a stream of bytes.
///
/// A value of it follows one stream (one file, one connection); a new stream gets a fresh clone.
///
/// # Contract
/// 1. [`cut`](Framing::cut) is given the bytes that no earlier cut used. It may be called again with
///    the same bytes and more behind them; it remembers how far it looked, so that a peer that
///    sends byte by byte costs no second look at each.
/// 2. Every cut but [`Cut::More`] and [`Cut::Broken`] uses at least one byte.
/// 3. `end` says that nothing follows. Then `More` is the answer to empty input only.
/// 4. The frames of a stream, and the bad ones, do not depend on how its bytes were cut up on the
///    way.
/// 5. Between two frames, a fresh clone goes on as well as the old value
///    (unless it is [`skipping`](Framing::is_skipping)).
pub trait Framing: Clone + Send + 'static {
    /// What a frame is called in a message: `line`, `record`.
    const UNIT: &'static str;

    /// The first frame of `input`.
    fn cut(&mut self, input: &[u8], end: bool) -> Cut;

    /// Whether the last cut ended inside a frame that is left out because it is too long.
    fn is_skipping(&self) -> bool;

    /// How many bytes of `input` whole frames take: where a big file can be cut in two. A frame that is
    /// being skipped counts as whole; where its skipping ends is a border of its own.
    ///
    /// The same as cutting all frames, but quicker where there is a short way.
    fn last_border(&mut self, input: &[u8], end: bool) -> usize {
        cut_all(self, input, 0, end)
    }

    /// Writes what comes before an outgoing frame.
    fn begin(&self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// Writes what comes behind the outgoing frame that was begun at `out[start]`.
    ///
    /// # Errors
    /// The frame cannot be told from its neighbours (a line with a line break in it).
    fn finish(&self, out: &mut Vec<u8>, start: usize) -> Result<(), CodecError>;
}

/// What [`Framing::cut`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// No whole frame yet.
    More,
    /// A frame: `input[start..end]`. The next one begins at `input[used]`.
    Frame {
        /// Its first byte.
        start: usize,
        /// Behind its last byte.
        end: usize,
        /// Where the next frame begins.
        used: usize,
    },
    /// A frame that begins at `input[0]` and is left out.
    Bad {
        /// Where to go on.
        used: usize,
        /// What is wrong with it.
        cause: FrameError,
    },
    /// More of a frame that was told to be bad: to be passed over in silence.
    Skip {
        /// Where to go on.
        used: usize,
    },
    /// From here on frames cannot be told apart any more.
    Broken(FrameError),
}

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// It is longer than allowed.
    #[error("longer than the bound of {limit} bytes")]
    TooLong {
        /// The bound.
        limit: usize,
    },
    /// A length-delimited frame says that it is longer than allowed.
    #[error("its prefix announces {length} bytes, more than the bound of {limit}")]
    TooLongAnnounced {
        /// What the prefix says.
        length: u64,
        /// The bound.
        limit: usize,
    },
    /// The stream ended inside a frame.
    #[error("the stream ends inside it")]
    CutShort,
    /// A quoted CSV field has no closing quote within the bound.
    #[error("a quote is opened and not closed within {limit} bytes")]
    OpenQuote {
        /// The bound of a record.
        limit: usize,
    },
}

/// Bound of a line or CSV record unless set otherwise.
pub(crate) const MAX_LINE: usize = 1 << 20;
/// Bound of every other frame unless set otherwise.
pub(crate) const MAX_FRAME: usize = 16 << 20;

/// Cuts all frames behind `from`; says where the last one ends.
fn cut_all<F: Framing>(framing: &mut F, input: &[u8], from: usize, end: bool) -> usize {
    let mut border = from;
    loop {
        match framing.cut(input.get(border..).unwrap_or_default(), end) {
            Cut::More => return border,
            Cut::Frame { used, .. } | Cut::Bad { used, .. } => border += used,
            Cut::Skip { used } => return border + used,
            // Whoever reads the frames shall come upon it.
            Cut::Broken(_) => return input.len(),
        }
    }
}

/// How long a line is without the carriage return of a CRLF.
#[inline]
fn without_cr(line: &[u8]) -> usize {
    match line {
        [rest @ .., b'\r'] => rest.len(),
        _ => line.len(),
    }
}

/// Passes over the rest of a line that is too long.
fn skip_line(skipping: &mut bool, input: &[u8]) -> Cut {
    match memchr::memchr(b'\n', input) {
        Some(at) => {
            *skipping = false;
            Cut::Skip { used: at + 1 }
        }
        None if input.is_empty() => Cut::More,
        None => Cut::Skip { used: input.len() },
    }
}
