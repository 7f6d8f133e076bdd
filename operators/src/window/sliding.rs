//! Windows that overlap.

use std::time::Duration;

use millstream_engine::time::{Timestamp, whole_micros};

use crate::window::cut::Cut;
use crate::window::tumbling::{clamped, gcd};
use crate::window::{Window, WindowAssigner};

/// Windows of one length, a new one beginning every so often ("hopping"). A record is in `size / slide` of them.
///
/// They are aligned to 1970-01-01T00:00:00Z, not to the first record. With a slide longer than the size there are gaps
/// between them, and records in no window. Neither need divide the other.
///
/// ```
/// use millstream_engine::time::{Timestamp, minutes};
/// use millstream_operators::{Sliding, WindowAssigner};
///
/// let windows = Sliding::of(minutes(10), minutes(5));
/// let mut starts = Vec::new();
/// windows.assign(Timestamp::from_secs(12 * 60), &mut |window| starts.push(window.start));
/// assert_eq!(starts, [Timestamp::from_secs(5 * 60), Timestamp::from_secs(10 * 60)]);
/// ```
///
/// A record costs the same however many it is in: it touches one slice, and a key has two slices at most for each slide.
/// Only those of its windows that have ended and are kept, because lateness is
/// [allowed](crate::WindowedStream::allowed_lateness), it changes one by one, and all of them if a
/// [trigger](crate::WindowedStream::trigger) counts the records of each before it ends. What is kept besides the slices:
/// of a window that gave an early pane, the number of its panes (and what it said, if that is to be taken back), until
/// it ends; of one that has ended, its whole state, as long as lateness is allowed.
///
/// Source: sliding windows of Akidau et al., *The Dataflow Model*, VLDB 2015; slices by Krishnamurthy, Wu and Franklin,
/// SIGMOD 2006.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sliding {
    size: i64,
    slide: i64,
    offset: i64,
}

impl Sliding {
    /// Windows of this size, one beginning every `slide`. (Both a microsecond at least; reckoned in whole ones.)
    ///
    /// [`Sliding`] has an example.
    pub fn of(size: Duration, slide: Duration) -> Self {
        Sliding {
            size: whole_micros(size),
            slide: whole_micros(slide),
            offset: 0,
        }
    }

    /// The same windows, each beginning so much later.
    ///
    /// ```
    /// use millstream_engine::time::{Timestamp, minutes};
    /// use millstream_operators::{Sliding, WindowAssigner};
    ///
    /// let windows = Sliding::of(minutes(10), minutes(10)).with_offset(minutes(3));
    /// windows.assign(Timestamp::from_secs(0), &mut |window| {
    ///     assert_eq!(window.start, Timestamp::from_secs(-7 * 60));
    /// });
    /// ```
    #[must_use]
    pub fn with_offset(mut self, offset: Duration) -> Self {
        self.offset = whole_micros(offset).checked_rem(self.slide).unwrap_or(0);
        self
    }

    /// How long a window is, in microseconds.
    pub(super) fn size(&self) -> i64 {
        self.size
    }

    /// How long after one window the next begins, in microseconds.
    pub(super) fn slide(&self) -> i64 {
        self.slide
    }

    /// How long after the epoch a window begins: from 0 up to, and not including, the slide.
    pub(super) fn offset(&self) -> i64 {
        self.offset
    }
}

impl WindowAssigner for Sliding {
    fn assign(&self, time: Timestamp, give: &mut dyn FnMut(Window)) {
        // Wide, because the first window of all begins before the first timestamp.
        let (time, size) = (i128::from(time.as_micros()), i128::from(self.size.max(1)));
        let (slide, offset) = (i128::from(self.slide.max(1)), i128::from(self.offset));
        let last = time - (time - offset).rem_euclid(slide);
        let behind_first = time - size;
        let mut start = last - (last - behind_first - 1).div_euclid(slide) * slide;
        while start <= last {
            give(Window {
                start: clamped(start),
                end: clamped(start + size),
            });
            start += slide;
        }
    }

    fn slice(&self, time: Timestamp) -> Window {
        Cut::new(*self).slice_of(time).1
    }

    fn kind(&self) -> String {
        let Sliding {
            size,
            slide,
            offset,
        } = self;
        format!("sliding {size} us by {slide} us from {offset} us")
    }

    fn beat(&self) -> i64 {
        let end = i128::from(self.offset) + i128::from(self.size);
        gcd(
            self.slide,
            end.rem_euclid(i128::from(self.slide.max(1))) as i64,
        )
    }

    fn mistake(&self) -> Option<String> {
        let shortest = self.size.min(self.slide);
        (shortest < 1).then(|| "are shorter than a microsecond, or slide by less".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_aligned_window_around_a_time_is_given_and_no_other(
            time in -500..500i64, size in 1..60i64, slide in 1..60i64, offset in 0..100i64,
        ) {
            let micros = |n: i64| Duration::from_micros(n as u64);
            let windows = Sliding::of(micros(size), micros(slide)).with_offset(micros(offset));
            let mut given = Vec::new();
            windows.assign(Timestamp::from_micros(time), &mut |window| given.push(window));
            let expected: Vec<Window> = (-1_000..1_000)
                .filter(|start| (start - offset).rem_euclid(slide) == 0)
                .map(|start| Window {
                    start: Timestamp::from_micros(start),
                    end: Timestamp::from_micros(start + size),
                })
                .filter(|window| window.contains(Timestamp::from_micros(time)))
                .collect();
            for window in &given {
                prop_assert_eq!(window.end.as_micros() % windows.beat(), 0);
            }
            prop_assert_eq!(given, expected);
        }
    }

    #[test]
    fn the_ends_of_time_have_windows_too_and_none_are_empty() {
        for time in [Timestamp::MIN, Timestamp::MAX] {
            let mut count = 0;
            Sliding::of(Duration::from_micros(7), Duration::from_micros(3)).assign(
                time,
                &mut |window| {
                    count += 1;
                    assert!(window.start <= time && time <= window.end);
                },
            );
            assert!(count >= 2);
        }
        for (size, slide) in [(0, 1), (1, 0)] {
            let windows = Sliding::of(Duration::from_micros(size), Duration::from_micros(slide));
            assert!(windows.mistake().is_some());
        }
    }
}
