//! How watermarks are made of records, and how far the wall clock bounds or moves them.

use std::time::Duration;

use millstream_engine::runtime;
use millstream_engine::time::{Timestamp, days, millis};

use super::clock::Follow;

/// Says, seeing a record, how far event time has come on the record's partition.
///
/// # Contract
/// 1. It is asked once for each record, in the order of its partition. `Some(w)` means: no record earlier than `w`
///    follows on this partition, unless it is late. `None`: nothing is known that was not before.
/// 2. The highest answer of a partition counts, and is saved; a lower one changes nothing.
/// 3. The answer depends on the record alone: a strategy remembers nothing.
///
/// A closure `Fn(&T, Timestamp) -> Option<Timestamp>` is one; see [`Watermarks::by`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` says nothing about the watermarks of `{T}`s",
    label = "this should be a strategy for records of type `{T}`",
    note = "`Lateness::bounded(…)` and `Lateness::none()` are ones, and so is a closure `|record: &{T}, time| …` that \
            returns an `Option<Timestamp>`"
)]
pub trait WatermarkStrategy<T>: Clone + Send + 'static {
    /// How far time has come on the partition of `record`, which happened at `time`.
    fn watermark(&self, record: &T, time: Timestamp) -> Option<Timestamp>;

    /// How far the watermark trails the latest record, where that is known: what a partition that follows the wall
    /// clock trails it by as well.
    fn lateness(&self) -> Duration {
        Duration::ZERO
    }
}

impl<T, F> WatermarkStrategy<T> for F
where
    F: Fn(&T, Timestamp) -> Option<Timestamp> + Clone + Send + 'static,
{
    #[inline]
    fn watermark(&self, record: &T, time: Timestamp) -> Option<Timestamp> {
        self(record, time)
    }
}

/// The watermark trails the latest record by a bound; see [`Lateness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounded(Duration);

impl<T> WatermarkStrategy<T> for Bounded {
    #[inline]
    fn watermark(&self, _record: &T, time: Timestamp) -> Option<Timestamp> {
        Some(time - self.0)
    }

    fn lateness(&self) -> Duration {
        self.0
    }
}

/// How far out of order records may come without being late: `Lateness::bounded(minutes(5))`.
///
/// The watermark of a partition of the source trails its latest record by this much. Waiting longer
/// means fewer late records, later results and more state. See [`Watermarks`] for what else can be set.
pub type Lateness = Watermarks<Bounded>;

impl Lateness {
    /// Records come at most this much of event time behind later ones of their partition.
    ///
    /// [`Stream::event_time`](crate::Stream::event_time) has an example.
    pub const fn bounded(most: Duration) -> Self {
        Watermarks::of(Bounded(most))
    }

    /// Every partition is in order (Flink's monotonous timestamps).
    ///
    /// [`Stream::event_time`](crate::Stream::event_time) has an example of the other.
    pub const fn none() -> Self {
        Watermarks::of(Bounded(Duration::ZERO))
    }
}

/// How [`Stream::event_time`](crate::Stream::event_time) makes watermarks: a strategy, and how the wall clock bounds or
/// moves them.
///
/// ```
/// use millstream_engine::time::{hours, minutes, seconds};
/// use millstream_operators::Lateness;
///
/// // Of a live source: a record from tomorrow is a mistake, and silence is no reason to wait.
/// let live = Lateness::bounded(minutes(1))
///     .with_max_ahead(hours(1))
///     .with_wall_clock_advance(seconds(5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks<S> {
    pub(super) strategy: S,
    max_ahead: MaxAhead,
    pub(super) on_ahead: Ahead,
    advance: Option<Duration>,
}

/// How far ahead of the wall clock a record's time may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MaxAhead {
    /// Nobody said: [`DEFAULT_MAX_AHEAD`], and in a simulation any.
    Unsaid,
    Bound(Duration),
    Any,
}

/// More than any two clocks, or time zones, differ.
const DEFAULT_MAX_AHEAD: Duration = days(1);

/// What becomes of a record whose time is too far ahead of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ahead {
    /// It is left out and counted (`ahead` in the metrics and the report).
    Drop,
    /// The flow fails, and says which time it was.
    Fail,
}

impl<S> Watermarks<S> {
    /// Made by this strategy.
    ///
    /// [`WatermarkStrategy`] says what one is; [`by`](Watermarks::by) is the same of a closure, and has an example.
    pub const fn of(strategy: S) -> Self {
        Watermarks {
            strategy,
            max_ahead: MaxAhead::Unsaid,
            on_ahead: Ahead::Drop,
            advance: None,
        }
    }

