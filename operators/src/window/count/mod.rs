//! Windows of so many records.

mod begun;
mod expiry;
mod operator;

use millstream_engine::key::Keyed;
use millstream_engine::outbox::PortMaker;
use millstream_engine::plan::{MakeOperator, OperatorVertex, Route};
use millstream_engine::state::StateKind;

use crate::aggregate::Aggregate;
use crate::keyed::{Key, KeyedStream};
use crate::pipe::Pipe;
use crate::process::Ttl;
use crate::stream::Stream;
use crate::window::{WindowResult, WindowResults};
use operator::CountWindows;

/// A keyed stream cut into windows of so many records; see [`KeyedStream::count_window`].
#[must_use = "windows do nothing until they are aggregated"]
pub struct CountWindowedStream<K, T> {
    stream: KeyedStream<K, T>,
    counts: Counts,
    ttl: Ttl,
    /// Whether all records are under one key, so that a single replica is enough.
    is_one: bool,
}

/// How many records are in a window, and how many lie between the beginnings of two.
#[derive(Clone, Copy, Debug)]
struct Counts {
    size: u64,
    slide: u64,
}

impl Counts {
    /// The greatest number of records that always are in the same windows.
    fn slice(self) -> u64 {
        let (mut a, mut b) = (self.size, self.slide);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a.max(1)
    }
}

impl<K: Key, T: Send + 'static> KeyedStream<K, T> {
    /// Cuts the stream into windows of `size` records each, in the order they come, each key's for itself.
    ///
    /// A window's result is given with its last record. Its [`Window`](crate::Window) is from the earliest to the
    /// latest time of its records, which may come in any order: nothing is late. At the end of the stream each window
    /// that is not full gives what it has, in a pane that is [early](crate::Timing::Early).
    ///
    /// The state grows with the number of keys that have a window begun: where keys come and go,
    /// [`with_ttl`](CountWindowedStream::with_ttl) bounds it.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("prices", from_iter([3.0, 5.0, 4.0, 6.0, 9.0]))
    ///     .key_by(|_| "all".to_owned())
    ///     .count_window(2)
    ///     .aggregate("means", mean(|price: &f64| *price))
    ///     .map(|_, result| (result.pane.timing, result.value))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// # use millstream::operators::Timing::{Early, OnTime};
    /// assert_eq!(results.take(), [(OnTime, 4.0), (OnTime, 5.0), (Early, 9.0)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn count_window(self, size: u64) -> CountWindowedStream<K, T> {
        CountWindowedStream {
            stream: self,
            counts: Counts { size, slide: size },
            ttl: Ttl::default(),
            is_one: false,
        }
    }
}

impl<T: Send + 'static, P: Pipe<Out = T>> Stream<T, P> {
    /// Cuts a stream without keys into windows of `size` records: all meet in one replica, under the key `()`.
    ///
    /// As [`KeyedStream::count_window`] in all else.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("numbers", from_iter(1..=5))
    ///     .count_window_all(2)
    ///     .aggregate("sums", sum(|n: &i64| *n))
    ///     .map(|(), result| result.value)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [3, 7, 5]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn count_window_all(self, size: u64) -> CountWindowedStream<(), T> {
        CountWindowedStream {
            is_one: true,
            ..self.key_by(|_| ()).count_window(size)
        }
    }
}

impl<K: Key, T: Send + 'static> CountWindowedStream<K, T> {
    /// Lets a window begin every `slide` records (default: where the one before ends). With more than the size, the
    /// records between two windows are in none.
    ///
    /// A key's records are kept as `size / gcd(size, slide)` states, and a result combines them all. The state grows
    /// with the number of keys and is kept for ever, unless it has a [TTL](Self::with_ttl).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("prices", from_iter([3, 5, 4, 6, 9]))
    ///     .count_window_all(3)
    ///     .every(2)
    ///     .aggregate("sums", sum(|price: &i64| *price))
    ///     .map(|(), result| result.value)
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [3 + 5 + 4, 4 + 6 + 9, 9]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn every(mut self, slide: u64) -> Self {
        self.counts.slide = slide;
        self
    }

    /// Forgets a key that has had no record for so long: each of its windows gives what it has, in a pane that is
    /// [early](crate::Timing::Early), and its next record begins anew. (Default: a key is kept until its last window is
    /// full.) A TTL by event time needs a stream that has it.
    ///
    /// So the state is that of the keys heard of within that time. It costs a place in a queue for each.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Ttl;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// flow.source("visits", from_iter([("ann", 0), ("bob", 10), ("ann", 20), ("bob", 90), ("bob", 95)]))
    ///     .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    ///     .key_by(|(who, _)| who.to_string())
    ///     .count_window(2)
    ///     .with_ttl(Ttl::event_time(minutes(1)))
    ///     .aggregate("pairs", count())
    ///     .map(|who, result| (who, result.value))
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// let pairs = results.take().into_iter();
    /// let of_bob: Vec<_> = pairs.filter(|(who, _)| who == "bob").map(|(_, count)| count).collect();
    /// assert_eq!(of_bob, [1, 2]); // the first visit was alone for too long
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// Computes one result for each window.
    ///
    /// The vertex and its state are called `name`. [`count_window`](KeyedStream::count_window) has an example.
    ///
    /// # Errors
    /// Told when the flow starts: windows of no record, or that slide by none; a TTL by event time where there is none.
    pub fn aggregate<A>(self, name: &str, aggregate: A) -> WindowResults<K, A::Out>
    where
        A: Aggregate<T, State: Clone>,
    {
        let CountWindowedStream {
            stream,
            counts,
            ttl,
            is_one,
        } = self;
        let Counts { size, slide } = counts;
        if size == 0 || slide == 0 {
            let text = format!("the windows of `{name}` are of no record, or slide by none");
            stream.tail.mistake(text);
        }
        if !ttl.is_for_ever() && !ttl.is_by_processing_time() && !stream.tail.timed {
            let text = format!(
                "the keys of `{name}` live by event time, but its stream has none: call `.event_time(…)` on it, or \
                 take a TTL by processing time"
            );
            stream.tail.mistake(text);
        }
        let make: MakeOperator = Box::new(move |_| {
            let aggregate = aggregate.clone();
            Box::new(CountWindows::<K, T, A>::new(counts, ttl, aggregate))
        });
        let kind = format!("{size} records by {slide}");
        let vertex = OperatorVertex::named(name, "count window", make)
            .with_port(PortMaker::moving::<Keyed<K, WindowResult<K, A::Out>>>())
            .with_state(StateKind::of::<(K, A::State)>(&kind, 2));
        let tail = stream.tail.routed(Route::ByKey).through(vertex);
        if is_one {
            tail.set_parallelism(1);
        }
        KeyedStream::keyed(tail)
    }
}
