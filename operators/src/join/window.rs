//! Two keyed streams, joined window by window.

use millstream_engine::state::State;

use super::SameKey;
use super::pairing::{Chosen, FullOuter, Inner, LeftOuter, Pairing, RightOuter};
use super::windowed::{Pairs, windowed};
use crate::keyed::{Key, KeyedStream};
use crate::late::with_late;
use crate::scope::Tail;
use crate::stream::Either;
use crate::window::WindowAssigner;

impl<K: Key, L: Send + 'static> KeyedStream<K, L> {
    /// Joins two streams window by window: `f` makes a result of each pair with equal keys, when the watermark passes
    /// the end of their window. Its timestamp is the [last](crate::Window::last) moment of it.
    ///
    /// A record without a partner makes no result (an inner join; see [`left_join`](Self::left_join) and the others).
    /// A pair that shares several windows makes a result in each. A record is late, and counted, when all its windows
    /// are closed; [`join_with_late`](Self::join_with_late) gives it as well. The state is all records, each once, until
    /// the watermark passes the last of their windows; `n` and `m` records of a key make `n × m` results. A
    /// [session](crate::Session) is that of both streams: it goes on, and keeps its records, as long as one of them does. The
    /// [window of everything](crate::Global) keeps all until the streams end.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// let timed = |name: &str, rows: [(&str, i64, f64); 2]| {
    ///     let rows = rows.map(|(airport, hour, value)| (airport.to_owned(), hour, value));
    ///     flow.source(name, from_iter(rows))
    ///         .event_time(|(_, hour, _)| Timestamp::from_secs(hour * 3600), Lateness::none())
    ///         .key_by(|(airport, ..)| airport.clone())
    /// };
    /// let delays = timed("delays", [("JFK", 0, 12.0), ("LGA", 1, 3.0)]);
    /// let rain = timed("rain", [("JFK", 0, 0.5), ("JFK", 1, 0.1)]);
    /// delays
    ///     .join("with-rain", rain, Tumbling::of(hours(1)), |airport, delay, rain| {
    ///         (airport.clone(), delay.2, rain.2)
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [("JFK".to_owned(), 12.0, 0.5)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: the window join of Flink; records are kept by slices as in Traub et al., *Scotty*, TODS 2021.
    pub fn join<J, R, U, W, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        windows: W,
        f: F,
    ) -> KeyedStream<K, U>
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        W: WindowAssigner,
        F: Fn(&K, &L, &R) -> U + Clone + Send + 'static,
    {
        KeyedStream::keyed(join(name, self, right, windows, Inner(f), false))
    }

    /// Like [`join`](Self::join), with a result for each left record and window without a partner in it: `f` gets
    /// `None` in its place.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, rows: [(u64, i64); 2]| {
    /// #     flow.source(name, from_iter(rows))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(key, _)| *key)
    /// # };
    /// // Each stream has records `(key, second)`.
    /// let orders = timed("orders", [(1, 5), (2, 6)]);
    /// let payments = timed("payments", [(1, 7), (3, 8)]);
    /// orders
    ///     .left_join("paid", payments, Tumbling::of(minutes(1)), |order, _, payment| {
    ///         (*order, payment.is_some())
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// # let mut results = results.take();
    /// # results.sort();
    /// assert_eq!(results, [(1, true), (2, false)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn left_join<J, R, U, W, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        windows: W,
        f: F,
    ) -> KeyedStream<K, U>
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        W: WindowAssigner,
        F: Fn(&K, &L, Option<&R>) -> U + Clone + Send + 'static,
    {
        KeyedStream::keyed(join(name, self, right, windows, LeftOuter(f), false))
    }

    /// Like [`join`](Self::join), with a result for each right record and window without a partner in it: `f` gets
    /// `None` in its place.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, rows: [(u64, i64); 2]| {
    /// #     flow.source(name, from_iter(rows))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(key, _)| *key)
    /// # };
    /// // Each stream has records `(key, second)`.
    /// let orders = timed("orders", [(1, 5), (2, 6)]);
    /// let payments = timed("payments", [(1, 7), (3, 8)]);
    /// orders
    ///     .right_join("paid", payments, Tumbling::of(minutes(1)), |key, order, _| {
    ///         (*key, order.is_some())
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// # let mut results = results.take();
    /// # results.sort();
    /// assert_eq!(results, [(1, true), (3, false)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn right_join<J, R, U, W, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        windows: W,
        f: F,
    ) -> KeyedStream<K, U>
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        W: WindowAssigner,
        F: Fn(&K, Option<&L>, &R) -> U + Clone + Send + 'static,
    {
        KeyedStream::keyed(join(name, self, right, windows, RightOuter(f), false))
    }

    /// Like [`join`](Self::join), with a result for each record of either stream and window without a partner in it:
    /// `f` gets `None` in its place, never for both.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, rows: [(u64, i64); 2]| {
    /// #     flow.source(name, from_iter(rows))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(key, _)| *key)
    /// # };
    /// // Each stream has records `(key, second)`.
    /// let orders = timed("orders", [(1, 5), (2, 6)]);
    /// let payments = timed("payments", [(1, 7), (3, 8)]);
    /// orders
    ///     .full_join("paid", payments, Tumbling::of(minutes(1)), |key, order, payment| {
    ///         (*key, order.is_some(), payment.is_some())
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// # let mut results = results.take();
    /// # results.sort();
    /// assert_eq!(results, [(1, true, true), (2, true, false), (3, false, true)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn full_join<J, R, U, W, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        windows: W,
        f: F,
    ) -> KeyedStream<K, U>
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        W: WindowAssigner,
        F: Fn(&K, Option<&L>, Option<&R>) -> U + Clone + Send + 'static,
    {
        KeyedStream::keyed(join(name, self, right, windows, FullOuter(f), false))
    }

    /// Joins window by window as `f` says, with the late records as a stream of its own. `f` gets every pair, and every
    /// record of either stream whose window has none of the other, with `None` in its place; where it returns `None`
    /// there is no result. So `?` makes an inner join of it, or an outer one on either side.
    ///
    /// A late record has the timestamp it had, which is behind the watermark.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # let (results, missed) = (Collect::new(), Collect::new());
    /// # let (out, missed_out) = (results.clone(), missed.clone());
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, times: [i64; 4]| {
    /// #     flow.source(name, Generator::new(move |n, _| (1, times[n as usize])).with_rate(10).with_count(4))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(key, _)| *key)
    /// # };
    /// // Each stream has records `(key, second)`, one after the other.
    /// let orders = timed("orders", [5, 65, 130, 140]);
    /// let payments = timed("payments", [12, 70, 190, 50]);
    /// let (paid, late) = orders.join_with_late(
    ///     "paid",
    ///     payments,
    ///     Tumbling::of(minutes(1)),
    ///     |_, order, payment| Some((order?.1, payment?.1)), // an inner join
    /// );
    /// paid.values().sink("out", out.sink());
    /// let (late_orders, late_payments) = late.values().split(|late| late);
    /// late_payments.sink("missed", missed_out.sink());
    /// late_orders.discard();
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take(), [(5, 12), (65, 70)]);
    /// assert_eq!(missed.take(), [(1, 50)]); // both streams had come to 130
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn join_with_late<J, R, U, W, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        windows: W,
        f: F,
    ) -> (KeyedStream<K, U>, KeyedStream<K, Either<L, R>>)
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        W: WindowAssigner,
        F: Fn(&K, Option<&L>, Option<&R>) -> Option<U> + Clone + Send + 'static,
    {
        with_late(join(name, self, right, windows, Chosen(f), true))
    }
}

fn join<K, J, L, R, W, P>(
    name: &str,
    left: KeyedStream<K, L>,
    right: KeyedStream<J, R>,
    windows: W,
    pairing: P,
    gives_late: bool,
) -> Tail
where
    K: Key,
    J: SameKey<K>,
    L: State,
    R: State,
    W: WindowAssigner,
    P: Pairing<K, L, R>,
{
    let (inputs, make) = (vec![left.tail, right.tail], Pairs(pairing));
    windowed::<K, (Vec<L>, Vec<R>), W, _>(name, "join", inputs, windows, make, gives_late)
}
