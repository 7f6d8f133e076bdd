//! The methods by which every connector is told its format. They are here once, for all.

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Bytes, Csv, Decoder, Encoder, Format, Json, Text};
use crate::framing::{CsvRecords, Framing, Whole};

/// What bytes come from, before it is said what is in them: a file, a socket, standard input.
pub trait ReadFormat: Sized {
    /// How records are told apart where the codec does not say it: by line in a stream, whole in a
    /// message or datagram.
    type Records: Framing + Default;
    /// The source it becomes.
    type Source<F: Framing, D: Decoder>;

    /// The source of the records of `format`.
    fn format<F: Framing, D: Decoder>(self, format: Format<F, D>) -> Self::Source<F, D>;

    /// Records of `decoder` in frames of `framing`.
    fn framed<F: Framing, D: Decoder>(self, framing: F, decoder: D) -> Self::Source<F, D> {
        self.format(Format::new(framing, decoder))
    }

    /// JSON: a value per line (or message).
    fn json<T: DeserializeOwned + Send + 'static>(self) -> Self::Source<Self::Records, Json<T>> {
        self.framed(Self::Records::default(), Json::new())
    }

    /// CSV with a header; columns are found by name.
    fn csv<T: DeserializeOwned + Send + 'static>(self) -> Self::Source<CsvRecords, Csv<T>> {
        self.framed(CsvRecords::new(), Csv::new())
    }

    /// Text: a `String` per line (or message).
    fn lines(self) -> Self::Source<Self::Records, Text> {
        self.framed(Self::Records::default(), Text::new())
    }

    /// The bytes of a whole file, message or datagram, up to 16 MiB. For bytes in other frames:
    /// `.framed(framing, Bytes)`.
    fn bytes(self) -> Self::Source<Whole, Bytes> {
        self.framed(Whole::new(), Bytes)
    }
}

/// Where bytes go, before it is said how records become bytes.
pub trait WriteFormat: Sized {
    /// How records are told apart where the codec does not say it.
    type Records: Framing + Default;
    /// The sink it becomes.
    type Sink<F: Framing, E: Encoder>;

    /// The sink of records in `format`.
    fn format<F: Framing, E: Encoder>(self, format: Format<F, E>) -> Self::Sink<F, E>;

    /// Records of `encoder` in frames of `framing`.
    fn framed<F: Framing, E: Encoder>(self, framing: F, encoder: E) -> Self::Sink<F, E> {
        self.format(Format::new(framing, encoder))
    }

    /// JSON: a value per line (or message).
    fn json<T: Serialize + Send + 'static>(self) -> Self::Sink<Self::Records, Json<T>> {
        self.framed(Self::Records::default(), Json::new())
    }

    /// CSV with a header made of the names of the fields.
    fn csv<T: Serialize + Send + 'static>(self) -> Self::Sink<CsvRecords, Csv<T>> {
        self.framed(CsvRecords::new(), Csv::new())
    }

    /// Text: whatever can be displayed, one per line (or message).
    fn lines<T: Display + Send + 'static>(self) -> Self::Sink<Self::Records, Text<T>> {
        self.framed(Self::Records::default(), Text::new())
    }

    /// The bytes as they are, with nothing between them.
    fn bytes(self) -> Self::Sink<Whole, Bytes> {
        self.framed(Whole::new(), Bytes)
    }
}
