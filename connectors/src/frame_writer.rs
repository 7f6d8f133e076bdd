//! The sending end of one stream of bytes (a connection, a pipe).

use millstream_engine::bad_record::BadRecord;

use crate::codec::{CodecError, Encoder, Format, FrameEncoder};
use crate::framing::Framing;

/// So many bytes are gathered before they are handed over, unless there is nothing more to gather.
pub(crate) const CHUNK: usize = 64 << 10;

/// Frames on their way to a stream.
pub(crate) struct FrameWriter<F, E> {
    encoder: FrameEncoder<F, E>,
    bytes: Vec<u8>,
    records: u64,
}

impl<F: Framing, E: Encoder> FrameWriter<F, E> {
    pub(crate) fn new(format: Format<F, E>) -> Self {
        FrameWriter {
            encoder: FrameEncoder::new(format),
            bytes: Vec::new(),
            records: 0,
        }
    }

    /// Adds the frame of `value`, or tells why it has none. Says whether it has one.
    pub(crate) fn append(&mut self, value: &E::In, origin: &str, bad: &mut Vec<BadRecord>) -> bool {
        self.records += 1;
        let appended = self.encoder.append(value, &mut self.bytes);
        if let Err(cause) = &appended {
            bad.push(unwritable(origin, self.records, cause));
        }
        appended.is_ok()
    }

    /// The head of the stream, if it has one; the frames then come without it.
    pub(crate) fn head(&mut self, first: &E::In) -> Option<Vec<u8>> {
        let mut head = Vec::new();
        self.encoder.append_head(first, &mut head).ok()?;
        Some(head)
    }

    /// Whether it is time to hand over.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= CHUNK
    }

    /// What there is to hand over.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// It is handed over.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Takes out what there is; an empty buffer is given in exchange.
    pub(crate) fn take(&mut self, empty: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.bytes, empty)
    }
}

/// A record that a sink cannot encode: it has no bytes.
pub(crate) fn unwritable(origin: &str, number: u64, cause: &CodecError) -> BadRecord {
    BadRecord::new(origin, format!("record {number}"), &[], cause)
}
