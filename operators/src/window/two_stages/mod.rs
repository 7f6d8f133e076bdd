//! Windows aggregated in two stages: first where the records are, then by key.
//!
//! The first stage is not shuffled: each replica aggregates the records it gets, by key and window, and puts out the
//! unfinished states when the watermark passes the window. Only these go to the replica of their key, where the second
//! stage is the same windows over states instead of records. Of windows that slide the first stage keeps the slices.
//!
//! The first stage saves nothing: where a barrier passes, or time goes on without its replica, it puts out what it has,
//! and begins again. So all state is in one place, a restart may have another parallelism, and the states of a replica
//! are combined in the order it made them.
//!
//! Source: `accumulateByFrame` and `combineToSlidingWindow` of Hazelcast Jet; that nothing is kept over a barrier, from
//! Flink's local window aggregation.

mod combined;
mod local;

use millstream_engine::key::Keyed;
use millstream_engine::outbox::PortMaker;
use millstream_engine::plan::{MakeOperator, OperatorVertex, Route};

use crate::aggregate::Aggregate;
use crate::keyed::{Key, KeyedStream};
use crate::late::LATE;
use crate::scope::Tail;
use crate::window::open::Spans;
use crate::window::{Sliding, Tumbling, WindowAssigner, WindowResults, WindowedStream};
use combined::Combined;
use local::Local;

/// A keyed stream cut into windows that are aggregated in two stages; see [`WindowedStream::in_two_stages`].
#[must_use = "windows do nothing until they are aggregated"]
pub struct TwoStageStream<K, T, W> {
    windowed: WindowedStream<K, T, W>,
    spans: Spans,
}

impl<K: Key, T: Send + 'static> WindowedStream<K, T, Tumbling> {
    /// Aggregates where the records are, before they are spread by key: each replica its own, for as long as the window
    /// is open. Only the unfinished states, one for each key, window and replica, go on to their key's replica, where
    /// they are combined.
    ///
    /// The results are the same. What it gains:
    ///
    /// - **Hot keys.** A key is worked on by all replicas that read it, not by one of them: no longer is a flow as slow as
    ///   the replica that has the hottest key.
    /// - **No shuffle.** A record does not leave its task.
    /// - [`window_all`](crate::Stream::window_all) is worked on by all replicas.
    ///
    /// It pays from a few records for each key, window and replica on. Where there are about as many keys as records it
    /// costs up to a fifth more, because each key is kept, and looked up, twice (`benches/hot_keys`).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// // Nine of ten are from one country.
    /// let visit = |n, _: &mut _| (n, if n % 10 < 9 { "CN" } else { "IS" });
    /// flow.source("visits", Generator::new(visit).with_count(1_000))
    ///     .event_time(|(n, _)| Timestamp::from_millis(*n as i64), Lateness::none())
    ///     .key_by(|(_, country)| country.to_string())
    ///     .window(Tumbling::of(seconds(1)))
    ///     .in_two_stages()
    ///     .aggregate("visits-per-second", count())
    ///     .map(|country, result| (country, result.value))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// let mut counts = results.take();
    /// counts.sort();
    /// assert_eq!(counts, [("CN".to_owned(), 900), ("IS".to_owned(), 100)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// What differs:
    ///
    /// - Whether a record is late is judged by the replica that reads it, and by its own watermark. It makes no difference
    ///   to records that are not behind by more than the [`Lateness`](crate::Lateness) they are allowed. What a
    ///   partition that had fallen idle brings for windows that others have closed meanwhile is late in the second
    ///   stage: there a state is counted as one, and not among the late records that
    ///   [`aggregate_with_late`](TwoStageStream::aggregate_with_late) gives.
    /// - Where the order of arrival matters ([`collect_up_to`](crate::collect_up_to), and ties of
    ///   [`arg_max`](crate::arg_max) and its like), the records of one replica stay in their order, and come behind or
    ///   before all of another. Float sums round by that order.
    /// - It is for windows that speak once, when the watermark passes their end: a trigger, an allowed lateness or
    ///   processing time is an error when the flow starts. Other windows than tumbling and sliding ones have no such
    ///   method.
    ///
    /// The first stage's state is bounded as that of the windows is, in each replica that reads: so with n replicas
    /// there is up to n + 1 times as much. It goes on to the second stage with every checkpoint and every commit of
    /// positions, and is never saved: two stages can be asked for, or no longer, between a snapshot and the start from
    /// it.
    ///
    /// Source: `accumulateByFrame` and `combineToSlidingWindow` of Hazelcast Jet, local-global aggregation of Flink SQL;
    /// why hot keys need it: Nasir et al., *The Power of Both Choices*, ICDE 2015.
    pub fn in_two_stages(self) -> TwoStageStream<K, T, Tumbling> {
        let spans = Spans::Windows(self.windows);
        let windowed = self;
        TwoStageStream { windowed, spans }
    }
}

