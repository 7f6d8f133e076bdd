//! The whole message, datagram or file is one frame.

use super::{Cut, FrameError, Framing, MAX_FRAME};
use crate::codec::CodecError;

/// One frame from beginning to end. What is empty holds no frame.
#[derive(Clone, Debug)]
pub struct Whole {
    max: usize,
    skipping: bool,
}

impl Whole {
    /// A frame of at most 16 MiB.
    pub const fn new() -> Self {
        Whole {
            max: MAX_FRAME,
            skipping: false,
        }
    }

    /// A frame of at most `bytes` bytes; a longer one is a bad record.
    #[must_use]
    pub const fn with_max(mut self, bytes: usize) -> Self {
        self.max = bytes;
        self
    }
}

impl Default for Whole {
    fn default() -> Self {
        Whole::new()
    }
}

impl Framing for Whole {
    const UNIT: &'static str = "message";

    #[inline]
    fn cut(&mut self, input: &[u8], end: bool) -> Cut {
        let used = input.len();
        if input.is_empty() {
            self.skipping &= !end;
            Cut::More
        } else if self.skipping {
            self.skipping = !end;
            Cut::Skip { used }
        } else if used > self.max {
            self.skipping = !end;
            let cause = FrameError::TooLong { limit: self.max };
            Cut::Bad { used, cause }
        } else if end {
            Cut::Frame {
                start: 0,
                end: used,
                used,
            }
        } else {
            Cut::More
        }
    }

    fn is_skipping(&self) -> bool {
        self.skipping
    }

    fn finish(&self, _out: &mut Vec<u8>, _start: usize) -> Result<(), CodecError> {
        Ok(())
    }
}
