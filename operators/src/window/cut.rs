//! Where windows that slide are cut.

use millstream_engine::time::Timestamp;

use crate::window::tumbling::clamped;
use crate::window::{Sliding, Window};

/// The slices of windows that slide: event time cut at every start and every end of a window, and nowhere else.
///
/// So there are one or two slices in each slide, whatever the size. (One for each gcd of size and slide would be
/// up to a million where they do not divide each other.) Slices and windows are numbered from the epoch, and the
/// slices of a window follow one another.
///
/// Source: Krishnamurthy, Wu and Franklin, *On-the-fly Sharing for Streamed Aggregation*, SIGMOD 2006 ("paired
/// windows").
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    size: i64,
    slide: i64,
    offset: i64,
    /// Into a slide a window ends, if none begins at that moment.
    border: Option<i64>,
    /// How many slices a window has.
    slices: i64,
}

/// A window with its slices.
pub(super) struct SlicedWindow {
    pub(super) window: Window,
    /// Its first slice.
    pub(super) first: i64,
    /// The first slice behind it.
    pub(super) behind: i64,
    /// The first slice of the next window.
    pub(super) first_of_next: i64,
}

impl Cut {
    pub(super) fn new(windows: Sliding) -> Self {
        // Those without a length are refused before they run.
        let (size, slide) = (windows.size().max(1), windows.slide().max(1));
        let border = Some(size % slide).filter(|border| *border > 0);
        let whole = size / slide;
        Cut {
            size,
            slide,
            offset: windows.offset(),
            border,
            slices: match border {
                Some(_) => whole.saturating_mul(2).saturating_add(1),
                None => whole,
            },
        }
    }

    /// The slice `time` lies in: its number, and from when until when it is.
    pub(super) fn slice_of(&self, time: Timestamp) -> (i64, Window) {
        let (slide, into) = self.slide_of(time.as_micros());
        let begin = i128::from(time.as_micros()) - i128::from(into);
        let (index, from, until) = match self.border {
            None => (slide, 0, self.slide),
            Some(border) if into < border => (slide.saturating_mul(2), 0, border),
            Some(border) => (slide.saturating_mul(2) | 1, border, self.slide),
        };
        let at = |into: i64| clamped(begin + i128::from(into));
        let (start, end) = (at(from), at(until));
        (index, Window { start, end })
    }

    /// When the last window of a slice ends: in none, it is never late.
    pub(super) fn last_end(&self, slice: i64) -> Timestamp {
        let last = self.last_window(slice);
        last.map_or(Timestamp::MAX, |window| self.window(window).end)
    }

    /// In which slide a time is, and how far into it.
    fn slide_of(&self, micros: i64) -> (i64, i64) {
        if let Some(time) = micros.checked_sub(self.offset) {
            return (time.div_euclid(self.slide), time.rem_euclid(self.slide));
        }
        // The offset is less than the slide, so what is left fits again.
        let time = i128::from(micros) - i128::from(self.offset);
        let slide = i128::from(self.slide);
        (time.div_euclid(slide) as i64, time.rem_euclid(slide) as i64)
    }

    /// The slide a slice is in: the last window that could hold it.
    fn slide_of_slice(&self, slice: i64) -> i64 {
        slice >> u32::from(self.border.is_some())
    }

    /// The last window a slice is in; none if it lies in a gap between windows.
    pub(super) fn last_window(&self, slice: i64) -> Option<i64> {
        let window = self.slide_of_slice(slice);
        (slice < self.behind(window)).then_some(window)
    }

    /// The first window a slice is in, if it is in one.
    pub(super) fn first_window(&self, slice: i64) -> i64 {
        let behind = self.slide_of_slice(slice.saturating_sub(self.slices));
        behind.saturating_add(1)
    }

    /// The first slice of a window.
    pub(super) fn first_slice(&self, window: i64) -> i64 {
        window.saturating_mul(1 + i64::from(self.border.is_some()))
    }

