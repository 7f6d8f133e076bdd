//! Windows that end where nothing happens.

use std::time::Duration;

use millstream_engine::time::{Timestamp, whole_micros};

use crate::window::{Window, WindowAssigner};

/// Sessions: a key's records that are less than `gap` apart, one after the other, are in one window; it ends `gap`
/// behind the last of them.
///
/// Records may come in any order: one between two sessions makes them one. Once the watermark has passed a
/// session's end it speaks, and is forgotten as soon as it is no longer
/// [allowed](crate::WindowedStream::allowed_lateness) to be late. A record within reach of a session that is not
/// forgotten is never late. Whether what was said of sessions that become one is taken back says
/// [`Panes`](crate::Panes).
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream::operators::Session;
/// # let results = Collect::new();
/// # let out = results.clone();
/// # let flow = Flow::new("docs", move |flow| {
/// flow.source("clicks", from_iter([("ann", 0), ("bob", 10), ("ann", 25), ("ann", 70)]))
///     .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::bounded(minutes(1)))
///     .key_by(|(who, _)| who.to_string())
///     .window(Session::gap(seconds(30)))
///     .aggregate("visits", count())
///     .map(|who, visit| (visit.window.start.as_millis(), visit.window.end.as_millis(), who, visit.value))
///     .sink("out", out.sink());
/// # });
/// # flow.with_parallelism(2).simulate(1)?;
/// let mut visits = results.take();
/// visits.sort();
/// assert_eq!(visits[0], (0, 55_000, "ann".to_owned(), 2));
/// assert_eq!(visits[1], (10_000, 40_000, "bob".to_owned(), 1));
/// assert_eq!(visits[2], (70_000, 100_000, "ann".to_owned(), 1));
/// # Ok::<(), millstream::Error>(())
/// ```
///
/// Source: Akidau et al., *The Dataflow Model*, VLDB 2015.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    gap: i64,
}

impl Session {
    /// Sessions that end when so long nothing happens. (A microsecond at least; reckoned in whole ones.)
    ///
    /// [`Session`] has an example.
    pub fn gap(gap: Duration) -> Self {
        Session {
            gap: whole_micros(gap),
        }
    }
}

impl WindowAssigner for Session {
    fn assign(&self, time: Timestamp, give: &mut dyn FnMut(Window)) {
        let end = time.as_micros().saturating_add(self.gap.max(1));
        give(Window {
            start: time,
            end: Timestamp::from_micros(end),
        });
    }

    fn merges(&self) -> bool {
        true
    }

    fn kind(&self) -> String {
        format!("sessions with a gap of {} us", self.gap)
    }

    fn mistake(&self) -> Option<String> {
        (self.gap < 1).then(|| "have a gap of less than a microsecond".to_owned())
    }
}
