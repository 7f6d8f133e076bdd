//! Windows of event time, and of processing time.
//!
//! By duty: an [`assigner`] says which windows a record falls into ([`tumbling`], [`sliding`], [`session`],
//! [`global`], the user's own); a [`trigger`] when they speak; a [`pane`] is what they say. [`stream`] is what the
//! user writes; [`rules`] is what came of it. [`aggregate`] picks the operator: [`once`] for tumbling windows that speak
//! once, [`sliced`] for sliding ones, [`general`] for all else. [`cut`] says where slices begin, [`pulses`] when windows
//! speak again and again. [`two_stages`] puts another operator before the first two, which does not shuffle. Windows by
//! number of records are in [`count`].
//!
//! When time comes to the end of a window, the operator *ends* it: it speaks, and is *kept* as long as lateness is allowed.
//! Then it is *closed*.

mod aggregate;
mod assigner;
mod count;
mod cut;
mod general;
mod global;
mod once;
mod open;
mod pane;
mod pulses;
mod rules;
mod session;
mod sliced;
mod sliding;
mod stream;
mod trigger;
mod tumbling;
mod two_stages;

pub use aggregate::WindowResults;
pub use assigner::WindowAssigner;
pub use count::CountWindowedStream;
pub use global::Global;
pub use pane::{Pane, Panes, Timing, WindowResult};
pub use session::Session;
pub use sliding::Sliding;
pub use stream::WindowedStream;
pub use trigger::{Every, Trigger};
pub use tumbling::Tumbling;
pub use two_stages::TwoStageStream;

use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::scope::Tail;

/// A stretch of event time: from `start` up to, and not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment behind it.
    pub end: Timestamp,
}

impl Window {
    /// Whether `time` lies in it.
    ///
    /// ```
    /// use millstream_engine::time::Timestamp;
    /// use millstream_operators::Window;
    ///
    /// let [start, end] = [0, 60].map(Timestamp::from_secs);
    /// let minute = Window { start, end };
    /// assert!(minute.contains(start) && !minute.contains(end));
    /// ```
    #[inline]
    pub fn contains(self, time: Timestamp) -> bool {
        self.start <= time && time < self.end
    }

    /// Its last moment, a microsecond before its end: the timestamp of its results.
    ///
    /// ```
    /// use millstream_engine::time::Timestamp;
    /// use millstream_operators::Window;
    ///
    /// let [start, end] = [0, 60].map(Timestamp::from_secs);
    /// assert_eq!(Window { start, end }.last(), Timestamp::from_micros(59_999_999));
    /// ```
    pub fn last(self) -> Timestamp {
        Timestamp::from_micros(self.end.as_micros().saturating_sub(1))
    }

    /// In the words of [`why`](millstream_engine::why).
    pub(crate) fn told(self) -> String {
        match (self.start, self.end) {
            (Timestamp::MIN, Timestamp::MAX) => "the window of everything".to_owned(),
            (start, end) => format!("the window from {start} to {end}"),
        }
    }

    /// Whether they have a moment in common.
    fn overlaps(self, other: Window) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// The smallest window that spans both.
    pub(crate) fn hull(self, other: Window) -> Window {
        Window {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// Notes a mistake if a stream that is put in windows of event time has none, or the windows are nothing.
fn check(tail: &Tail, name: &str, windows: &impl WindowAssigner) {
    tail.must_be_timed(name);
    if let Some(what) = windows.mistake() {
        tail.mistake(format!("the windows of `{name}` {what}"));
    }
}
