//! A keyed stream joined with a table that changes in time: each record meets the version of its own time.

mod operator;
mod versions;

use std::time::Duration;

use millstream_engine::plan::{MakeOperator, OperatorVertex};
use millstream_engine::state::{State, StateKind};
use millstream_engine::time::whole_micros;

use super::keyed::KeyedJoin;
use super::pairing::{Chosen, Inner, LeftOuter, Pairing};
use super::{SameKey, through_timed};
use crate::keyed::{Key, KeyedStream};
use crate::late::with_late;
use crate::scope::Tail;
use crate::stream::Either;
use operator::Versioned;

/// When the records of an [as-of join](KeyedStream::as_of_join) are answered, and how long a version holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    waits: bool,
    ttl: Option<i64>,
}

impl AsOf {
    /// A record waits until the table has caught up: until the watermark of both streams has passed its time. Its
    /// answer is exact, whichever came first; records that wait are part of the state.
    pub const fn caught_up() -> Self {
        AsOf {
            waits: true,
            ttl: None,
        }
    }

    /// A record is answered at once, from the versions that have come so far: results depend on how fast the table
    /// comes.
    pub const fn immediate() -> Self {
        AsOf {
            waits: false,
            ttl: None,
        }
    }

    /// A version holds for this long of event time, its own moment and the last one included; behind that it is as if
    /// there were none. (Default: until the next.)
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(whole_micros(ttl));
        self
    }
}