    /// Made by a closure (punctuated watermarks): it is given each record with its time, and says how far time has
    /// come on the record's partition, if it knows. The type of the record must be written down.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Watermarks;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // A day's rows come in any order, then a row without a count says that the day is over.
    /// let rows = [(3, Some(5)), (1, Some(2)), (24, None), (25, Some(1))];
    /// flow.source("rows", from_iter(rows))
    ///     .event_time(
    ///         |(hour, _)| Timestamp::from_secs(hour * 3600),
    ///         Watermarks::by(|(_, n): &(i64, Option<u64>), time| n.is_none().then_some(time)),
    ///     )
    ///     .filter_map(|(_, n)| n)
    ///     .key_by(|_| ())
    ///     .window(Tumbling::of(days(1)))
    ///     .aggregate("per-day", sum(|n: &u64| *n))
    ///     .values()
    ///     .map(|day| day.value)
    ///     .sink("days", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [7, 1]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: Flink's punctuated watermarks; Tucker et al., *Exploiting Punctuation Semantics in Continuous Data
    /// Streams*, TKDE 2003.
    pub fn by<T>(strategy: S) -> Self
    where
        S: Fn(&T, Timestamp) -> Option<Timestamp> + Clone + Send + 'static,
    {
        Watermarks::of(strategy)
    }

    /// Sets how far ahead of the wall clock a record's time may be; `None`: as far as it likes.
    ///
    /// A single record from the year 3000 would close every window and make all that follows late. So there is a
    /// bound, by default a day: more than clocks and time zones differ. Replays of the past are never ahead. The
    /// default does not hold in a simulation, whose wall clock begins in 2020 whatever the data are; a bound that is
    /// set here does.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let of_2020 = 1_577_836_800; // when the wall clock of a simulation begins
    /// flow.source("seconds", from_iter([of_2020, of_2020 + 60, 32_503_680_000]))
    ///     .event_time(
    ///         |second| Timestamp::from_secs(*second),
    ///         Lateness::none().with_max_ahead(hours(1)),
    ///     )
    ///     .map(|second| second - 1_577_836_800)
    ///     .sink("out", out.sink());
    /// # });
    /// let report = flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [0, 60]);
    /// assert_eq!(report.ahead(), 1); // the one of the year 3000
    /// # Ok::<(), millstream::Error>(())
    /// ```
    #[must_use]
    pub fn with_max_ahead(mut self, most: impl Into<Option<Duration>>) -> Self {
        self.max_ahead = most.into().map_or(MaxAhead::Any, MaxAhead::Bound);
        self
    }

    /// Sets what becomes of a record that is further ahead (default: [`Ahead::Drop`]).
    /// [`event_time_with_ahead`](crate::Stream::event_time_with_ahead) gives them as a stream instead.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Ahead;
    /// let flow = Flow::new("docs", |flow| {
    ///     flow.source("seconds", from_iter([32_503_680_000])) // of the year 3000
    ///         .event_time(
    ///             |second| Timestamp::from_secs(*second),
    ///             Lateness::none().with_max_ahead(hours(1)).on_ahead(Ahead::Fail),
    ///         )
    ///         .discard();
    /// });
    /// let error = flow.simulate(1).unwrap_err();
    /// assert!(error.to_string().contains("3000-01-01"), "{error}");
    /// ```
    #[must_use]
    pub const fn on_ahead(mut self, policy: Ahead) -> Self {
        self.on_ahead = policy;
        self
    }

    /// For a live source: lets a partition that has been silent for `slack` follow the wall clock, as far behind it as
    /// the strategy's lateness and `slack` together, so that the last windows before a silence are given.
    ///
    /// Silence counts as idleness does: the time the flow waited for the source, not the time it was busy. A record
    /// that reaches the flow within the lateness of its own time is never late by this; one of an older backlog is.
    /// A source that follows the wall clock is never idle: time goes on without its records. (At least a millisecond.)
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::runtime;
    /// # use futures::{StreamExt, stream};
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // Two clicks, and then none for an hour.
    /// let clicks = stream::iter([3, 5]).chain(stream::once(async {
    ///     runtime::sleep(hours(1)).await;
    ///     3_600
    /// }));
    /// flow.source("clicks", from_stream(clicks))
    ///     .event_time(
    ///         |second| Timestamp::from_secs(1_577_836_800 + second), // as the wall clock of a simulation
    ///         Lateness::none().with_wall_clock_advance(seconds(1)),
    ///     )
    ///     .window_all(Tumbling::of(seconds(10)))
    ///     .aggregate("per-10-seconds", count())
    ///     .map(|(), window| (window.value, runtime::now().as_nanos() / 1_000_000_000))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take()[0], (2, 11)); // in the eleventh second, not in an hour
    /// # Ok::<(), millstream::Error>(())
    /// ```
    #[must_use]
    pub fn with_wall_clock_advance(mut self, slack: Duration) -> Self {
        self.advance = Some(slack.max(millis(1)));
        self
    }

    /// How far ahead a record may be, where the operator runs.
    pub(super) fn bound(&self) -> Option<Duration> {
        match self.max_ahead {
            MaxAhead::Unsaid if runtime::is_simulated() => None,
            MaxAhead::Unsaid => Some(DEFAULT_MAX_AHEAD),
            MaxAhead::Bound(most) => Some(most),
            MaxAhead::Any => None,
        }
    }

    /// How silent partitions follow the wall clock.
    pub(super) fn follow<T>(&self) -> Option<Follow>
    where
        S: WatermarkStrategy<T>,
    {
        let slack = self.advance?;
        let behind = self.strategy.lateness().saturating_add(slack);
        Some(Follow { slack, behind })
    }
}
