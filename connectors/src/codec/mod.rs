//! What is in a frame: JSON, CSV, text or bytes, to values and back.
//!
//! A codec knows nothing of where frames come from ([`crate::framing`] cuts them). The two are paired
//! as a [`Format`]. Every connector takes the same formats, by the same methods: [`ReadFormat`] and
//! [`WriteFormat`].

mod csv;
mod error;
mod format;
mod format_methods;
mod frame_decoder;
mod frame_encoder;
mod json;
mod text;

pub use csv::Csv;
pub use error::CodecError;
pub use format::{Format, csv, json_lines, json_messages, lines};
pub use format_methods::{ReadFormat, WriteFormat};
pub use frame_decoder::FrameDecoder;
pub use frame_encoder::FrameEncoder;
pub use json::Json;
pub use text::{Bytes, Text};

/// Frames to values.
///
/// # Contract
/// 1. A decoder follows one stream of frames (one file, one connection); a new stream gets a fresh
///    clone.
/// 2. If it [`wants_head`](Decoder::wants_head), the first frame of the stream goes to
///    [`head`](Decoder::head). From then on its clones can decode any frame of the stream, in any
///    order.
/// 3. An error concerns this frame only; the next one can be good.
pub trait Decoder: Clone + Send + 'static {
    /// What it gives.
    type Out: Send + 'static;

    /// Whether the first frame tells how to read the others, as the header of a CSV file does.
    fn wants_head(&self) -> bool {
        false
    }

    /// Takes the first frame; `false` if it is blank, and the next one is to be tried.
    ///
    /// # Errors
    /// It cannot be the head of such a stream.
    fn head(&mut self, frame: &[u8]) -> Result<bool, CodecError> {
        let _ = frame;
        Ok(true)
    }

    /// The value in a frame; `None` if the frame is blank.
    ///
    /// # Errors
    /// The frame holds no such value.
    fn decode(&mut self, frame: &[u8]) -> Result<Option<Self::Out>, CodecError>;
}

/// Values to frames.
///
/// An encoder follows one stream of frames; a new stream (file, connection) gets a fresh clone.
pub trait Encoder: Clone + Send + 'static {
    /// What it takes.
    type In: Send + 'static;

    /// Whether a stream begins with a frame of its own, as a CSV file does with its header.
    fn has_head(&self) -> bool {
        false
    }

    /// Appends that frame, as it has to be where `first` is the first value; `false` if there is
    /// none for such values.
    ///
    /// # Errors
    /// Such values cannot be encoded.
    fn head(&mut self, first: &Self::In, out: &mut Vec<u8>) -> Result<bool, CodecError> {
        let _ = (first, out);
        Ok(false)
    }

    /// Appends the frame of `value`. After an error, what was appended is void.
    ///
    /// # Errors
    /// The value has no such form.
    fn encode(&mut self, value: &Self::In, out: &mut Vec<u8>) -> Result<(), CodecError>;
}