    /// The first slice behind a window.
    pub(super) fn behind(&self, window: i64) -> i64 {
        self.first_slice(window).saturating_add(self.slices)
    }

    /// The first window that is open when the watermark is at `watermark`.
    pub(super) fn open_at(&self, watermark: Timestamp) -> i64 {
        if watermark == Timestamp::MAX {
            return i64::MAX;
        }
        let (size, slide) = (i128::from(self.size), i128::from(self.slide));
        let end_of_window_0 = i128::from(self.offset) + size;
        let closed = (i128::from(watermark.as_micros()) - end_of_window_0).div_euclid(slide);
        clamped(closed + 1).as_micros()
    }

    /// A window with its slices.
    pub(super) fn sliced(&self, window: i64) -> SlicedWindow {
        SlicedWindow {
            window: self.window(window),
            first: self.first_slice(window),
            behind: self.behind(window),
            first_of_next: self.first_slice(window.saturating_add(1)),
        }
    }

    /// From when until when a window is.
    pub(super) fn window(&self, window: i64) -> Window {
        let start = i128::from(self.offset) + i128::from(window) * i128::from(self.slide);
        Window {
            start: clamped(start),
            end: clamped(start + i128::from(self.size)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::WindowAssigner;
    use crate::testing::at;

    fn sliding(size: u64, slide: u64, offset: u64) -> Sliding {
        let micros = Duration::from_micros;
        Sliding::of(micros(size), micros(slide)).with_offset(micros(offset))
    }

    proptest! {
        #[test]
        fn the_windows_of_a_slice_are_those_of_each_of_its_times(
            time in -500..500i64, size in 1..60u64, slide in 1..60u64, offset in 0..100u64,
        ) {
            let windows = sliding(size, slide, offset);
            let cut = Cut::new(windows);
            let (slice, bounds) = cut.slice_of(at(time));
            prop_assert!(bounds.contains(at(time)));
            prop_assert_eq!(cut.slice_of(bounds.start), (slice, bounds));
            prop_assert_eq!(cut.slice_of(bounds.last()), (slice, bounds));
            prop_assert_eq!(cut.slice_of(bounds.end).0, slice + 1);
            let mut expected = Vec::new();
            windows.assign(at(time), &mut |window| expected.push(window));
            let given: Vec<_> = match cut.last_window(slice) {
                Some(last) => (cut.first_window(slice)..=last).map(|w| cut.window(w)).collect(),
                None => Vec::new(),
            };
            prop_assert_eq!(&given, &expected);
            for window in cut.first_window(slice) - 2..cut.first_window(slice) + 3 {
                let holds = cut.first_slice(window) <= slice && slice < cut.behind(window);
                prop_assert_eq!(holds, expected.contains(&cut.window(window)));
            }
        }

        #[test]
        fn open_is_the_first_window_that_ends_behind_the_watermark(
            watermark in -500..500i64, size in 1..60u64, slide in 1..60u64, offset in 0..100u64,
        ) {
            let cut = Cut::new(sliding(size, slide, offset));
            let open = cut.open_at(at(watermark));
            prop_assert!(cut.window(open).end > at(watermark));
            prop_assert!(cut.window(open - 1).end <= at(watermark));
        }
    }

    #[test]
    fn a_slide_has_two_slices_at_most_and_the_ends_of_time_are_in_some() {
        assert_eq!(Cut::new(sliding(10_000_001, 1_000_000, 0)).slices, 21);
        assert_eq!(Cut::new(sliding(10_000_000, 20_000, 0)).slices, 500);
        for windows in [
            sliding(7, 3, 2),
            sliding(1, 1, 0),
            sliding(3, 7, 6),
            sliding(u64::MAX, 2, 1),
        ] {
            let cut = Cut::new(windows);
            for time in [Timestamp::MIN, Timestamp::MAX] {
                let (slice, bounds) = cut.slice_of(time);
                assert!(bounds.start <= time && time <= bounds.end);
                let _ = (
                    cut.first_window(slice),
                    cut.last_window(slice),
                    cut.open_at(time),
                );
            }
        }
    }
}
