//! Windows of event time.

mod aggregate;
mod assigner;
mod join;
mod open;
mod preaggregate;
mod sliding;
mod tumbling;

pub use aggregate::WindowResults;
pub use assigner::WindowAssigner;
pub use join::SameKey;
pub use sliding::Sliding;
pub use tumbling::Tumbling;

use millstream_engine::Error;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::keyed::{Key, KeyedStream};
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
    #[inline]
    pub fn contains(self, time: Timestamp) -> bool {
        self.start <= time && time < self.end
    }

    /// Its last moment, a microsecond before its end: the timestamp of its results.
    pub fn last(self) -> Timestamp {
        Timestamp::from_micros(self.end.as_micros().saturating_sub(1))
    }
}

/// What a window came to, under one key. Its timestamp is the [last](Window::last) moment of the window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowResult<K, V> {
    /// The key.
    pub key: K,
    /// The window.
    pub window: Window,
    /// Which of the window's results this is.
    pub pane: Pane,
    /// What it came to.
    pub value: V,
}

/// Which of its window's results a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Pane {
    /// The one given when the watermark passed the window's end.
    OnTime,
}

/// A keyed stream cut into windows; see [`KeyedStream::window`].
#[must_use = "windows do nothing until they are aggregated"]
pub struct WindowedStream<K, T> {
    stream: KeyedStream<K, T>,
    windows: Tumbling,
    /// Whether it is aggregated before the shuffle as well; `None`: where it pays.
    preaggregated: Option<bool>,
}

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Cuts the stream into windows of event time, each key's for itself.
    ///
    /// A window's result is given when the watermark passes its end. A record that comes later than that is late.
    /// The state is that of the windows the watermark has not passed.
    pub fn window(self, windows: Tumbling) -> WindowedStream<K, T> {
        WindowedStream {
            stream: self,
            windows,
            preaggregated: None,
        }
    }
}

/// Notes a mistake if a stream that is put in windows has no event time, or the windows no length.
fn check(tail: &Tail, name: &str, windows: &impl WindowAssigner) {
    let mistake = |text: String| tail.scope.with(|graph| graph.error(Error::config(text)));
    if !tail.timed {
        mistake(format!(
            "`{name}` has windows of event time, but its stream has none: call `.event_time(|record| …, \
             Lateness::bounded(…))` on it, best right behind the source"
        ));
    }
    if let Some(what) = windows.mistake() {
        mistake(format!("the windows of `{name}` {what}"));
    }
}
