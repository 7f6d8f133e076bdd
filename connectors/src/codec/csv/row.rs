//! One record, split into its fields.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use crate::codec::CodecError;

/// The fields of one record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    text: &'a str,
    /// First and last (exclusive) byte of each field.
    bounds: &'a [(usize, usize)],
}

impl<'a> Row<'a> {
    pub(super) fn len(&self) -> usize {
        self.bounds.len()
    }

    #[inline]
    pub(super) fn field(&self, column: usize) -> &'a str {
        let bounds = self.bounds.get(column);
        bounds
            .and_then(|&(start, end)| self.text.get(start..end))
            .unwrap_or_default()
    }
}

/// Splits records. What it allocates it keeps for the next one.
pub(super) struct Splitter {
    delimiter: u8,
    bounds: Vec<(usize, usize)>,
    unquoted: Unquoted,
}

/// The slow way, for records with quotes.
struct Unquoted {
    reader: Option<Box<Reader>>,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Splitter {
    pub(super) fn new(delimiter: u8) -> Self {
        Splitter {
            delimiter,
            bounds: Vec::new(),
            unquoted: Unquoted {
                reader: None,
                text: Vec::new(),
                ends: Vec::new(),
            },
        }
    }

    /// The fields of `frame`; `None` if it is blank.
    #[inline]
    pub(super) fn split<'a>(&'a mut self, frame: &'a [u8]) -> Result<Option<Row<'a>>, CodecError> {
        let text = match std::str::from_utf8(frame) {
            // A whole message may end in a line break.
            Ok(text) => text
                .strip_suffix("\r\n")
                .or_else(|| text.strip_suffix('\n'))
                .unwrap_or(text),
            Err(cause) => return Err(CodecError::new(cause.to_string())),
        };
        if text.is_empty() {
            return Ok(None);
        }
        self.bounds.clear();
        let mut start = 0;
        for at in memchr::memchr2_iter(self.delimiter, b'"', text.as_bytes()) {
            if text.as_bytes().get(at) == Some(&self.delimiter) {
                self.bounds.push((start, at));
                start = at + 1;
            } else if at == start {
                return self.split_quoted(text).map(Some);
            }
            // A quote inside a field that does not begin with one is a quote.
        }
        self.bounds.push((start, text.len()));
        Ok(Some(Row {
            text,
            bounds: &self.bounds,
        }))
    }

    fn split_quoted(&mut self, text: &str) -> Result<Row<'_>, CodecError> {
        let fields = self.unquoted.read(text.as_bytes(), self.delimiter)?;
        self.bounds.clear();
        let mut start = 0;
        for &end in self.unquoted.ends.iter().take(fields) {
            self.bounds.push((start, end));
            start = end;
        }
        let text = self.unquoted.text.get(..start).unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|cause| CodecError::new(cause.to_string()))?;
        Ok(Row {
            text,
            bounds: &self.bounds,
        })
    }
}

impl Unquoted {
    /// Takes the quotes away; leaves the fields in `text`, back to back, and says how many they are.
    fn read(&mut self, record: &[u8], delimiter: u8) -> Result<usize, CodecError> {
        let reader = self.reader.get_or_insert_with(|| {
            let mut builder = ReaderBuilder::new();
            // The framing has dealt with CRLF; a lone CR is data.
            let builder = builder.delimiter(delimiter);
            Box::new(builder.terminator(Terminator::Any(b'\n')).build())
        });
        reader.reset();
        // Without its quotes it is not longer than with them.
        if self.text.len() < record.len() {
            self.text.resize(record.len(), 0);
        }
        let (mut read, mut written, mut fields) = (0, 0, 0);
        loop {
            let input = record.get(read..).unwrap_or_default();
            let output = self.text.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(fields..).unwrap_or_default();
            let (result, nin, nout, nends) = reader.read_record(input, output, ends);
            read += nin;
            written += nout;
            fields += nends;
            match result {
                // The next call has no input left, which ends the record.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputEndsFull => {
                    self.ends.resize((2 * self.ends.len()).max(16), 0);
                }
                ReadRecordResult::Record if read == record.len() => return Ok(fields),
                ReadRecordResult::Record => {
                    return Err(CodecError::new("more than one record in a frame"));
                }
                ReadRecordResult::OutputFull | ReadRecordResult::End => {
                    return Err(CodecError::new("not a CSV record"));
                }
            }
        }
    }
}
