//! Records to one stream of bytes.

use super::{CodecError, Encoder, Format};
use crate::framing::Framing;

/// Encodes and frames records for one stream of bytes (a file, a connection).
///
/// ```
/// use millstream_connectors::codec::{FrameEncoder, json_lines};
///
/// let mut encoder = FrameEncoder::new(json_lines::<u32>());
/// let mut out = Vec::new();
/// encoder.append(&1, &mut out)?;
/// encoder.append(&2, &mut out)?;
/// assert_eq!(out, b"1\n2\n");
/// # Ok::<(), millstream_connectors::codec::CodecError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FrameEncoder<F, E> {
    framing: F,
    encoder: E,
    wants_head: bool,
}

impl<F: Framing, E: Encoder> FrameEncoder<F, E> {
    /// At the beginning of a stream.
    pub fn new(format: Format<F, E>) -> Self {
        FrameEncoder {
            wants_head: format.codec.has_head(),
            framing: format.framing,
            encoder: format.codec,
        }
    }

    /// Appends the frame of `value`, and before the first one the head of the stream.
    ///
    /// # Errors
    /// The value has no such form; `out` is as it was.
    pub fn append(&mut self, value: &E::In, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let start = out.len();
        let outcome = self.try_append(value, out);
        match &outcome {
            Ok(()) => self.wants_head = false,
            Err(_) => out.truncate(start),
        }
        outcome
    }

    /// Appends the head of the stream alone, as it has to be where `first` is the first value: for a
    /// stream whose readers come and go, and each need it. Frames then come without it.
    ///
    /// # Errors
    /// Such values have no head; `out` is as it was.
    pub fn append_head(&mut self, first: &E::In, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let start = out.len();
        let outcome = self.try_head(first, out);
        match &outcome {
            Ok(()) => self.wants_head = false,
            Err(_) => out.truncate(start),
        }
        outcome
    }

    fn try_append(&mut self, value: &E::In, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.try_head(value, out)?;
        let start = out.len();
        self.framing.begin(out);
        self.encoder.encode(value, out)?;
        self.framing.finish(out, start)
    }

    fn try_head(&mut self, first: &E::In, out: &mut Vec<u8>) -> Result<(), CodecError> {
        if self.wants_head {
            let start = out.len();
            self.framing.begin(out);
            if self.encoder.head(first, out)? {
                self.framing.finish(out, start)?;
            } else {
                out.truncate(start);
            }
        }
        Ok(())
    }
}
