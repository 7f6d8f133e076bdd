//! Windows that compute: which operator does it.

use std::any::Any;

use millstream_engine::key::Keyed;
use millstream_engine::outbox::PortMaker;
use millstream_engine::plan::{MakeOperator, OperatorVertex, Route};
use millstream_engine::state::StateKind;
use millstream_engine::time::whole_micros;

use crate::aggregate::Aggregate;
use crate::keyed::{Key, KeyedStream};
use crate::late::with_late;
use crate::scope::Tail;
use crate::timer::TimeDomain;
use crate::window::general::GeneralWindows;
use crate::window::once::WindowAggregate;
use crate::window::open::Spans;
use crate::window::rules::Rules;
use crate::window::sliced::{sliced, sliced_with_panes};
use crate::window::tumbling::gcd;
use crate::window::{
    Every, Sliding, Tumbling, WindowAssigner, WindowResult, WindowedStream, check,
};

/// The keyed stream of what windows come to.
pub type WindowResults<K, V> = KeyedStream<K, WindowResult<K, V>>;

impl<K: Key, T: Send + 'static, W: WindowAssigner> WindowedStream<K, T, W> {
    /// Computes one result for each key and window, or as many as the [trigger](Self::trigger) asks for.
    ///
    /// Late records are counted; [`aggregate_with_late`](Self::aggregate_with_late) gives them as well. Where a few keys
    /// have most of the records, tumbling and sliding windows can be aggregated `in_two_stages()`.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("trades", from_iter([(0, 5.0), (30, 7.0), (70, 6.0)]))
    ///     .event_time(|(at, _)| Timestamp::from_secs(*at), Lateness::none())
    ///     .key_by(|_| "all".to_owned())
    ///     .window(Tumbling::of(minutes(1)))
    ///     .aggregate("per-minute", (count(), max(|(_, price): &(i64, f64)| *price)))
    ///     .values()
    ///     .map(|minute| (minute.window.start.as_millis(), minute.value))
    ///     .sink("minutes", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(0, (2, 7.0)), (60_000, (1, 6.0))]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn aggregate<A>(self, name: &str, aggregate: A) -> WindowResults<K, A::Out>
    where
        A: Aggregate<T, State: Clone>,
    {
        KeyedStream::keyed(self.into_tail(name, aggregate, false))
    }

    /// Like [`aggregate`](Self::aggregate), with the late records as a stream of its own.
    ///
    /// A record is late if the watermark has passed the end of its last window by the time it gets here. Watermarks go
    /// between batches, so the records of a batch are not late for each other: those of a short iterator never are. To see
    /// a late record in a test, let the iterator give each in a batch of its own, with `one_by_one`.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let too_late = Collect::new();
    /// # let (out, missed) = (results.clone(), too_late.clone());
    /// # let flow = Flow::new("docs", move |flow| {
    /// let (counts, late) = flow
    ///     .source("times", from_iter([5, 20, 3, 25]).one_by_one())
    ///     .event_time(|at| Timestamp::from_secs(*at), Lateness::none())
    ///     .key_by(|_| ())
    ///     .window(Tumbling::of(seconds(10)))
    ///     .aggregate_with_late("counts", count());
    /// late.values().sink("missed", missed.sink());
    /// counts.map(|_, result| result.value).sink("out", out.sink());
    /// # });
    /// let report = flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [1, 2]);
    /// assert_eq!((too_late.take(), report.late()), (vec![3], 1));
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn aggregate_with_late<A>(
        self,
        name: &str,
        aggregate: A,
    ) -> (WindowResults<K, A::Out>, KeyedStream<K, T>)
    where
        A: Aggregate<T, State: Clone>,
    {
        with_late(self.into_tail(name, aggregate, true))
    }

    fn into_tail<A>(self, name: &str, aggregate: A, gives_late: bool) -> Tail
    where
        A: Aggregate<T, State: Clone>,
    {
        self.check(name);
        let (beat, is_one) = (self.beat(), self.is_one);
        let by_watermark = self.domain == TimeDomain::EventTime;
        let input = self.stream.tail.clone().routed(Route::ByKey);
        let (make, kind) = self.into_operator(aggregate, gives_late);
        let mut vertex = OperatorVertex::named(name, "window", make)
            .with_port(PortMaker::moving::<Keyed<K, WindowResult<K, A::Out>>>())
            .with_state(StateKind::of::<(K, A::State)>(&kind, 1));
        if by_watermark && beat > 0 {
            vertex = vertex.with_beat(beat);
        }
        if gives_late {
            vertex = vertex.with_port(PortMaker::moving::<Keyed<K, T>>());
        }
        let mut tail = input.through(vertex);
        if is_one {
            tail.set_parallelism(1);
        }
        tail.timed &= by_watermark;
        tail
    }

    /// The fastest operator there is for them, and of what kind its state is.
    fn into_operator<A>(self, aggregate: A, gives_late: bool) -> (MakeOperator, String)
    where
        A: Aggregate<T, State: Clone>,
    {
        let kind = self.windows.kind();
        if let Some(windows) = self.once_as::<Tumbling>() {
            let make: MakeOperator = Box::new(move |_| {
                let aggregate = aggregate.clone();
                Box::new(WindowAggregate::<K, T, A>::new(
                    Spans::Windows(windows),
                    aggregate,
                    gives_late,
                ))
            });
            return (make, kind);
        }
        if let Some(windows) = self.once_as::<Sliding>() {
            return sliced::<K, T, A>(windows, aggregate, gives_late);
        }
        let sliding = (&self.windows as &dyn Any).downcast_ref().copied();
        let counts = self.trigger.early.is_some_and(Every::counts_records);
        let WindowedStream {
            windows,
            trigger,
            panes,
            lateness,
            domain,
            ..
        } = self;
        let rules = move || Rules {
            domain,
            trigger,
            panes,
            lateness,
            gives_late,
            ..Rules::of(&windows)
        };
        let (make, way): (MakeOperator, _) = match sliding {
            Some(windows) if !counts => {
                let (make, way) = sliced_with_panes::<K, T, A>(windows, rules, aggregate);
                (make, format!("with panes, sliced, {way}"))
            }
            _ => {
                let make: MakeOperator = Box::new(move |_| {
                    Box::new(GeneralWindows::<K, T, A>::new(rules(), aggregate.clone()))
                });
                (make, "with panes".to_owned())
            }
        };
        let kind = match domain {
            TimeDomain::EventTime => format!("{kind}, {way}"),
            TimeDomain::ProcessingTime => format!("{kind}, {way}, of processing time"),
        };
        (make, kind)
    }

    /// The windows, if they are of this type and speak but once, when the watermark passes their end.
    fn once_as<V: Copy + 'static>(&self) -> Option<V> {
        let windows: &dyn Any = &self.windows;
        windows
            .downcast_ref()
            .filter(|_| self.speaks_once())
            .copied()
    }

    /// Whether each speaks but once, when the watermark passes its end.
    pub(super) fn speaks_once(&self) -> bool {
        self.trigger.on_time
            && self.trigger.early.is_none()
            && self.lateness.is_zero()
            && self.domain == TimeDomain::EventTime
    }

    /// Only watermarks that pass a multiple of so many microseconds change a result; 0 if none does.
    fn beat(&self) -> i64 {
        let trigger = &self.trigger;
        let early = trigger.early.and_then(|every| every.time);
        let late = trigger.late.time;
        let lateness = whole_micros(self.lateness);
        let all = [Some(lateness), early, late].into_iter().flatten();
        all.fold(self.windows.beat(), gcd)
    }

    /// Notes what is wrong with them, to be told when the flow starts.
    fn check(&self, name: &str) {
        let tail = Tail {
            timed: self.stream.tail.timed || self.domain == TimeDomain::ProcessingTime,
            ..self.stream.tail.clone()
        };
        check(&tail, name, &self.windows);
        if let Some(what) = self.trigger.mistake() {
            tail.mistake(format!("the windows of `{name}` {what}"));
        }
        if self.domain == TimeDomain::ProcessingTime && !self.lateness.is_zero() {
            let text = format!(
                "the windows of `{name}` go by processing time, in which nothing is late: leave \
                 `.allowed_lateness(…)` out"
            );
            tail.mistake(text);
        }
    }
}
