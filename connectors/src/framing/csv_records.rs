//! One frame per CSV record: a line, unless a quoted field holds line breaks.

use super::{Cut, FrameError, Framing, MAX_LINE, cut_all, skip_line, without_cr};
use crate::codec::CodecError;

/// CSV records (RFC 4180), which end in LF or CRLF outside quotes.
///
/// As csv-core has it, a quote opens only at the start of a field, and a doubled quote inside quotes
/// is a quote. A stray quote would swallow what follows; so a record that is longer than the bound
/// or has no closing quote at the end of the stream costs its first line only, and reading goes on
/// with the next one.
#[derive(Clone, Debug)]
pub struct CsvRecords {
    delimiter: u8,
    max: usize,
    scanned: usize,
    quoted: bool,
    skipping: bool,
}

impl CsvRecords {
    /// Records of at most 1 MiB, with commas between their fields.
    pub const fn new() -> Self {
        CsvRecords {
            delimiter: b',',
            max: MAX_LINE,
            scanned: 0,
            quoted: false,
            skipping: false,
        }
    }

    /// Records of at most `bytes` bytes, their end not counted.
    #[must_use]
    pub const fn with_max(mut self, bytes: usize) -> Self {
        self.max = bytes;
        self
    }

    /// Records with this byte between their fields.
    #[must_use]
    pub const fn with_delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// The line break that ends the record, if it is in `window`.
    #[inline]
    fn find_end(&mut self, window: &[u8], input: &[u8], end: bool) -> Option<usize> {
        loop {
            let fresh = window.get(self.scanned..)?;
            if !self.quoted {
                let Some(at) = memchr::memchr2(b'"', b'\n', fresh) else {
                    self.scanned = window.len();
                    return None;
                };
                let at = self.scanned + at;
                if window.get(at) == Some(&b'\n') {
                    return Some(at);
                }
                let before = at.checked_sub(1).and_then(|before| window.get(before));
                self.quoted = before.is_none_or(|&byte| byte == self.delimiter);
                self.scanned = at + 1;
                continue;
            }
            let Some(at) = memchr::memchr(b'"', fresh) else {
                self.scanned = window.len();
                return None;
            };
            let at = self.scanned + at;
            match input.get(at + 1) {
                Some(b'"') => self.scanned = at + 2,
                None if !end => {
                    // Whether it closes shows with the next byte.
                    self.scanned = at;
                    return None;
                }
                _ => {
                    self.quoted = false;
                    self.scanned = at + 1;
                }
            }
        }
    }

    fn first_line_is_bad(&mut self, input: &[u8]) -> Cut {
        self.scanned = 0;
        self.quoted = false;
        let line = memchr::memchr(b'\n', input);
        self.skipping = line.is_none() && input.len() > self.max;
        let length = without_cr(input.get(..line.unwrap_or(input.len())).unwrap_or(input));
        Cut::Bad {
            used: line.map_or(input.len(), |at| at + 1),
            cause: if length > self.max {
                FrameError::TooLong { limit: self.max }
            } else {
                FrameError::OpenQuote { limit: self.max }
            },
        }
    }

    fn record(&mut self, input: &[u8], end: usize, used: usize) -> Cut {
        let end = without_cr(input.get(..end).unwrap_or_default());
        if end > self.max {
            return self.first_line_is_bad(input);
        }
        self.scanned = 0;
        Cut::Frame {
            start: 0,
            end,
            used,
        }
    }
}

impl Default for CsvRecords {
    fn default() -> Self {
        CsvRecords::new()
    }
}

impl Framing for CsvRecords {
    const UNIT: &'static str = "record";

    #[inline]
    fn cut(&mut self, input: &[u8], end: bool) -> Cut {
        if self.skipping {
            return skip_line(&mut self.skipping, input);
        }
        // A stray quote must not have us look at the whole chunk for every record behind it.
        let bound = self.max.saturating_add(2);
        let window = input.get(..bound).unwrap_or(input);
        if let Some(at) = self.find_end(window, input, end) {
            return self.record(input, at, at + 1);
        }
        if window.len() == bound {
            return self.first_line_is_bad(input);
        }
        if !end || input.is_empty() {
            return Cut::More;
        }
        if self.quoted {
            return self.first_line_is_bad(input);
        }
        self.record(input, input.len(), input.len())
    }

    fn is_skipping(&self) -> bool {
        self.skipping
    }

    fn last_border(&mut self, input: &[u8], end: bool) -> usize {
        let mut from = 0;
        // Without quotes records are lines.
        if !self.quoted
            && !self.skipping
            && memchr::memchr(b'"', input).is_none()
            && let Some(at) = memchr::memrchr(b'\n', input)
        {
            from = at + 1;
            self.scanned = 0;
        }
        cut_all(self, input, from, end)
    }

    fn finish(&self, out: &mut Vec<u8>, _start: usize) -> Result<(), CodecError> {
        // Line breaks inside fields are quoted by the codec.
        out.push(b'\n');
        Ok(())
    }
}
