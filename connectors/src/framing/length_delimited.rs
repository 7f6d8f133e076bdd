//! Frames that say how long they are.

use super::{Cut, FrameError, Framing, MAX_FRAME};
use crate::codec::CodecError;

/// Frames with their length before them (4 bytes, most significant first, unless set otherwise). The
/// length does not count itself.
///
/// A length beyond the bound breaks the stream: what follows cannot be told from garbage.
#[derive(Clone, Debug)]
pub struct LengthDelimited {
    width: usize,
    little_endian: bool,
    max: usize,
}

impl LengthDelimited {
    /// Big-endian 32-bit lengths, frames of at most 16 MiB.
    pub const fn new() -> Self {
        LengthDelimited {
            width: 4,
            little_endian: false,
            max: MAX_FRAME,
        }
    }

    /// Frames of at most `bytes` bytes, their length not counted.
    #[must_use]
    pub const fn with_max(mut self, bytes: usize) -> Self {
        self.max = bytes;
        self
    }

    /// Lengths of `bytes` bytes, 1 to 8; what is beyond is taken as the nearest of them.
    #[must_use]
    pub const fn with_width(mut self, bytes: usize) -> Self {
        self.width = match bytes {
            0 => 1,
            1..=8 => bytes,
            _ => 8,
        };
        self
    }

    /// Lengths with the least significant byte first.
    #[must_use]
    pub const fn little_endian(mut self) -> Self {
        self.little_endian = true;
        self
    }

    fn length(&self, prefix: &[u8]) -> u64 {
        let push = |length: u64, byte: &u8| length << 8 | u64::from(*byte);
        if self.little_endian {
            prefix.iter().rev().fold(0, push)
        } else {
            prefix.iter().fold(0, push)
        }
    }
}

impl Default for LengthDelimited {
    fn default() -> Self {
        LengthDelimited::new()
    }
}

impl Framing for LengthDelimited {
    const UNIT: &'static str = "frame";

    #[inline]
    fn cut(&mut self, input: &[u8], end: bool) -> Cut {
        let missing = if end && !input.is_empty() {
            Cut::Bad {
                used: input.len(),
                cause: FrameError::CutShort,
            }
        } else {
            Cut::More
        };
        let Some((prefix, rest)) = input.split_at_checked(self.width) else {
            return missing;
        };
        let announced = self.length(prefix);
        let length = match usize::try_from(announced) {
            Ok(length) if length <= self.max => length,
            _ => {
                return Cut::Broken(FrameError::TooLongAnnounced {
                    length: announced,
                    limit: self.max,
                });
            }
        };
        if rest.len() < length {
            return missing;
        }
        Cut::Frame {
            start: self.width,
            end: self.width + length,
            used: self.width + length,
        }
    }

    fn is_skipping(&self) -> bool {
        false
    }

    fn begin(&self, out: &mut Vec<u8>) {
        out.resize(out.len() + self.width, 0);
    }

    fn finish(&self, out: &mut Vec<u8>, start: usize) -> Result<(), CodecError> {
        let frame = out.get_mut(start..).unwrap_or_default();
        let length = frame.len().saturating_sub(self.width);
        let bits = u32::try_from(8 * self.width).unwrap_or(u32::MAX);
        let fits = (length as u64).checked_shr(bits).unwrap_or(0) == 0;
        if length > self.max || !fits {
            return Err(CodecError::new(format!(
                "a frame of {length} bytes is longer than its bound or its length prefix allows"
            )));
        }
        let prefix = frame.iter_mut().take(self.width);
        let mut rest = length as u64;
        let mut put = |byte: &mut u8| {
            *byte = (rest & 0xff) as u8;
            rest >>= 8;
        };
        if self.little_endian {
            prefix.for_each(&mut put);
        } else {
            prefix.rev().for_each(&mut put);
        }
        Ok(())
    }
}
