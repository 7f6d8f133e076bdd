//! Windows that follow one upon the other.

use std::time::Duration;

use millstream_engine::time::{Timestamp, whole_micros};

use crate::window::{Window, WindowAssigner};

/// Windows of one length, each beginning where the one before it ends. Every record is in exactly one.
///
/// They are aligned to 1970-01-01T00:00:00Z, not to the first record: those of an hour begin at every full hour.
///
/// ```
/// use millstream_engine::time::{Timestamp, hours};
/// use millstream_operators::Tumbling;
///
/// let days_of_new_york_in_winter = Tumbling::of(hours(24)).with_offset(hours(5));
/// let window = days_of_new_york_in_winter.window_of("2013-01-01T02:00:00Z".parse()?);
/// assert_eq!(window.start, "2012-12-31T05:00:00Z".parse()?);
/// assert_eq!(window.end, "2013-01-01T05:00:00Z".parse()?);
/// # Ok::<(), millstream_engine::time::ParseTimestampError>(())
/// ```
///
/// Source: fixed windows of Akidau et al., *The Dataflow Model*, VLDB 2015.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tumbling {
    size: i64,
    offset: i64,
}

impl Tumbling {
    /// Windows this long. (A microsecond at least; reckoned in whole ones.)
    ///
    /// [`Tumbling`] has an example.
    pub fn of(size: Duration) -> Self {
        Tumbling {
            size: whole_micros(size),
            offset: 0,
        }
    }

    /// The same windows, each beginning so much later.
    ///
    /// Whole sizes in it make no difference. [`Tumbling`] has an example.
    #[must_use]
    pub fn with_offset(mut self, offset: Duration) -> Self {
        self.offset = whole_micros(offset).checked_rem(self.size).unwrap_or(0);
        self
    }

    /// The window `time` lies in.
    ///
    /// [`Tumbling`] has an example.
    pub fn window_of(&self, time: Timestamp) -> Window {
        // Wide, because the first window of all begins before the first timestamp.
        let (time, size) = (i128::from(time.as_micros()), i128::from(self.size.max(1)));
        let start = time - (time - i128::from(self.offset)).rem_euclid(size);
        Window {
            start: clamped(start),
            end: clamped(start + size),
        }
    }
}

impl WindowAssigner for Tumbling {
    fn assign(&self, time: Timestamp, give: &mut dyn FnMut(Window)) {
        give(self.window_of(time));
    }

    fn slice(&self, time: Timestamp) -> Window {
        self.window_of(time)
    }

    fn kind(&self) -> String {
        format!("tumbling {} us from {} us", self.size, self.offset)
    }

    fn beat(&self) -> i64 {
        gcd(self.size, self.offset)
    }

    fn mistake(&self) -> Option<String> {
        (self.size < 1).then(|| "are shorter than a microsecond".to_owned())
    }
}

/// The greatest common divisor.
pub(super) fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// As a timestamp, if need be the first or the last there is.
pub(super) fn clamped(micros: i128) -> Timestamp {
    let (lowest, highest) = (i128::from(i64::MIN), i128::from(i64::MAX));
    Timestamp::from_micros(micros.clamp(lowest, highest) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(size: u64, offset: u64) -> Tumbling {
        Tumbling::of(Duration::from_micros(size)).with_offset(Duration::from_micros(offset))
    }

    proptest! {
        #[test]
        fn every_time_lies_in_one_window_that_begins_where_another_ends(
            time in any::<i32>(), size in 1..1_000u64, offset in 0..2_000u64,
        ) {
            let windows = of(size, offset);
            let window = windows.window_of(Timestamp::from_micros(time.into()));
            let (start, end) = (window.start.as_micros(), window.end.as_micros());
            prop_assert!(window.contains(Timestamp::from_micros(time.into())));
            prop_assert_eq!(end - start, size as i64);
            prop_assert_eq!((start - offset as i64).rem_euclid(size as i64), 0);
            prop_assert_eq!(end % windows.beat(), 0);
            prop_assert_eq!(windows.window_of(window.last()), window);
        }
    }

    #[test]
    fn the_ends_of_time_have_windows_too() {
        for time in [Timestamp::MIN, Timestamp::MAX] {
            let window = of(7, 3).window_of(time);
            assert!(window.start <= time && time <= window.end);
            assert_eq!(of(7, 3).window_of(window.start), window);
        }
        assert!(of(0, 5).mistake().is_some() && of(1, 5).mistake().is_none());
    }
}
