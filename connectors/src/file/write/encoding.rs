//! Records to bytes that wait to be written.

use millstream_engine::bad_record::BadRecord;
use millstream_engine::batch::Record;

use crate::codec::{Encoder, Format, FrameEncoder};
use crate::frame_writer::unwritable;
use crate::framing::Framing;

/// Encodes the records of one file after the other.
pub(super) struct Encoding<F, E> {
    format: Format<F, E>,
    encoder: FrameEncoder<F, E>,
    /// Encoded, not handed over.
    pub(super) bytes: Vec<u8>,
    /// Records so far, bad ones included.
    records: u64,
    /// The file has its head already.
    has_head: bool,
}

impl<F: Framing, E: Encoder> Encoding<F, E> {
    /// Bytes are handed over when there are so many.
    pub(super) const ENOUGH: usize = 64 << 10;

    pub(super) fn new(format: Format<F, E>) -> Self {
        Encoding {
            encoder: FrameEncoder::new(format.clone()),
            format,
            bytes: Vec::new(),
            records: 0,
            has_head: false,
        }
    }

    /// What follows goes behind records that are there.
    pub(super) fn continued(mut self) -> Self {
        self.has_head = true;
        self
    }

    /// What follows goes to another file, which has a head of its own.
    pub(super) fn next_file(&mut self) {
        self.encoder = FrameEncoder::new(self.format.clone());
        self.has_head = false;
    }

    /// Encodes records until there are enough bytes; `false` when all are encoded.
    pub(super) fn take(
        &mut self,
        records: &mut std::vec::Drain<'_, Record<E::In>>,
        origin: &str,
        bad: &mut Vec<BadRecord>,
    ) -> bool {
        for record in records {
            self.records += 1;
            let encoded = if self.has_head {
                let head = self.encoder.append_head(&record.value, &mut Vec::new());
                head.and_then(|()| self.encoder.append(&record.value, &mut self.bytes))
            } else {
                self.encoder.append(&record.value, &mut self.bytes)
            };
            if let Err(cause) = encoded {
                bad.push(unwritable(origin, self.records, &cause));
            }
            if self.bytes.len() >= Self::ENOUGH {
                return true;
            }
        }
        false
    }
}
