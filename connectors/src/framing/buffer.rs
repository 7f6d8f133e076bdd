//! Bytes that were read and not yet used.

/// A buffer that a socket or file fills at one end and a framing empties at the other.
///
/// It grows as far as one frame needs, and moves its bytes only when it is out of room.
///
/// ```
/// use millstream_connectors::framing::ReadBuffer;
///
/// let mut buffer = ReadBuffer::new();
/// buffer.room(5).copy_from_slice(b"a\nbcd");
/// buffer.filled(5);
/// buffer.consume(2);
/// assert_eq!(buffer.pending(), b"bcd");
/// ```
#[derive(Debug, Default)]
pub struct ReadBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl ReadBuffer {
    /// An empty one, without memory of its own yet.
    pub const fn new() -> Self {
        ReadBuffer {
            bytes: Vec::new(),
            start: 0,
            end: 0,
        }
    }

    /// What was read and not yet used.
    #[inline]
    pub fn pending(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Exactly `bytes` bytes of room to read into, behind what is pending.
    pub fn room(&mut self, bytes: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < bytes {
            // Moving pays when what is pending is less than what it makes free; else it grows, by
            // doubling. So no byte is moved more than a few times.
            let worth = self.start >= self.end - self.start;
            let fits = self.bytes.len() - self.end + self.start >= bytes;
            if !(worth && fits) {
                let needed = self.end + bytes;
                self.bytes
                    .resize(needed.max(self.bytes.len().saturating_mul(2)), 0);
            } else {
                self.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
        }
        self.bytes
            .get_mut(self.end..self.end + bytes)
            .unwrap_or_default()
    }

    /// `bytes` bytes of the room now hold something.
    pub fn filled(&mut self, bytes: usize) {
        self.end = self.end.saturating_add(bytes).min(self.bytes.len());
    }

    /// The first `bytes` pending bytes are used.
    #[inline]
    pub fn consume(&mut self, bytes: usize) {
        self.start = self.start.saturating_add(bytes).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }
}