impl<K: Key, L: Send + 'static> KeyedStream<K, L> {
    /// Joins each record with the latest version its key has in `table` at the record's time: that with the highest
    /// time which is not later. Of several with the same time it is the one that came last. The result has the
    /// timestamp of the record; one without a version makes none (see [`as_of_left_join`](Self::as_of_left_join)).
    ///
    /// With [`AsOf::caught_up`] the results do not depend on which stream came first. A record earlier than the
    /// watermark is late: counted, and left out ([`as_of_join_with_late`](Self::as_of_join_with_late) gives it). A version
    /// is late if no record can meet it that is not late: when the watermark has come to the next version of its key, or
    /// has passed the time for which it holds. A version that comes behind the watermark and still holds there is none of
    /// those: it is used from then on. (The records of its time that were answered before it came are not answered
    /// again.)
    ///
    /// The state, by key: the versions the watermark has not passed, and the one before them; the records that wait
    /// for the watermark. So without [`with_ttl`](AsOf::with_ttl) it keeps one version of every key there ever was; with it, a key
    /// is forgotten when its last version has run out.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::AsOf;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, rows: [(&'static str, i64, f64); 2]| {
    /// #     flow.source(name, from_iter(rows))
    /// #         .event_time(|(_, at, _)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(key, ..)| key.to_string())
    /// #         .map(|key, (_, _, value)| (key, value))
    /// #         .key_by(|(key, _)| key.clone())
    /// # };
    /// // Each stream has records `(currency, second, value)`.
    /// let payments = timed("payments", [("EUR", 15, 100.0), ("EUR", 25, 100.0)]);
    /// let rates = timed("rates", [("EUR", 10, 1.10), ("EUR", 20, 1.20)]);
    /// payments
    ///     .as_of_join("in-dollars", rates, AsOf::caught_up().with_ttl(hours(24)), |_, payment, rate| {
    ///         (payment.1 * rate.1).round()
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// assert_eq!(results.take(), [110.0, 120.0]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    ///
    /// Source: the temporal join of Flink, versioned tables of Kafka Streams; `asof` of kdb+.
    pub fn as_of_join<J, R, U, F>(
        self,
        name: &str,
        table: KeyedStream<J, R>,
        as_of: AsOf,
        f: F,
    ) -> KeyedStream<K, U>
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        F: Fn(&K, &L, &R) -> U + Clone + Send + 'static,
    {
        KeyedStream::keyed(join(name, self, table, as_of, Inner(f), false))
    }

    /// Like [`as_of_join`](Self::as_of_join), with a result for each record: `f` gets `None` for one that has no
    /// version.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::AsOf;
    /// # let results = Collect::new();
    /// # let out = results.clone();
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, rows: [(u64, i64); 2]| {
    /// #     flow.source(name, from_iter(rows))
    /// #         .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|(key, _)| *key)
    /// # };
    /// // Each stream has records `(article, second)`.
    /// let orders = timed("orders", [(1, 5), (2, 6)]);
    /// let prices = timed("prices", [(1, 3), (2, 8)]);
    /// orders
    ///     .as_of_left_join("priced", prices, AsOf::caught_up(), |article, _, price| {
    ///         (*article, price.map(|price| price.1))
    ///     })
    ///     .values()
    ///     .sink("out", out.sink());
    /// # });
    /// # flow.with_parallelism(2).simulate(1)?;
    /// # let mut results = results.take();
    /// # results.sort();
    /// assert_eq!(results, [(1, Some(3)), (2, None)]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn as_of_left_join<J, R, U, F>(
        self,
        name: &str,
        table: KeyedStream<J, R>,
        as_of: AsOf,
        f: F,
    ) -> KeyedStream<K, U>
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        F: Fn(&K, &L, Option<&R>) -> U + Clone + Send + 'static,
    {
        KeyedStream::keyed(join(name, self, table, as_of, LeftOuter(f), false))
    }

    /// Joins as of the time of each record as `f` says, with the late records as a stream of its own. `f` gets each
    /// record, and `None` where it has no version; where it returns `None` there is no result. So `?` makes an inner
    /// join of it.
    ///
    /// The late ones are records that are earlier than the watermark, and versions that no other record can meet; see
    /// [`as_of_join`](Self::as_of_join).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream::operators::AsOf;
    /// # let (results, missed) = (Collect::new(), Collect::new());
    /// # let (out, missed_out) = (results.clone(), missed.clone());
    /// # let flow = Flow::new("docs", move |flow| {
    /// # let timed = |name: &str, rows: [(i64, f64); 4]| {
    /// #     flow.source(name, Generator::new(move |n, _| rows[n as usize]).with_rate(10).with_count(4))
    /// #         .event_time(|(at, _)| Timestamp::from_secs(*at), Lateness::none())
    /// #         .key_by(|_| "EUR".to_owned())
    /// # };
    /// // Each stream has records `(second, value)`, one after the other.
    /// let payments = timed("payments", [(15, 100.0), (25, 100.0), (35, 100.0), (16, 5.0)]);
    /// let rates = timed("rates", [(10, 1.10), (20, 1.20), (40, 1.25), (12, 1.15)]);
    /// let (in_dollars, late) =
    ///     payments.as_of_join_with_late("in-dollars", rates, AsOf::caught_up(), |_, payment, rate| {
    ///         Some((payment.1 * rate?.1).round()) // an inner join
    ///     });
    /// in_dollars.values().sink("out", out.sink());
    /// late.values().sink("missed", missed_out.sink());
    /// # });
    /// # flow.with_parallelism(1).simulate(1)?;
    /// assert_eq!(results.take(), [110.0, 120.0, 120.0]);
    /// // Both streams had come to 35, and since 20 there is another rate.
    /// # let mut missed = missed.take();
    /// # missed.sort_by_key(|late| matches!(late, Either::Right(_)));
    /// assert_eq!(missed, [Either::Left((16, 5.0)), Either::Right((12, 1.15))]);
    /// # Ok::<(), millstream::Error>(())
    /// ```
    pub fn as_of_join_with_late<J, R, U, F>(
        self,
        name: &str,
        table: KeyedStream<J, R>,
        as_of: AsOf,
        f: F,
    ) -> (KeyedStream<K, U>, KeyedStream<K, Either<L, R>>)
    where
        L: State,
        J: SameKey<K>,
        R: State,
        U: Send + 'static,
        F: Fn(&K, &L, Option<&R>) -> Option<U> + Clone + Send + 'static,
    {
        let f = move |key: &K, record: Option<&L>, version: Option<&R>| f(key, record?, version);
        with_late(join(name, self, table, as_of, Chosen(f), true))
    }
}

fn join<K, J, L, R, P>(
    name: &str,
    left: KeyedStream<K, L>,
    table: KeyedStream<J, R>,
    as_of: AsOf,
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
    let make: MakeOperator = Box::new(move |_| {
        let pairing = pairing.clone();
        let versioned = Versioned { as_of, pairing };
        Box::new(KeyedJoin::<K, L, R, _>::new(versioned, gives_late))
    });
    let vertex =
        OperatorVertex::named(name, "as-of join", make)
            .with_state(StateKind::of::<(K, L, R)>("as-of join", 1));
    let inputs = vec![left.tail, table.tail];
    through_timed::<K, P::Out, Either<L, R>>(name, inputs, vertex, gives_late)
}

#[cfg(test)]
mod tests;