impl<K: Key, T: Send + 'static> WindowedStream<K, T, Sliding> {
    /// Aggregates where the records are, before they are spread by key, as tumbling windows do: see there.
    ///
    /// What the first stage keeps, and sends when the watermark passes it, are slices: event time is cut where windows
    /// begin and end, at most two for each slide. So it pays where many records share a key and a slice.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("visits", Generator::new(|n, _| n as i64).with_count(40))
    ///     .event_time(|n| Timestamp::from_secs(*n), Lateness::bounded(minutes(1)))
    ///     .key_by(|_| "page".to_owned())
    ///     .window(Sliding::of(seconds(20), seconds(10)))
    ///     .in_two_stages()
    ///     .aggregate("per-20-seconds", count())
    ///     .map(|_, result| (result.window.start.as_millis() / 1_000, result.value))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// # let mut results = results.take();
    /// # results.sort();
    /// assert_eq!(results, [(-10, 10), (0, 20), (10, 20), (20, 20), (30, 10)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn in_two_stages(self) -> TwoStageStream<K, T, Sliding> {
        let spans = Spans::Slices(self.windows);
        let windowed = self;
        TwoStageStream { windowed, spans }
    }
}

impl<K: Key, T: Send + 'static, W: WindowAssigner> TwoStageStream<K, T, W> {
    /// Computes one result for each key and window, as [`WindowedStream::aggregate`] does.
    ///
    /// The vertices are called `name` and, for the first stage, `name.local`.
    ///
    /// [`in_two_stages`](WindowedStream::in_two_stages) has an example.
    pub fn aggregate<A>(self, name: &str, aggregate: A) -> WindowResults<K, A::Out>
    where
        A: Aggregate<T, State: Clone>,
    {
        let local = self.local(name, aggregate.clone(), false);
        self.combined(name, aggregate, local)
    }

    /// Like [`aggregate`](Self::aggregate), with the late records as a stream of its own, as
    /// [`WindowedStream::aggregate_with_late`] gives them.
    ///
    /// A record is late when the watermark of its own replica, before the shuffle, has passed the end of its last window.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let (results, missed) = (Collect::new(), Collect::new());
    /// # let (out, missed_out) = (results.clone(), missed.clone());
    /// # let flow = Flow::new("docs", move |flow| {
    /// let seconds_of_visits = [5, 20, 3, 25];
    /// let one_by_one = Generator::new(move |n, _| seconds_of_visits[n as usize]);
    /// let (counts, late) = flow
    ///     .source("visits", one_by_one.with_rate(10).with_count(4))
    ///     .event_time(|second| Timestamp::from_secs(*second), Lateness::none())
    ///     .key_by(|_| "page".to_owned())
    ///     .window(Tumbling::of(seconds(10)))
    ///     .in_two_stages()
    ///     .aggregate_with_late("per-10-seconds", count());
    /// counts.map(|_, result| result.value).sink("out", out.sink());
    /// late.values().sink("missed", missed_out.sink());
    /// # });
    /// let report = flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take(), [1, 2]);
    /// assert_eq!((missed.take(), report.late()), (vec![3], 1));
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
        let local = self.local(name, aggregate.clone(), true);
        let late = KeyedStream::keyed(local.other_output(LATE));
        (self.combined(name, aggregate, local), late)
    }

    /// The first stage, which stays with the records: in as many replicas as they are in.
    fn local<A: Aggregate<T>>(&self, name: &str, aggregate: A, gives_late: bool) -> Tail {
        let spans = self.spans;
        let make: MakeOperator = Box::new(move |_| {
            let aggregate = aggregate.clone();
            Box::new(Local::<K, T, A>::new(spans, aggregate, gives_late))
        });
        let mut vertex = OperatorVertex::named(&format!("{name}.local"), "local window", make)
            .with_beat(self.windowed.windows.beat())
            .with_port(PortMaker::moving::<Keyed<K, A::State>>());
        if gives_late {
            vertex = vertex.with_port(PortMaker::moving::<Keyed<K, T>>());
        }
        let records = self.windowed.stream.tail.clone();
        records.routed(Route::Forward).through(vertex)
    }

    /// The second stage.
    fn combined<A>(self, name: &str, aggregate: A, local: Tail) -> WindowResults<K, A::Out>
    where
        A: Aggregate<T, State: Clone>,
    {
        if !self.windowed.speaks_once() {
            let text = format!(
                "`{name}` is aggregated in two stages, and so speaks once, when the watermark passes the end of a window: \
                 leave `.in_two_stages()` out, or `.trigger(…)`, `.allowed_lateness(…)` and `.processing_time()`"
            );
            local.mistake(text);
        }
        let states = KeyedStream::<K, A::State>::keyed(local);
        let windows = WindowedStream {
            is_one: self.windowed.is_one,
            ..states.window(self.windowed.windows)
        };
        windows.aggregate(name, Combined::<T, A>::of(aggregate))
    }
}

#[cfg(test)]
mod tests;
