//! One stream of bytes, cut and decoded into an intake.

use millstream_engine::bad_record::BadRecord;
use millstream_engine::source::Intake;
use millstream_engine::{Error, Result};

use super::{CodecError, Decoder, Format};
use crate::framing::{Cut, FrameError, Framing};

/// Cuts and decodes one stream of bytes (a file, a connection), an intake at a time.
///
/// ```
/// use millstream_connectors::codec::{FrameDecoder, json_lines};
/// use millstream_engine::source::Intake;
///
/// let mut decoder = FrameDecoder::new(json_lines::<u32>());
/// let mut intake = Intake::new();
/// let used = decoder.take(b"1\n2\noops\n4", false, "peer", &mut intake)?;
/// assert_eq!((used, intake.take_values()), (9, vec![1, 2]));
/// assert_eq!(intake.take_bad()[0].position, "line 3, byte 4");
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FrameDecoder<F, D> {
    framing: F,
    decoder: D,
    wants_head: bool,
    offset: u64,
    /// Where the last frame began that was left out.
    skipped: u64,
    /// Frames so far, if they are counted.
    frames: Option<u64>,
}

/// So many bytes are decoded in one go, even where they are few records: it bounds what an intake
/// holds and how long a task is busy with it.
const MAX_BYTES: usize = 256 << 10;

impl<F: Framing, D: Decoder> FrameDecoder<F, D> {
    /// At the beginning of a stream.
    pub fn new(format: Format<F, D>) -> Self {
        FrameDecoder {
            wants_head: format.codec.wants_head(),
            framing: format.framing,
            decoder: format.codec,
            offset: 0,
            skipped: 0,
            frames: Some(0),
        }
    }

    /// The same format at byte `offset` of the stream, where a frame begins. The head was seen if
    /// this decoder saw it. `frames` is how many frames there are before, if that is known.
    #[must_use]
    pub fn at(mut self, offset: u64, frames: Option<u64>) -> Self {
        self.offset = offset;
        self.frames = frames;
        self
    }

    /// Where in the stream the next frame begins. Inside a frame that is left out because it is too
    /// long, that is its own beginning.
    pub fn offset(&self) -> u64 {
        match self.framing.is_skipping() {
            true => self.skipped,
            false => self.offset,
        }
    }

    /// How many frames there are before, if they were counted from the beginning.
    pub fn frames(&self) -> Option<u64> {
        self.frames
    }

    /// Whether the head of the stream is still to come.
    pub fn wants_head(&self) -> bool {
        self.wants_head
    }

    /// Whether it is inside a frame that is left out because it is too long.
    pub fn is_skipping(&self) -> bool {
        self.framing.is_skipping()
    }

    /// Decodes frames of `input` until it has no whole one left or enough was taken in; says how many
    /// bytes were used. The next call gets what was not used, with what came in meanwhile behind it.
    ///
    /// `end` says that nothing follows `input`; then all of it is used in the end. `origin` names the
    /// stream in bad records.
    ///
    /// # Errors
    /// Frames cannot be told apart any more, or the head makes no sense.
    pub fn take(
        &mut self,
        input: &[u8],
        end: bool,
        origin: &str,
        intake: &mut Intake<D::Out>,
    ) -> Result<usize> {
        let mut used = 0;
        if self.wants_head {
            used = self.take_head(input, end, origin)?;
            if self.wants_head {
                return Ok(used);
            }
        }
        while !intake.is_full() && used < MAX_BYTES {
            let rest = input.get(used..).unwrap_or_default();
            let cut = self.framing.cut(rest, end);
            if let Cut::Frame { start, end, .. } = cut {
                let frame = rest.get(start..end).unwrap_or_default();
                match self.decoder.decode(frame) {
                    Ok(Some(value)) => intake.push(value),
                    Ok(None) => {}
                    Err(cause) => intake.bad(self.bad_value(frame, origin, &cause)),
                }
            }
            let step = match cut {
                Cut::More => break,
                Cut::Skip { used } => {
                    self.offset += used as u64;
                    used
                }
                Cut::Frame { used, .. } => self.advance(used),
                Cut::Bad { used, cause } => {
                    let bad = rest.get(..used).unwrap_or_default();
                    intake.bad(self.bad_frame(bad, origin, &cause));
                    self.skipped = self.offset;
                    self.advance(used)
                }
                Cut::Broken(cause) => return Err(self.broken(origin, &cause)),
            };
            used += step;
        }
        Ok(used)
    }

    /// Takes the head of the stream, if one is [wanted](FrameDecoder::wants_head); says how many bytes
    /// were used.
    ///
    /// # Errors
    /// It makes no sense.
    pub fn take_head(&mut self, input: &[u8], end: bool, origin: &str) -> Result<usize> {
        let mut used = 0;
        while self.wants_head {
            let rest = input.get(used..).unwrap_or_default();
            used += match self.framing.cut(rest, end) {
                Cut::More => break,
                Cut::Frame { start, end, used } => {
                    let frame = rest.get(start..end).unwrap_or_default();
                    let head = self.decoder.head(frame);
                    self.wants_head = !head.map_err(|cause| self.broken(origin, &cause))?;
                    self.advance(used)
                }
                Cut::Skip { used } => used,
                Cut::Bad { cause, .. } | Cut::Broken(cause) => {
                    return Err(self.broken(origin, &cause));
                }
            };
        }
        Ok(used)
    }

    #[inline]
    fn advance(&mut self, used: usize) -> usize {
        self.offset += used as u64;
        if let Some(frames) = &mut self.frames {
            *frames += 1;
        }
        used
    }

    #[cold]
    fn broken(&self, origin: &str, cause: &dyn std::error::Error) -> Error {
        Error::data(format!("{origin}, {}: {cause}", self.position()))
    }

    fn position(&self) -> String {
        match self.frames {
            Some(frames) => format!("{} {}, byte {}", F::UNIT, frames + 1, self.offset),
            None => format!("byte {}", self.offset),
        }
    }

    #[cold]
    fn bad_value(&self, frame: &[u8], origin: &str, cause: &CodecError) -> BadRecord {
        BadRecord::new(origin, self.position(), frame, cause)
    }

    #[cold]
    fn bad_frame(&self, bytes: &[u8], origin: &str, cause: &FrameError) -> BadRecord {
        // How much of a long frame is here depends on how its bytes came in; what is kept must not.
        let kept = match cause {
            FrameError::TooLong { limit } => bytes.get(..*limit).unwrap_or(bytes),
            _ => bytes,
        };
        BadRecord::broken(origin, self.position(), kept, cause)
    }
}
