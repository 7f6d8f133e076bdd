//! The window of everything.

use millstream_engine::time::Timestamp;

use crate::window::{Window, WindowAssigner};

/// One window for each key that never ends: it speaks when its [`Trigger`](crate::Trigger) says so, and at last when
/// the stream ends.
///
/// The state grows with the number of keys and is kept for ever; with [`Panes::Discarding`](crate::Panes::Discarding)
/// only a few numbers of each key are.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream::operators::{Every, Global, Trigger};
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("prices", from_iter([3, 1, 4, 1, 5]))
///     .event_time(|price| Timestamp::from_secs(*price), Lateness::bounded(minutes(1)))
///     .window_all(Global::new())
///     .trigger(Trigger::every(Every::records(2)))
///     .aggregate("highest", max(|price: &i64| *price))
///     .map(|(), result| (result.pane.number, result.value))
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// assert_eq!(results.take(), [(0, 3), (1, 4), (2, 5)]);
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// Source: the global window of Beam and Flink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Global;

impl Global {
    /// The window of everything.
    pub const fn new() -> Self {
        Global
    }
}

impl WindowAssigner for Global {
    fn assign(&self, _time: Timestamp, give: &mut dyn FnMut(Window)) {
        give(Window {
            start: Timestamp::MIN,
            end: Timestamp::MAX,
        });
    }

    fn slice(&self, _time: Timestamp) -> Window {
        Window {
            start: Timestamp::MIN,
            end: Timestamp::MAX,
        }
    }

    fn kind(&self) -> String {
        "global".to_owned()
    }

    fn beat(&self) -> i64 {
        0
    }
}
