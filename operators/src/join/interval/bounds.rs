//! How near each other two records must be.

use std::fmt;
use std::time::Duration;

use millstream_engine::time::{Timestamp, whole_micros};

/// When a right record is near a left one: `left.time + lower <= right.time <= left.time + upper`. Both ends count.
///
/// ```
/// use millstream_engine::time::{minutes, seconds};
/// use millstream_operators::Interval;
///
/// assert_eq!(Interval::after(minutes(1)).to_string(), "[0 us, 60000000 us]");
/// assert_eq!(Interval::before(seconds(1)).to_string(), "[-1000000 us, 0 us]");
/// // From 5 s to 2 s before the left record:
/// assert_eq!(Interval::of_micros(-5_000_000, -2_000_000).to_string(), "[-5000000 us, -2000000 us]");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    lower: i64,
    upper: i64,
}

impl Interval {
    /// At most this long before or after the left record.
    pub fn around(distance: Duration) -> Self {
        Interval::before_and_after(distance, distance)
    }

    /// At most this long before the left record, and not after it.
    pub fn before(most: Duration) -> Self {
        Interval::before_and_after(most, Duration::ZERO)
    }

    /// At most this long after the left record, and not before it.
    pub fn after(most: Duration) -> Self {
        Interval::before_and_after(Duration::ZERO, most)
    }

    /// At most so long before the left record, and so long after it.
    pub fn before_and_after(before: Duration, after: Duration) -> Self {
        Interval::of_micros(-whole_micros(before), whole_micros(after))
    }

    /// From `lower` to `upper` microseconds after the left record; negative ones are before it.
    pub const fn of_micros(lower: i64, upper: i64) -> Self {
        Interval { lower, upper }
    }

    /// The first moment and the last at which a partner of a left record at `time` can be.
    pub(super) fn of_left(self, time: Timestamp) -> (Timestamp, Timestamp) {
        (shifted(time, self.lower), shifted(time, self.upper))
    }

    /// The same for a right record.
    pub(super) fn of_right(self, time: Timestamp) -> (Timestamp, Timestamp) {
        let (first, last) = (self.upper.saturating_neg(), self.lower.saturating_neg());
        (shifted(time, first), shifted(time, last))
    }

    pub(super) fn length(self) -> i64 {
        self.upper.saturating_sub(self.lower)
    }

    pub(super) fn mistake(self) -> Option<String> {
        (self.lower > self.upper).then(|| "begins behind its end".to_owned())
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} us, {} us]", self.lower, self.upper)
    }
}

fn shifted(time: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(time.as_micros().saturating_add(micros))
}
