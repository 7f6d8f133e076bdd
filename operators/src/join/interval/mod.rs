//! Two keyed streams, joined where their times are near each other.

mod bounds;
mod operator;
mod side;

pub use bounds::Interval;

use millstream_engine::plan::{MakeOperator, OperatorVertex};
use millstream_engine::state::{State, StateKind};

use super::keyed::KeyedJoin;
use super::pairing::{Chosen, FullOuter, Inner, LeftOuter, Pairing, RightOuter};
use super::{SameKey, through_timed};
use crate::keyed::{Key, KeyedStream};
use crate::late::with_late;
use crate::scope::Tail;
use crate::stream::Either;
use operator::Near;

impl<K: Key, L: Send + 'static> KeyedStream<K, L> {
    /// Joins two streams where their times are near each other: `f` makes a result of each pair with equal keys in
    /// which `left.time + lower <= right.time <= left.time + upper`. Its timestamp is the later of the two times.
    ///
    /// A pair is given as soon as both are there; results do not depend on which came first. A record earlier than
    /// the watermark is late, and counted; [`interval_join_with_late`](Self::interval_join_with_late) gives it as well.
    /// The state is every record, until the watermark has passed the last moment
    /// at which a partner could be: a left one until `time + upper`, a right one until `time - lower`.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Interval;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, rows: [(u64, i64); 2]| {
    /// #     flow.source(name, from_iter(rows))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(key, _)| *key)
    /// # };
    /// // Each stream has records `(key, second)`.
    /// let orders = timed("orders", [(1, 5), (1, 100)]);
    /// let payments = timed("payments", [(1, 12), (1, 300)]);
    /// orders
    ///     .interval_join("paid", payments, Interval::after(minutes(1)), |_, order, payment| {
    ///         (order.1, payment.1)
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(5, 12)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: the interval join of Flink, `JoinWindows` of Kafka Streams.
    pub fn interval_join<J, R, U, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        interval: Interval,
        f: F,
    ) -> KeyedStream<K, U>
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        F: Fn(&K, &L, &R) -> U + Clone + Send + 'static,
    {
        KeyedStream::keyed(join(name, self, right, interval, Inner(f), false))
    }

    /// Like [`interval_join`](Self::interval_join), with a result for each left record without a partner: `f` gets
    /// `None` in its place. It is given when the watermark rules a partner out; its timestamp is the last moment at
    /// which one could have come, or its own if that is later.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Interval;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, rows: [(u64, i64); 2]| {
    /// #     flow.source(name, from_iter(rows))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(key, _)| *key)
    /// # };
    /// # let orders = timed("orders", [(1, 5), (1, 100)]);
    /// # let payments = timed("payments", [(1, 12), (1, 300)]);
    /// orders
    ///     .interval_left_join("paid", payments, Interval::after(minutes(1)), |_, order, payment| {
    ///         (order.1, payment.map(|payment| payment.1))
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [(5, Some(12)), (100, None)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn interval_left_join<J, R, U, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        interval: Interval,
        f: F,
    ) -> KeyedStream<K, U>
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        F: Fn(&K, &L, Option<&R>) -> U + Clone + Send + 'static,
    {
        KeyedStream::keyed(join(name, self, right, interval, LeftOuter(f), false))
    }

    /// Like [`interval_left_join`](Self::interval_left_join), for right records without a partner.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Interval;
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
    ///     .interval_right_join("paid", payments, Interval::after(minutes(1)), |key, order, _| {
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
    pub fn interval_right_join<J, R, U, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        interval: Interval,
        f: F,
    ) -> KeyedStream<K, U>
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        F: Fn(&K, Option<&L>, &R) -> U + Clone + Send + 'static,
    {
        KeyedStream::keyed(join(name, self, right, interval, RightOuter(f), false))
    }

    /// Like [`interval_left_join`](Self::interval_left_join), for records of either stream without a partner. `f`
    /// never gets `None` for both.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Interval;
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
    ///     .interval_full_join("paid", payments, Interval::after(minutes(1)), |key, order, payment| {
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
    pub fn interval_full_join<J, R, U, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        interval: Interval,
        f: F,
    ) -> KeyedStream<K, U>
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        F: Fn(&K, Option<&L>, Option<&R>) -> U + Clone + Send + 'static,
    {
        KeyedStream::keyed(join(name, self, right, interval, FullOuter(f), false))
    }

    /// Joins by interval as `f` says, with the late records as a stream of its own. `f` gets every pair, and every
    /// record of either stream without a partner with `None` in its place; where it returns `None` there is no result.
    /// So `?` makes an inner join of it, or an outer one on either side.
    ///
    /// A late record is earlier than the watermark. It meets nobody, though partners of it may be kept still; its
    /// timestamp stays its own.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::Interval;
    /// # let (results, missed) = (Collect::new(), Collect::new());
    /// # let (out, missed_out) = (results.clone(), missed.clone());
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, times: [i64; 4]| {
    /// #     flow.source(name, Generator::new(move |n, _| (1, times[n as usize])).with_rate(10).with_count(4))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(key, _)| *key)
    /// # };
    /// // Each stream has records `(key, second)`, one after the other.
    /// let orders = timed("orders", [5, 100, 200, 400]);
    /// let payments = timed("payments", [12, 300, 310, 110]);
    /// let (paid, late) = orders.interval_join_with_late(
    ///     "paid",
    ///     payments,
    ///     Interval::after(minutes(1)),
    ///     |_, order, payment| Some((order?.1, payment.map(|payment| payment.1))), // a left join
    /// );
    /// paid.values().sink("out", out.sink());
    /// late.values().sink("missed", missed_out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take(), [(5, Some(12)), (100, None), (200, None), (400, None)]);
    /// assert_eq!(missed.take(), [Either::Right((1, 110))]); // both streams had come to 200
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn interval_join_with_late<J, R, U, F>(
        self,
        name: &str,
        right: KeyedStream<J, R>,
        interval: Interval,
        f: F,
    ) -> (KeyedStream<K, U>, KeyedStream<K, Either<L, R>>)
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        F: Fn(&K, Option<&L>, Option<&R>) -> Option<U> + Clone + Send + 'static,
    {
        with_late(join(name, self, right, interval, Chosen(f), true))
    }
}

fn join<K, J, L, R, P>(
    name: &str,
    left: KeyedStream<K, L>,
    right: KeyedStream<J, R>,
    interval: Interval,
    pairing: P,
    gives_late: bool,
) -> Tail
where
    K: Key,
    J: SameKey<K>,
    L: State,
    R: State,
    P: Pairing<K, L, R>,
{
    if let Some(what) = interval.mistake() {
        left.tail
            .mistake(format!("the interval of `{name}` {what}"));
    }
    let kind = StateKind::of::<(K, L, R)>(&format!("interval join {interval}"), 1);
    let make: MakeOperator = Box::new(move |_| {
        let pairing = pairing.clone();
        let near = Near { interval, pairing };
        Box::new(KeyedJoin::<K, L, R, _>::new(near, gives_late))
    });
    let vertex = OperatorVertex::named(name, "interval join", make).with_state(kind);
    let inputs = vec![left.tail, right.tail];
    through_timed::<K, P::Out, Either<L, R>>(name, inputs, vertex, gives_late)
}

#[cfg(test)]
mod tests;
