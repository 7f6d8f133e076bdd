//! One frame per line.

use super::{Cut, FrameError, Framing, MAX_LINE, cut_all, skip_line, without_cr};
use crate::codec::CodecError;

/// Lines that end in LF or CRLF. The last one needs no end.
///
/// A line that is longer than the bound is a bad record, and reading goes on behind it.
///
/// ```
/// use millstream_connectors::framing::{Cut, Framing, Lines};
///
/// let mut lines = Lines::new();
/// let input = b"one\r\ntwo";
/// assert_eq!(lines.cut(input, false), Cut::Frame { start: 0, end: 3, used: 5 });
/// assert_eq!(lines.cut(&input[5..], false), Cut::More);
/// assert_eq!(lines.cut(&input[5..], true), Cut::Frame { start: 0, end: 3, used: 3 });
/// ```
#[derive(Clone, Debug)]
pub struct Lines {
    max: usize,
    scanned: usize,
    skipping: bool,
}

impl Lines {
    /// Lines of at most 1 MiB.
    pub const fn new() -> Self {
        Lines {
            max: MAX_LINE,
            scanned: 0,
            skipping: false,
        }
    }

    /// Lines of at most `bytes` bytes, their end not counted.
    #[must_use]
    pub const fn with_max(mut self, bytes: usize) -> Self {
        self.max = bytes;
        self
    }

    fn line(&mut self, end: usize, used: usize) -> Cut {
        self.scanned = 0;
        if end > self.max {
            let cause = FrameError::TooLong { limit: self.max };
            return Cut::Bad { used, cause };
        }
        Cut::Frame {
            start: 0,
            end,
            used,
        }
    }
}

impl Default for Lines {
    fn default() -> Self {
        Lines::new()
    }
}

impl Framing for Lines {
    const UNIT: &'static str = "line";

    #[inline]
    fn cut(&mut self, input: &[u8], end: bool) -> Cut {
        if self.skipping {
            return skip_line(&mut self.skipping, input);
        }
        let fresh = input.get(self.scanned..).unwrap_or_default();
        if let Some(at) = memchr::memchr(b'\n', fresh) {
            let at = self.scanned + at;
            let line = input.get(..at).unwrap_or_default();
            return self.line(without_cr(line), at + 1);
        }
        if end && !input.is_empty() {
            return self.line(without_cr(input), input.len());
        }
        // One more than the bound may be the CR of a CRLF.
        if input.len() > self.max.saturating_add(1) {
            self.skipping = true;
            return self.line(input.len(), input.len());
        }
        self.scanned = input.len();
        Cut::More
    }

    fn is_skipping(&self) -> bool {
        self.skipping
    }

    fn last_border(&mut self, input: &[u8], end: bool) -> usize {
        let fresh = input.get(self.scanned..).unwrap_or_default();
        let last = match memchr::memrchr(b'\n', fresh) {
            Some(at) if !self.skipping => self.scanned + at + 1,
            _ => return cut_all(self, input, 0, end),
        };
        self.scanned = 0;
        // Behind it is a piece of one line.
        cut_all(self, input, last, end)
    }

    fn finish(&self, out: &mut Vec<u8>, start: usize) -> Result<(), CodecError> {
        let line = out.get(start..).unwrap_or_default();
        if memchr::memchr(b'\n', line).is_some() {
            return Err(CodecError::new("a line break inside a line"));
        }
        out.push(b'\n');
        Ok(())
    }
}
