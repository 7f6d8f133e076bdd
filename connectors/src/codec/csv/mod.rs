//! CSV, by csv-core and serde: columns to the fields of a struct by name, and back.

mod field_de;
mod field_ser;
mod refusal;
mod row;
mod row_de;
mod row_ser;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CodecError, Decoder, Encoder};
use row::Splitter;
use row_de::{Layout, RowDeserializer};

/// A CSV record per frame, for a struct whose fields are columns.
///
/// The header says where each column is; their order does not matter and columns that no field asks
/// for are passed over. An empty field is `None` for an `Option`. Fields are text, whole numbers,
/// floats, `bool`, `char`, enums without data, newtypes of these, and whatever reads itself from text
/// (`Timestamp`). Blank lines are left out. A record with another number of fields than the header
/// is bad.
///
/// ```
/// use millstream_connectors::codec::{Csv, Decoder};
///
/// #[derive(serde::Deserialize, Debug, PartialEq)]
/// struct Weather { origin: String, temp: Option<f64> }
///
/// let mut csv = Csv::<Weather>::new();
/// csv.head(b"temp,wind,origin")?;
/// let weather = csv.decode(b",7.5,JFK")?;
/// assert_eq!(weather, Some(Weather { origin: "JFK".into(), temp: None }));
/// let error = csv.decode(b"mild,7.5,JFK").unwrap_err();
/// assert_eq!(error.to_string(), "column `temp`: not a number");
/// # Ok::<(), millstream_connectors::codec::CodecError>(())
/// ```
pub struct Csv<T> {
    delimiter: u8,
    headed: bool,
    header: Option<Arc<[Box<str>]>>,
    layout: Layout,
    splitter: Splitter,
    // Neither `Send` nor `Clone` shall depend on the record.
    record: PhantomData<fn() -> T>,
}

impl<T> Csv<T> {
    /// Fields between commas, a header first.
    pub fn new() -> Self {
        Csv {
            delimiter: b',',
            headed: true,
            header: None,
            layout: Layout::default(),
            splitter: Splitter::new(b','),
            record: PhantomData,
        }
    }

    /// This byte between fields. Give the same one to the framing
    /// ([`CsvRecords::with_delimiter`](crate::framing::CsvRecords::with_delimiter)).
    #[must_use]
    pub fn with_delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self.splitter = Splitter::new(delimiter);
        self
    }

    /// No header: columns are the fields of the struct (or tuple, or `Vec`), in their order.
    #[must_use]
    pub fn without_header(mut self) -> Self {
        self.headed = false;
        self
    }
}

impl<T> Default for Csv<T> {
    fn default() -> Self {
        Csv::new()
    }
}

impl<T> Clone for Csv<T> {
    fn clone(&self) -> Self {
        Csv {
            delimiter: self.delimiter,
            headed: self.headed,
            header: self.header.clone(),
            layout: self.layout.clone(),
            splitter: Splitter::new(self.delimiter),
            record: PhantomData,
        }
    }
}

impl<T> std::fmt::Debug for Csv<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Csv")
            .field("delimiter", &char::from(self.delimiter))
            .field("headed", &self.headed)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned + Send + 'static> Decoder for Csv<T> {
    type Out = T;

    fn wants_head(&self) -> bool {
        self.headed && self.header.is_none()
    }

    fn head(&mut self, frame: &[u8]) -> Result<bool, CodecError> {
        // Spreadsheets put a byte order mark before the first column.
        let frame = frame.strip_prefix(b"\xef\xbb\xbf").unwrap_or(frame);
        let Some(row) = self.splitter.split(frame)? else {
            return Ok(false);
        };
        let names = (0..row.len()).map(|column| row.field(column).into());
        self.header = Some(names.collect());
        self.layout = Layout::default();
        Ok(true)
    }

    fn decode(&mut self, frame: &[u8]) -> Result<Option<T>, CodecError> {
        let Some(row) = self.splitter.split(frame)? else {
            return Ok(None);
        };
        let header = self.header.as_deref();
        if let Some(names) = header
            && names.len() != row.len()
        {
            return Err(CodecError::new(format!(
                "{} fields where the header names {}",
                row.len(),
                names.len()
            )));
        }
        T::deserialize(RowDeserializer {
            row,
            header,
            layout: &mut self.layout,
        })
        .map(Some)
    }
}

impl<T: Serialize + Send + 'static> Encoder for Csv<T> {
    type In = T;

    fn has_head(&self) -> bool {
        self.headed
    }

    fn head(&mut self, first: &T, out: &mut Vec<u8>) -> Result<bool, CodecError> {
        row_ser::names(first, self.delimiter, out)
    }

    fn encode(&mut self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        row_ser::values(value, self.delimiter, out)
    }
}
