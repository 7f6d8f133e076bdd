//! The receiving end of one stream of bytes (a connection, a pipe).

use millstream_engine::Result;
use millstream_engine::source::Intake;

use crate::codec::{Decoder, Format, FrameDecoder};
use crate::framing::{Framing, ReadBuffer};

/// What was read of a stream, and the frames in it.
pub(crate) struct FrameReader<F, D> {
    buffer: ReadBuffer,
    decoder: FrameDecoder<F, D>,
    has_frames: bool,
    at_end: bool,
}

impl<F: Framing, D: Decoder> FrameReader<F, D> {
    pub(crate) fn new(format: Format<F, D>) -> Self {
        FrameReader {
            buffer: ReadBuffer::new(),
            decoder: FrameDecoder::new(format),
            has_frames: false,
            at_end: false,
        }
    }

    /// Exactly `bytes` bytes of room to read into.
    pub(crate) fn room(&mut self, bytes: usize) -> &mut [u8] {
        self.buffer.room(bytes)
    }

    /// So many bytes were read; none means that the stream has ended.
    pub(crate) fn filled(&mut self, bytes: usize) {
        self.buffer.filled(bytes);
        self.has_frames = true;
        self.at_end = bytes == 0;
    }

    /// Whether there may be whole frames to take, before more is read.
    pub(crate) fn has_frames(&self) -> bool {
        self.has_frames
    }

    /// Whether the stream has ended and all of it was taken.
    pub(crate) fn is_finished(&self) -> bool {
        self.at_end && !self.has_frames
    }

    /// Whether it waits for the rest of a frame.
    pub(crate) fn is_inside_frame(&self) -> bool {
        !self.pending().is_empty() || self.decoder.is_skipping()
    }

    /// What was read and not yet taken.
    pub(crate) fn pending(&self) -> &[u8] {
        self.buffer.pending()
    }

    /// Where in the stream that begins.
    pub(crate) fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    /// Takes whole frames into `intake`, until there are no more or it is full. Says whether there
    /// was any.
    ///
    /// # Errors
    /// Frames cannot be told apart any more, or the head makes no sense.
    pub(crate) fn take(&mut self, origin: &str, intake: &mut Intake<D::Out>) -> Result<bool> {
        let frames = self.decoder.frames();
        loop {
            let pending = self.buffer.pending();
            let used = self.decoder.take(pending, self.at_end, origin, intake)?;
            self.buffer.consume(used);
            if used == 0 {
                self.has_frames = false;
                break;
            }
            if intake.is_full() {
                break;
            }
        }
        Ok(frames != self.decoder.frames())
    }
}
