//! Streams cut into windows.

use std::time::Duration;

use crate::keyed::{Key, KeyedStream};
use crate::pipe::Pipe;
use crate::stream::Stream;
use crate::timer::TimeDomain;
use crate::window::{Panes, Trigger, WindowAssigner};

/// A keyed stream cut into windows; see [`KeyedStream::window`].
#[must_use = "windows do nothing until they are aggregated"]
pub struct WindowedStream<K, T, W> {
    pub(super) stream: KeyedStream<K, T>,
    pub(super) windows: W,
    pub(super) trigger: Trigger,
    pub(super) panes: Panes,
    pub(super) lateness: Duration,
    pub(super) domain: TimeDomain,
    /// Whether all records are under one key, so that a single replica is enough.
    pub(super) is_one: bool,
}

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Cuts the stream into windows of event time, each key's for itself: [`Tumbling`](crate::Tumbling), [`Sliding`](crate::Sliding),
    /// [`Session`](crate::Session), [`Global`](crate::Global), or a [`WindowAssigner`] of one's own.
    ///
    /// A window's result is given when the watermark passes its end, unless its
    /// [`trigger`](WindowedStream::trigger) says more. A record that comes later than that is late, unless it is
    /// [allowed](WindowedStream::allowed_lateness) to be. The state is that of the windows the watermark has not
    /// passed.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Sliding;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("trades", from_iter([(5, 5.0), (12, 7.0), (17, 6.0)]))
    ///     .event_time(|(at, _)| Timestamp::from_secs(at * 60), Lateness::none())
    ///     .key_by(|_| "all".to_owned())
    ///     .window(Sliding::of(minutes(10), minutes(5)))
    ///     .aggregate("highest", max(|(_, price): &(i64, f64)| *price))
    ///     .values()
    ///     .map(|window| (window.window.start.as_millis() / 60_000, window.value))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(0, 5.0), (5, 7.0), (10, 7.0), (15, 6.0)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn window<W: WindowAssigner>(self, windows: W) -> WindowedStream<K, T, W> {
        WindowedStream {
            stream: self,
            windows,
            trigger: Trigger::default(),
            panes: Panes::default(),
            lateness: Duration::ZERO,
            domain: TimeDomain::EventTime,
            is_one: false,
        }
    }
}

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Cuts a stream without keys into windows: all its records meet in one replica, under the key `()`.
    ///
    /// As [`KeyedStream::window`] in all else.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("times", from_iter([5, 20, 25]))
    ///     .event_time(|at| Timestamp::from_secs(*at), Lateness::none())
    ///     .window_all(Tumbling::of(seconds(10)))
    ///     .aggregate("counts", count())
    ///     .values()
    ///     .map(|result| result.value)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [1, 2]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn window_all<W: WindowAssigner>(self, windows: W) -> WindowedStream<(), T, W> {
        WindowedStream {
            is_one: true,
            ..self.key_by(|_| ()).window(windows)
        }
    }
}

impl<K: Key, T: Send + 'static, W: WindowAssigner> WindowedStream<K, T, W> {
    /// Says when windows speak (default: once, when the watermark passes their end).
    ///
    /// Tumbling windows are then kept each by itself, and a record costs about three times what it does without.
    /// [Sliding](crate::Sliding) ones are still made of slices until they end, unless the trigger counts records before
    /// that: then a record costs as much as the windows it is in.
    ///
    /// [`Trigger`] has an example.
    ///
    /// Source: triggers of Akidau et al., *The Dataflow Model*, VLDB 2015.
    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    /// Says how the panes of one window go together (default: [`Panes::Accumulating`]).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::{Every, Panes, Trigger};
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("amounts", from_iter([1, 2, 3]))
    ///     .event_time(|_| Timestamp::EPOCH, Lateness::none())
    ///     .key_by(|_| ())
    ///     .window(Tumbling::of(days(1)))
    ///     .trigger(Trigger::at_watermark().early(Every::records(2)))
    ///     .panes(Panes::Retracting)
    ///     .aggregate("sums", sum(|n: &i64| *n))
    ///     .values()
    ///     .map(|sum| if sum.pane.retracts { -sum.value } else { sum.value })
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [3, -3, 6]); // said, taken back, said anew
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn panes(mut self, panes: Panes) -> Self {
        self.panes = panes;
        self
    }

    /// Keeps windows until the watermark has passed their end by `lateness` (default 0): a record that comes by then
    /// makes a late pane, as the [`Trigger`] says.
    ///
    /// A late pane still has the timestamp of its window, which is behind the watermark: windows further down take it
    /// in if they allow as much lateness.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("times", from_iter([5, 20, 7]).one_by_one())
    ///     .event_time(|at| Timestamp::from_secs(*at), Lateness::none())
    ///     .key_by(|_| ())
    ///     .window(Tumbling::of(seconds(10)))
    ///     .allowed_lateness(minutes(1))
    ///     .aggregate("counts", count())
    ///     .values()
    ///     .map(|result| (result.window.start.as_millis(), result.pane.timing, result.value))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// # use millstream::operators::Timing::{Late, OnTime};
    /// assert_eq!(results.take(), [(0, OnTime, 1), (0, Late, 2), (20_000, OnTime, 1)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn allowed_lateness(mut self, lateness: Duration) -> Self {
        self.lateness = lateness;
        self
    }

    /// Lets the windows go by processing time: a record falls into those of the moment it gets here, and they end by
    /// the wall clock. No record is late, and the stream needs no event time; what comes of it has none either.
    ///
    /// Results depend on when records come: a simulation repeats them, another run does not.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", Generator::new(|n, _| n).with_rate(10).with_count(30))
    ///     .window_all(Tumbling::of(seconds(1)))
    ///     .processing_time()
    ///     .aggregate("per-second", count())
    ///     .map(|(), second| second.value)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take().into_iter().sum::<u64>(), 30);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: processing-time windows of Flink.
    pub fn processing_time(mut self) -> Self {
        self.domain = TimeDomain::ProcessingTime;
        self
    }
}
